"""The messages that hub, workers and clients exchange, as values.

Theory of operation. A message is one of the protocol's verbs; `wire` turns it into a frame and back and knows the
numbers; nothing here does. proto/dwork.proto is the manual. Two dialects share these classes:

- The *original* dialect is what the C++ peers speak: each request gets exactly one reply, at once.
- The *native* dialect is what our own workers speak. A native worker says how many slots it has in each Steal, and
  numbers its requests; the hub may then let a Steal wait, answer a Complete and hand out tasks in the same message,
  and send Welcome, Recall and Cancel unasked. The hub never sends those to a peer that did not say `slots`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple

from dwork.core.resources import Resources
from dwork.core.task import Assigned, Result, Task, TaskKey

#: Seconds by which a process must be late to have stood still: what came meanwhile is still to be read.
STANDSTILL: Final = 1.0


class Returned(NamedTuple):
    """A task that a worker gives back unfinished, with further predecessors that it must now wait for."""

    task: TaskKey
    after: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Native:
    """What a native worker adds to a Steal or a Complete.

    slots: how many tasks it can run at a time. wait: how long a Steal may wait for work, in seconds.
    sequence: the number of this request, which its reply repeats. held: all tasks in its hands, as id and attempt, sent
    when an answer seems lost or the hub asks, so that both can make good; None when there is nothing to compare.
    hello: the hub has not said Welcome yet. beat: it will say something every so many seconds; 0 when it need not.
    has: what its tasks can have in all; None: as it said before.
    """

    slots: int = 1
    wait: float = 0.0
    sequence: int = 0
    held: tuple[tuple[int, int], ...] | None = None
    hello: bool = False
    beat: float = 0.0
    has: Resources | None = None


@dataclass(frozen=True, slots=True)
class Create:
    """Adds tasks; all of them or, on Error, none."""

    tasks: tuple[Task, ...]


@dataclass(frozen=True, slots=True)
class Steal:
    """Asks for up to n ready tasks."""

    location: str
    n: int = 1
    native: Native | None = None


@dataclass(frozen=True, slots=True)
class Complete:
    """Reports how tasks ended; with steal > 0 it is a Steal for so many as well (native only)."""

    location: str
    results: tuple[Result, ...]
    steal: int = 0
    native: Native | None = None


@dataclass(frozen=True, slots=True)
class Beat:
    """A worker has nothing to say but that it lives. OK is the answer; Welcome when the hub does not know it."""

    location: str
    native: Native


@dataclass(frozen=True, slots=True)
class Transfer:
    """From the hub: these tasks are yours. `answers` repeats the number of the request.

    time: when they were stolen, in seconds since the epoch; told in the original dialect, else 0.
    awaited: other tasks wait for some of these, so their ends are urgent.
    """

    tasks: tuple[Assigned, ...]
    answers: int = 0
    time: float = 0.0
    awaited: bool = False


@dataclass(frozen=True, slots=True)
class GiveBack:
    """A Transfer to the hub: I hold these, and will not finish them."""

    location: str
    tasks: tuple[Returned, ...]
    native: Native | None = None


@dataclass(frozen=True, slots=True)
class Lookup:
    """Asks for the state of one task, by name or by `#id`."""

    name: str


@dataclass(frozen=True, slots=True)
class Exit:
    """To the hub: location leaves, or is gone. From the hub (no location): all is finished, leave."""

    location: str | None = None
    answers: int = 0


class Verb(Enum):
    """What a Control does to tasks.

    CANCEL takes out what has not ended, and ends what runs. RETRY lets failed and cancelled tasks run again, and with
    them what was skipped for them. HOLD keeps tasks from starting until RELEASE.
    """

    CANCEL = "cancel"
    RETRY = "retry"
    HOLD = "hold"
    RELEASE = "release"


@dataclass(frozen=True, slots=True)
class Control:
    """Does something to tasks, told by name, by `#id` or by a glob over names."""

    verb: Verb
    tasks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class List:
    """Asks for up to n tasks with ids from `first` on, in these states (none: any), with names that a glob matches."""

    states: tuple[str, ...] = ()
    glob: str | None = None
    first: int = 0
    n: int = 1000


@dataclass(frozen=True, slots=True)
class Show:
    """Asks for all about one task, by name or by `#id`.

    first: tell its predecessors in order from this position on, as many as fit in an answer; None: some, those first
    that are not done.
    """

    name: str
    first: int | None = None


@dataclass(frozen=True, slots=True)
class Read:
    """Asks for one piece of a task's output: which attempt, stream 1 or 2, and which piece of it, from 0 on."""

    task: int
    attempt: int
    stream: int
    position: int


