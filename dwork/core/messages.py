"""The messages that hub, workers and clients exchange, as values.

Theory of operation. Each class is one message of the protocol. Only `wire` knows field numbers; it encodes messages
into frames and decodes them. proto/dwork.proto is the manual. Two dialects share these classes:

- The *original* dialect is what the C++ peers speak: each request gets exactly one reply, immediately.
- The *native* dialect is what dwork's own workers speak. A native worker sends its number of slots in each Steal and
  numbers its requests. The hub may then let a Steal wait, answer a Complete with a Transfer of new tasks, and send
  Welcome, Recall, Cancel and Warn unasked. The hub never sends these to a peer that has not sent `slots`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple

from dwork.core.peer_version import Version
from dwork.core.resources import Resources
from dwork.core.task import Assigned, Result, Task, TaskKey
from dwork.core.text import Shown, UserText
from dwork.core.version import __version__

#: The version of the native dialect. Raise it when a peer of the last release would refuse or misunderstand what this
#: one sends, or would not send what this one needs: a new type, a field with a new meaning, one that a message must now
#: have. A new field that a peer may ignore or leave out does not need this.
PROTOCOL: Final = 2
#: What this dwork speaks.
OURS: Final = Version(PROTOCOL, __version__)

#: A process that is this many seconds late was suspended, so messages that arrived meanwhile are still unread.
STANDSTILL: Final = 1.0


class Returned(NamedTuple):
    """A task that a worker gives back unfinished, with additional predecessors that it must now wait for."""

    task: TaskKey
    after: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Native:
    """The fields that a native worker adds to its requests.

    slots: how many tasks it can run at a time. wait: how many seconds a Steal may wait for work. sequence: the number
    of this request, which the reply repeats. held: id and attempt of all tasks that the worker holds, sent when an
    answer seems lost or the hub asks, so that both sides can reconcile; None when there is nothing to compare. hello:
    the worker has not received a Welcome yet. beat: the longest interval between two of its messages, in seconds; 0:
    no limit. has: the resources of the worker in total; None: unchanged. version: what it speaks, sent with hello and
    held.
    """

    slots: int = 1
    wait: float = 0.0
    sequence: int = 0
    held: tuple[tuple[int, int], ...] | None = None
    hello: bool = False
    beat: float = 0.0
    has: Resources | None = None
    version: Version = OURS


@dataclass(frozen=True, slots=True)
class Create:
    """A request to add tasks: all of them or, on Error, none."""

    tasks: tuple[Task, ...]


@dataclass(frozen=True, slots=True)
class Steal:
    """A request for up to n ready tasks."""

    location: str
    n: int = 1
    native: Native | None = None


@dataclass(frozen=True, slots=True)
class Complete:
    """A report of how tasks ended; with steal > 0 it is also a Steal of that many tasks (native only)."""

    location: str
    results: tuple[Result, ...]
    steal: int = 0
    native: Native | None = None


@dataclass(frozen=True, slots=True)
class Beat:
    """A sign of life from a worker with nothing else to send; answered with OK, or Welcome to an unknown worker."""

    location: str
    native: Native


@dataclass(frozen=True, slots=True)
class Transfer:
    """From the hub: tasks assigned to the worker. `answers` repeats the number of the request.

    time: when they were stolen, in seconds since the epoch; sent in the original dialect, else 0.
    awaited: other tasks wait for some of these, so their results are urgent.
    """

    tasks: tuple[Assigned, ...]
    answers: int = 0
    time: float = 0.0
    awaited: bool = False


@dataclass(frozen=True, slots=True)
class GiveBack:
    """A Transfer to the hub: the worker holds these tasks and will not finish them."""

    location: str
    tasks: tuple[Returned, ...]
    native: Native | None = None


@dataclass(frozen=True, slots=True)
class Lookup:
    """A request for the state of one task, by name or `#id`."""

    name: str


@dataclass(frozen=True, slots=True)
class Exit:
    """To the hub: the worker at location leaves or is gone. From the hub (no location): nothing is left, leave."""

    location: str | None = None
    answers: int = 0


class Verb(Enum):
    """What a Control does to tasks.

    CANCEL cancels tasks that have not ended and kills those that run. RETRY runs failed and cancelled tasks again,
    together with the tasks that were skipped because of them. HOLD keeps tasks from starting until RELEASE.
    """

    CANCEL = "cancel"
    RETRY = "retry"
    HOLD = "hold"
    RELEASE = "release"


@dataclass(frozen=True, slots=True)
class Control:
    """A request to apply a verb to tasks, given by name, by `#id` or by a glob over names."""

    verb: Verb
    tasks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class List:
    """A request for up to n tasks with ids from `first` on, in these states (empty: all), whose names match glob."""

    states: tuple[str, ...] = ()
    glob: str | None = None
    first: int = 0
    n: int = 1000


@dataclass(frozen=True, slots=True)
class Show:
    """A request for all details of one task, by name or `#id`.

    first: list its predecessors in order from this position on, as many as fit in an answer; None: list some of them,
    unfinished ones first.
    """

    name: str
    first: int | None = None


@dataclass(frozen=True, slots=True)
class Read:
    """A request for one piece of a task's output: attempt, stream (1 or 2), and the number of the piece, from 0."""

    task: int
    attempt: int
    stream: int
    position: int


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to an inquiry.

    To List: JSON, a list of rows; next: the `first` to continue with, or None at the end. To Show: JSON, a row; next:
    where its predecessors continue, when Show set `first`. To Read: the bytes. To Workers and Watch: JSON.
    """

    data: bytes
    next: int | None = None


@dataclass(frozen=True, slots=True)
class OK:
    """As a request: a status query. As a reply: success; name and n for status; name, n and location for Lookup.

    version: what the hub speaks, in the answer to a status query; None: it does not send it, as the original hub.
    """

    name: str | None = None
    n: int | None = None
    location: str | None = None
    answers: int = 0
    counts: tuple[tuple[str, int], ...] = ()
    data: bytes = b""
    version: Version | None = None


@dataclass(frozen=True, slots=True)
class NotFound:
    """Nothing is ready now, or the worker does not hold these tasks, or there is no such task or worker."""

    tasks: tuple[TaskKey, ...] = ()
    answers: int = 0


@dataclass(frozen=True, slots=True)
class Error:
    """The request was malformed or is illegal now; nothing has changed, and its number can be used again.

    answers: repeats the number of the request; 0 when it had none. version: what the hub speaks, when it refuses a
    worker that speaks another protocol.
    """

    text: Shown
    answers: int = 0
    version: Version | None = None


class Leftovers(Enum):
    """What happens to processes that a task leaves in the background when it ends."""

    # The order of the members is on the wire: never change it, add at the end.

    KEEP = "keep"  # they run until their worker leaves
    END = "end"  # they are ended
    FAIL = "fail"  # they are ended, and the task fails


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """How workers run tasks.

    keep, drop: globs over environment variables that tasks keep, or do not get. set: (name, value) pairs, applied
    last. pin: whether each task gets its own CPUs; None: only when its worker has several slots. enforce_memory:
    whether to kill a task that uses more memory than it asked for. leftovers: what happens to what it leaves behind.
    """

    keep: tuple[UserText, ...] = ()
    drop: tuple[UserText, ...] = ()
    set: tuple[tuple[UserText, UserText], ...] = ()
    pin: bool | None = None
    enforce_memory: bool = False
    leftovers: Leftovers = Leftovers.KEEP


#: No special settings.
DEFAULT_EXECUTION = Execution()


@dataclass(frozen=True, slots=True)
class Welcome:
    """The hub's first message to a native worker: where tasks can reach the hub, and whether it wants their output.

    server: an address that needs no key, or empty. connection: the text of a connection file, or empty. limit: the
    most bytes of each stream of an attempt that the hub wants; 0: all. beat: the interval at which a worker that sends
    beats should send them, in seconds; 0: the worker's choice. again: the hub ignored the request, because it does not
    know what the worker holds (the hub was restarted, or had declared the worker lost), or output that the worker has
    sent did not arrive: the worker must send everything again. execution: how to run tasks. version: what the hub
    speaks.
    """

    server: str = ""
    output: bool = False
    connection: str = ""
    limit: int = 0
    beat: float = 0.0
    again: bool = False
    execution: Execution = DEFAULT_EXECUTION
    version: Version = OURS


@dataclass(frozen=True, slots=True)
class Move:
    """To a rank: use ZeroMQ from now on; connection is the text of a connection file."""

    connection: str


@dataclass(frozen=True, slots=True)
class Leave:
    """To the hub: these workers (locations or globs) should leave; the OK has their number. From the hub: leave.

    A worker that gets it finishes its running tasks, gives back the others, and sends Exit.
    """

    locations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Include:
    """A request to give excluded workers (locations or globs) tasks again; the OK has their number."""

    locations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Drain:
    """A request to hand out no more tasks; now: also kill the running ones, which the next run runs again."""

    now: bool = False


@dataclass(frozen=True, slots=True)
class Workers:
    """A request for all workers; the Answer is JSON, a list of rows."""


@dataclass(frozen=True, slots=True)
class Watch:
    """A request for progress, workers, running tasks and failures; the Answer is a JSON object (see `overview`)."""


@dataclass(frozen=True, slots=True)
class Await:
    """A request to be notified when the run has ended.

    The reply is OK when it has, with the exit code of the run as n and the answer to Watch as data; or NotFound after
    `wait` seconds.
    """

    wait: float = 0.0


@dataclass(frozen=True, slots=True)
class Recall:
    """From the hub: give back up to n tasks that have not started."""

    n: int


@dataclass(frozen=True, slots=True)
class Cancel:
    """From the hub: kill these tasks, or drop those that have not started."""

    tasks: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Warn:
    """From the hub: the job ends soon; send this signal to these tasks, and give back those that have not started."""

    tasks: tuple[int, ...]
    signal: int


@dataclass(frozen=True, slots=True)
class Output:
    """A piece of a running or ended task's output that is too large to travel with its result.

    stream is 1 for stdout, 2 for stderr; pieces of a stream are sent in order and before the result. position: how many
    bytes of the stream precede this piece. attempt: the attempt that printed it; 0 when the worker sends neither.
    """

    location: str
    task: int
    stream: int
    data: bytes
    attempt: int = 0
    position: int = 0


Request = (
    Create
    | Leave
    | Include
    | Drain
    | Steal
    | Complete
    | Beat
    | GiveBack
    | Lookup
    | Exit
    | Control
    | List
    | Show
    | Read
    | Workers
    | Watch
    | Await
    | OK
    | Output
)
Inquiry = List | Show | Read | Workers | Watch
Reply = Transfer | Exit | OK | Answer | NotFound | Error | Welcome | Move | Leave | Recall | Cancel | Warn
Message = Request | Reply
