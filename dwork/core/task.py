"""What a task is: its definition, its states, and how one run of it ended.

The per-task values are NamedTuples, not frozen dataclasses: they are as immutable, and four times quicker to make,
which counts when each of a million tasks makes several.

Text that came from a file or a command line is `str` with undecodable bytes as surrogate escapes (PEP 383), as
Python itself keeps arguments and file names, so every command reaches the shell byte by byte. Names are proper
Unicode: they are printed, typed and put on the wire.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from dwork.core.resources import ONE_CORE, Resources
from dwork.core.text import signal_name

#: A command: a line for `/bin/sh -c`, an argument list started without a shell, or None for a join, which has
#: nothing to run and is done as soon as its predecessors are (a barrier, or a glob over many tasks).
Command = str | tuple[str, ...] | None

#: How a request names a task: by its name, or by the id that the hub gave it.
TaskKey = str | int


class State(Enum):
    """Where a task stands: waiting -> ready -> assigned -> done | failed | skipped | cancelled."""

    WAITING = "waiting"
    READY = "ready"
    ASSIGNED = "assigned"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"

    __hash__ = object.__hash__  # Enum's own is a Python function, and the graph counts tasks by state


#: States that a task can still leave.
ACTIVE = frozenset({State.WAITING, State.READY, State.ASSIGNED})


@dataclass(frozen=True, slots=True)
class Options:
    """What a task asks for. None means "not said": the pool's own default holds.

    cores and gpus are counts, memory is in bytes, timeout and min_time in seconds, priority is higher first,
    env is a tuple of (name, value) pairs that are added to the task's environment.
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

    @property
    def asks(self) -> Resources:
        """What a worker must have for it; ONE_CORE itself when that is all."""
        if self.cores == 1 and not self.memory and not self.gpus:
            return ONE_CORE
        return Resources(self.cores, self.memory, self.gpus)


#: The options of a task that asks for nothing; one shared object, so a million plain tasks cost no memory for it.
PLAIN = Options()


class Task(NamedTuple):
    """The definition of a task, as a file or a Create gives it.

    name: globally unique. command: what runs. after: names of the predecessors. origin: the host that made it.
    """

    name: str
    command: Command
    after: tuple[str, ...] = ()
    options: Options = PLAIN
    origin: str = ""


class Assigned(NamedTuple):
    """A task in a worker's hands: the hub's id, which attempt this is (1 is the first), and what to run."""

    id: int
    attempt: int
    name: str
    command: Command
    options: Options = PLAIN
    origin: str = ""


#: Signals with which batch systems end jobs or say that the end is near (HUP, INT, USR1, USR2, TERM, XCPU of Linux).
TERM, USR1 = 15, 10
END_SIGNALS = frozenset({1, 2, USR1, 12, TERM, 24})

#: What `error` of a Result starts with when its time was up.
TIMED_OUT = "timed out"


class Result(NamedTuple):
    """How one attempt of a task ended.

    exit_status is what a shell would say in `$?` (0 to 255; 127 not found, 126 not executable, 128 + signal when a
    signal ended it); signal is that signal or 0. started is in seconds since the epoch; seconds, user and system
    are durations in seconds; max_rss is in bytes. error is text of dwork's own: why it was killed or did not start.
    stdout and stderr hold output that was small enough to travel with the result; sent tells how many bytes of each
    stream went ahead in Output messages, and is empty when none did.
    attempt is 0 when the reporting peer does not count attempts (the C++ ones).
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
    error: str = ""
    stdout: bytes = b""
    stderr: bytes = b""
    sent: tuple[int, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the task did what it should: exit status 0."""
        return self.exit_status == 0

    @property
    def may_be_the_end(self) -> bool:
        """Whether a batch system that ends the job may have ended it, or something in it that its shell waited for."""
        return not self.error and (self.signal in END_SIGNALS or self.exit_status - 128 in END_SIGNALS)

    @property
    def timed_out(self) -> bool:
        """Whether it was ended since its time was up."""
        return self.error.startswith(TIMED_OUT)

    @property
    def how(self) -> str:
        """How a failed attempt ended, in few words."""
        if self.error:
            return self.error
        return signal_name(self.signal) if self.signal else f"exit status {self.exit_status}"
