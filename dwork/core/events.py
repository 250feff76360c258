"""What has happened, as values: the one stream that record, log, progress and report listen to.

An event tells of all that one message caused at once, so that a batch of a thousand completions is one event.
`time` is the hub's clock in seconds since the epoch; ids are the hub's; locations are workers' names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from dwork.core.resources import Resources
from dwork.core.task import Assigned, Result, State, Task

#: Why a task is requeued whose worker has not died with it.
GOODBYE, NEVER_ARRIVED, ELSEWHERE = "it said goodbye", "it never arrived", "it was finished elsewhere"


class Named(NamedTuple):
    """A task as an event refers to it."""

    id: int
    name: str


class Ended(NamedTuple):
    """One task with how its attempt ended."""

    id: int
    name: str
    result: Result


@dataclass(frozen=True, slots=True)
class Added:
    """Tasks have joined the graph; ids are consecutive from `first`. Joins (nothing to run) are among them."""

    time: float
    first: int
    tasks: Sequence[Task]


@dataclass(frozen=True, slots=True)
class Resumed:
    """Tasks of an earlier run are to be run now, in this order; those that are done already are not among them."""

    time: float
    ids: Sequence[int]


@dataclass(frozen=True, slots=True)
class Extended:
    """A task has got further predecessors."""

    time: float
    task: Named
    after: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Stolen:
    """Tasks are in a worker's hands."""

    time: float
    location: str
    tasks: Sequence[Assigned]


@dataclass(frozen=True, slots=True)
class Finished:
    """Tasks have ended as they should."""

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
    """An attempt has failed, and the task is tried again, `delay` seconds later at the earliest."""

    time: float
    location: str
    task: Ended
    attempts_left: int
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class Skipped:
    """Tasks will not run, since `culprit` (a name) failed or was cancelled before them."""

    time: float
    tasks: Sequence[Named]
    culprit: str


@dataclass(frozen=True, slots=True)
class Cancelled:
    """Tasks were taken out before they ran, on request."""

    time: float
    tasks: Sequence[Named]
    reason: str


@dataclass(frozen=True, slots=True)
class Killed:
    """A running task was ended on request, and is cancelled."""

    time: float
    location: str
    task: Ended
    reason: str


@dataclass(frozen=True, slots=True)
class Interrupted:
    """A running task was ended since the pool stops; it has not failed, and the next run runs it again."""

    time: float
    location: str
    task: Ended
    reason: str


@dataclass(frozen=True, slots=True)
class Revoked:
    """The last attempts of these tasks, which were `was` (done or failed), prove nothing: they are to run again."""

    time: float
    tasks: Sequence[Named]
    attempts: Sequence[int]
    was: State
    reason: str


@dataclass(frozen=True, slots=True)
class Requeued:
    """Tasks left a worker's hands unfinished and are ready (or waiting) again.

    lost: they may have run, and their attempts count; else they were given back before they had started.
    interrupted: they did run, and their worker has ended them, since it had to leave.
    """

    time: float
    location: str
    tasks: Sequence[Named]
    reason: str
    lost: bool = False
    interrupted: bool = False


@dataclass(frozen=True, slots=True)
class Held:
    """Tasks must not start until they are released."""

    time: float
    tasks: Sequence[Named]


@dataclass(frozen=True, slots=True)
class Released:
    """Held tasks may start again."""

    time: float
    tasks: Sequence[Named]


@dataclass(frozen=True, slots=True)
class Revived:
    """Tasks that had failed or were cancelled, and tasks that were skipped for them, are to run after all."""

    time: float
    tasks: Sequence[Named]


@dataclass(frozen=True, slots=True)
class Joined:
    """A worker has asked for work for the first time."""

    time: float
    location: str
    slots: int


@dataclass(frozen=True, slots=True)
class Left:
    """A worker is gone; died: without a word."""

    time: float
    location: str
    reason: str
    died: bool = True


@dataclass(frozen=True, slots=True)
class Unmet:
    """Something is ready that asks for more than any worker could give it; most: of each the most that one has."""

    time: float
    asked: Resources
    most: Resources


@dataclass(frozen=True, slots=True)
class Stopping:
    """No more tasks are handed out; with `now`, the running ones are being ended."""

    time: float
    reason: str
    now: bool


@dataclass(frozen=True, slots=True)
class Printed:
    """A piece of a task's output has arrived ahead of its result; stream is 1 or 2."""

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
    | Unmet
    | Stopping
    | Printed
)
