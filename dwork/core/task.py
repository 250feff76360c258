"""A task: its definition, its states, and the result of one run of it.

The per-task values are NamedTuples, not frozen dataclasses: they are just as immutable and four times faster to create,
which matters when each of a million tasks creates several.

Commands, directories and variables are what the user wrote (see core/text.py): they reach the shell byte for byte.
Names are valid Unicode: they are printed, typed and sent.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, TypedDict

from dwork.core.cause import Cause
from dwork.core.resources import ONE_CORE, Resources
from dwork.core.shell import Shell
from dwork.core.text import signal_name

#: A command: a line for a shell, an argument list that is started without a shell, or None for a join, which has
#: nothing to run and is done as soon as it has nothing left to wait for (a barrier, or a glob over many tasks).
Command = str | tuple[str, ...] | None

#: How a request refers to a task: by its name, or by the id that the hub has assigned.
TaskKey = str | int


class State(Enum):
    """The state of a task: waiting -> ready -> assigned -> done | failed | skipped | cancelled."""

    WAITING = "waiting"
    READY = "ready"
    ASSIGNED = "assigned"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"

    __hash__ = object.__hash__  # Enum's own is a slow Python function, and the graph counts tasks by state

    @property
    def is_active(self) -> bool:
        """Whether a task can still leave this state."""
        return self in ACTIVE


#: The word that people use for an assigned task.
RUNNING = "running"


def worded(state: str) -> str:
    """Return a state as it is shown to people."""
    return RUNNING if state == State.ASSIGNED.value else state


#: States that a task can still leave.
ACTIVE = frozenset({State.WAITING, State.READY, State.ASSIGNED})


class EndWarning(NamedTuple):
    """The number of a signal that a task gets before its job ends, and how many seconds before."""

    signal: int
    before: float

    def __str__(self) -> str:
        seconds = f"{self.before:f}".rstrip("0").rstrip(".")
        return f"{signal_name(self.signal).removeprefix('SIG')}@{seconds}s"


@dataclass(frozen=True, slots=True)
class Options:
    """What a task asks for. None means "not set": the pool's default applies.

    cores and gpus are counts, memory is in bytes, timeout, min_time and grace are in seconds. Higher priorities go
    first. grace: the time between TERM and KILL when the task must end.
    env is a tuple of (name, value) pairs that are added to the task's environment. shell runs the line; None: /bin/sh.
    creates has the names of files that must exist when the task has succeeded; relative ones start in cwd.
    """

    cores: int = 1
    memory: int = 0
    gpus: int = 0
    timeout: float | None = None
    retries: int | None = None
    priority: int = 0
    cwd: str | None = None
    min_time: float = 0.0
    env: tuple[tuple[str, str], ...] = ()
    shell: Shell | None = None
    creates: tuple[str, ...] = ()
    grace: float | None = None
    warn: EndWarning | None = None

    @property
    def asks(self) -> Resources:
        """The resources that a worker must have; the object ONE_CORE itself when one core is enough."""
        if self.cores == 1 and not self.memory and not self.gpus:
            return ONE_CORE
        return Resources(self.cores, self.memory, self.gpus)


class OptionValues(TypedDict, total=False):
    """The fields of `Options` as keyword arguments; env may be a dict, shell and warn a text, creates a name."""

    cores: int
    memory: int
    gpus: int
    timeout: float | None
    retries: int | None
    priority: int
    cwd: str | None
    min_time: float
    env: Mapping[str, str] | tuple[tuple[str, str], ...]
    shell: Shell | str | None
    creates: str | Iterable[str]
    grace: float | None
    warn: EndWarning | str | None


#: The options of a task that sets none; one shared object, so that a million plain tasks need no memory for it.
PLAIN = Options()


class Task(NamedTuple):
    """The definition of a task, from a task file or a Create.

    name: unique in the hub. command: what to run. after: names of the predecessors that must be done. origin: the host
    that created it. after_any: names of the predecessors that must have ended, well or not.
    """

    name: str
    command: Command
    after: tuple[str, ...] = ()
    options: Options = PLAIN
    origin: str = ""
    after_any: tuple[str, ...] = ()

    @property
    def predecessors(self) -> tuple[str, ...]:
        """The names of all tasks that this one waits for."""
        return self.after + self.after_any if self.after_any else self.after

    def without_predecessors(self, names: Container[str]) -> Task:
        """Return the task without these predecessors."""
        after, after_any = (tuple([n for n in each if n not in names]) for each in (self.after, self.after_any))
        return self._replace(after=after, after_any=after_any)

    @property
    def named_twice(self) -> str | None:
        """A name that is both in after and in after_any, which is an error; None when there is none."""
        return next(iter({*self.after}.intersection(self.after_any)), None) if self.after_any else None


class Assigned(NamedTuple):
    """A task assigned to a worker: the hub's id, the attempt (1 is the first), and what to run."""

    id: int
    attempt: int
    name: str
    command: Command
    options: Options = PLAIN
    origin: str = ""


#: Linux signals that batch systems use to end a job or to announce its end (HUP, INT, USR1, USR2, TERM, XCPU).
TERM, USR1 = 15, 10
END_SIGNALS = frozenset({1, 2, USR1, 12, TERM, 24})


class Result(NamedTuple):
    """How one attempt of a task ended.

    exit_status is the value of `$?` in a shell (0 to 255; 127 not found, 126 not executable, 128 + signal when killed
    by a signal); signal is that signal or 0. started is in seconds since the epoch; seconds, user and system are
    durations in seconds; max_rss is in bytes, and 0 when it is unknown. cause is why dwork killed the attempt or could
    not start it; error is the same in words. stdout and stderr hold output that was short enough to be sent with the
    result; sent has the number of bytes of each stream that were sent before it in Output messages, and is empty when
    there were none. attempt is 0 when the peer does not count attempts (the C++ ones). left: number of processes that
    it left in the background.
    """

    task: TaskKey
    attempt: int = 0
    exit_status: int = 0
    signal: int = 0
    started: float = 0.0
    seconds: float = 0.0
    user: float = 0.0
    system: float = 0.0
    max_rss: int = 0
    cause: Cause = Cause.ITSELF
    error: str = ""
    stdout: bytes = b""
    stderr: bytes = b""
    sent: tuple[int, ...] = ()
    left: int = 0

    @property
    def ok(self) -> bool:
        """Whether the task succeeded: exit status 0."""
        return self.exit_status == 0

    @property
    def may_be_the_end(self) -> bool:
        """Whether a batch system that ends the job may have killed it, or a process that its shell waited for."""
        return self.cause is Cause.ITSELF and (self.signal in END_SIGNALS or self.exit_status - 128 in END_SIGNALS)

    @property
    def how(self) -> str:
        """A short description of how a failed attempt ended."""
        if self.error:
            return self.error
        return signal_name(self.signal) if self.signal else f"exit status {self.exit_status}"
