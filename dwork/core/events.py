"""Events: what has happened in the hub, the single stream that record, log, progress and report listen to.

One event covers everything of its kind that one message caused, so a batch of a thousand completions is one event.
`time` is the hub's clock in seconds since the epoch; ids are the hub's; locations are the names of workers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from dwork.core.cause import Cause
from dwork.core.resources import Resources
from dwork.core.task import Assigned, Result, State, Task


class Named(NamedTuple):
    """The id and name by which an event refers to a task."""

    id: int
    name: str


class Ended(NamedTuple):
    """A task and the result of its attempt."""

    id: int
    name: str
    result: Result


@dataclass(frozen=True, slots=True)
class Added:
    """Tasks were added to the graph, with consecutive ids from `first` on. Joins (nothing to run) are included."""

    time: float
    first: int
    tasks: Sequence[Task]


@dataclass(frozen=True, slots=True)
class Resumed:
    """Tasks of an earlier run are to run now, in this order; tasks that are already done are not included."""

    time: float
    ids: Sequence[int]


@dataclass(frozen=True, slots=True)
class Extended:
    """A task got additional predecessors."""

    time: float
    task: Named
    after: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Stolen:
    """Tasks were assigned to a worker."""

    time: float
    location: str
    tasks: Sequence[Assigned]


@dataclass(frozen=True, slots=True)
class Finished:
    """Tasks have succeeded."""

    time: float
    location: str
    tasks: Sequence[Ended]


@dataclass(frozen=True, slots=True)
class Failed:
    """A task has failed for good."""

    time: float
    location: str
    task: Ended


@dataclass(frozen=True, slots=True)
class Retried:
    """An attempt has failed, and the task will be retried after at least `delay` seconds.

    counts: whether it is one of the failures that a task may have; else its worker is suspected.
    """

    time: float
    location: str
    task: Ended
    attempts_left: int
    delay: float = 0.0
    counts: bool = True


@dataclass(frozen=True, slots=True)
class Skipped:
    """Tasks will not run because `culprit`, which they depend on, failed or was cancelled."""

    time: float
    tasks: Sequence[Named]
    culprit: Named


@dataclass(frozen=True, slots=True)
class Cancelled:
    """Tasks were cancelled on request, before they ran or without a result."""

    time: float
    tasks: Sequence[Named]
    reason: str


@dataclass(frozen=True, slots=True)
class Killed:
    """A running task was killed on request; it is cancelled."""

    time: float
    location: str
    task: Ended
    reason: str


@dataclass(frozen=True, slots=True)
class Interrupted:
    """A running task was killed since the pool stops or a predecessor must run again; it will run again."""

    time: float
    location: str
    task: Ended
    reason: str


@dataclass(frozen=True, slots=True)
class Revoked:
    """The last results of these tasks, whose state was `was` (done or failed), do not count: they will run again."""

    time: float
    tasks: Sequence[Named]
    attempts: Sequence[int]
    was: State
    reason: str


@dataclass(frozen=True, slots=True)
class Requeued:
    """Tasks were taken back from a worker unfinished, and are ready (or waiting) again. reason: the cause in words."""

    time: float
    location: str
    tasks: Sequence[Named]
    cause: Cause
    reason: str


@dataclass(frozen=True, slots=True)
class Held:
    """Tasks must not start until they are released."""

    time: float
    tasks: Sequence[Named]


@dataclass(frozen=True, slots=True)
class Released:
    """Held tasks may start."""

    time: float
    tasks: Sequence[Named]


@dataclass(frozen=True, slots=True)
class Revived:
    """Failed or cancelled tasks, and tasks that were skipped because of them, will run after all.

    A Skipped follows for those that another task still keeps from running.
    """

    time: float
    tasks: Sequence[Named]


@dataclass(frozen=True, slots=True)
class Joined:
    """A worker has contacted the hub for the first time, or again after it was lost or the hub was restarted."""

    time: float
    location: str
    slots: int


@dataclass(frozen=True, slots=True)
class Left:
    """A worker is gone; died: without signing off."""

    time: float
    location: str
    reason: str
    died: bool = True


@dataclass(frozen=True, slots=True)
class Excluded:
    """A worker gets no more tasks, since tasks fail on it that succeed elsewhere.

    forgiven: the tasks of which one failure no longer counts; for those that have failed for good, Revived follows.
    """

    time: float
    location: str
    reason: str
    forgiven: Sequence[Named]


@dataclass(frozen=True, slots=True)
class Included:
    """An excluded worker gets tasks again."""

    time: float
    location: str
    reason: str


@dataclass(frozen=True, slots=True)
class Unmet:
    """A ready task asks for more than any worker has; most: the maximum of each resource over all workers."""

    time: float
    asked: Resources
    most: Resources


@dataclass(frozen=True, slots=True)
class Stopping:
    """No more tasks are handed out; with `now`, the running ones are being killed."""

    time: float
    reason: str
    now: bool


@dataclass(frozen=True, slots=True)
class Printed:
    """A piece of a task's output has arrived before its result; stream is 1 (stdout) or 2 (stderr)."""

    time: float
    id: int
    stream: int
    data: bytes


Event = (
    Added
    | Resumed
    | Extended
    | Stolen
    | Finished
    | Failed
    | Retried
    | Skipped
    | Cancelled
    | Killed
    | Interrupted
    | Revoked
    | Requeued
    | Held
    | Released
    | Revived
    | Joined
    | Left
    | Excluded
    | Included
    | Unmet
    | Stopping
    | Printed
)