@dataclass(frozen=True, slots=True)
class Answer:
    """To List: JSON, a list of rows, and where to go on (None: that was all). To Read: the bytes.

    To Show: JSON, a row; and where its predecessors go on, when Show said `first`.
    """

    data: bytes
    next: int | None = None


@dataclass(frozen=True, slots=True)
class OK:
    """As a request: how far are you? As a reply: done; with name and n for status, name and location for Lookup."""

    name: str | None = None
    n: int | None = None
    location: str | None = None
    answers: int = 0
    counts: tuple[tuple[str, int], ...] = ()
    data: bytes = b""


@dataclass(frozen=True, slots=True)
class NotFound:
    """Nothing ready now, or: you do not hold these, or: there is no such task or worker."""

    tasks: tuple[TaskKey, ...] = ()
    answers: int = 0


@dataclass(frozen=True, slots=True)
class Error:
    """The request was ill-formed or is illegal now; nothing has changed, and its number is not used up.

    answers: repeats the number of the request; 0 when it had none.
    """

    text: str
    answers: int = 0


@dataclass(frozen=True, slots=True)
class Execution:
    """How tasks are to be run.

    keep, drop: globs over names of variables of their environment that stay, or go. set: (name, value) pairs, which
    come last. pin: whether each gets CPUs of its own; None: when its worker runs several. enforce_memory: whether a
    task is ended that uses more memory than it asked for.
    """

    keep: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    set: tuple[tuple[str, str], ...] = ()
    pin: bool | None = None
    enforce_memory: bool = False


#: Nothing special.
DEFAULT_EXECUTION = Execution()


@dataclass(frozen=True, slots=True)
class Welcome:
    """The hub's first word to a native worker: where tasks can reach it, and whether it wants their output.

    server: an address that asks for no key, or empty. connection: the text of a connection file, or empty. limit: how
    many bytes of each stream of an attempt it wants at the most; 0 for all. beat: a worker that beats should do so
    every so many seconds; 0: as it likes. again: the hub does not know what this worker holds, since it was restarted
    or had taken it for lost, and has not heeded the request, or output is missing that was sent: tell all. wishes: how
    to run tasks.
    """

    server: str = ""
    output: bool = False
    connection: str = ""
    limit: int = 0
    beat: float = 0.0
    again: bool = False
    execution: Execution = DEFAULT_EXECUTION


@dataclass(frozen=True, slots=True)
class Move:
    """To a rank: from now on talk over ZeroMQ; connection is the text of a connection file."""

    connection: str


@dataclass(frozen=True, slots=True)
class Leave:
    """To the hub: these workers (locations, or globs) are to leave; OK tells how many. From the hub: leave.

    A worker that is told finishes what it runs, gives back the rest, and says goodbye.
    """

    locations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Drain:
    """Asks the hub to hand out nothing more; now: and to end what runs, which the next run runs again."""

    now: bool = False


@dataclass(frozen=True, slots=True)
class Workers:
    """Asks for all workers; the Answer is JSON, a list of rows."""


@dataclass(frozen=True, slots=True)
class Watch:
    """Asks how far the run is, who works, what runs and what failed; the Answer is JSON, an object (see `overview`)."""


@dataclass(frozen=True, slots=True)
class Await:
    """Asks to be told when the run is over: NotFound when `wait` seconds are over.

    OK when it is, with the exit code of the run as n, and as data what the answer to Watch would be.
    """

    wait: float = 0.0


@dataclass(frozen=True, slots=True)
class Recall:
    """The hub asks a worker to give back up to n tasks that it has not started."""

    n: int


@dataclass(frozen=True, slots=True)
class Cancel:
    """The hub asks a worker to end these tasks, running or not."""

    tasks: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Output:
    """A piece of a running or ended task's output that is too large to travel with its result.

    stream is 1 for stdout, 2 for stderr; pieces of a stream are sent in order and before the result. position: how many
    bytes of the stream come before this piece; attempt: whose it is, or 0 when the worker tells neither.
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
Reply = Transfer | Exit | OK | Answer | NotFound | Error | Welcome | Move | Leave | Recall | Cancel
Message = Request | Reply
