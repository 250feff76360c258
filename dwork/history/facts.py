"""The contents of a record as values. Times are seconds since the epoch, durations seconds, sizes bytes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

DONE = "done"
LOST = "lost"


class Session(NamedTuple):
    """One run of a pool or dhub on the record. outcome: how it ended, in words; None when it was killed."""

    started: float
    ended: float
    outcome: str | None = None
    host: str = ""
    job: str | None = None
    command: str = ""

    @property
    def seconds(self) -> float:
        return self.ended - self.started


class Presence(NamedTuple):
    """The presence of a worker. slots: tasks at a time; 0 when it reported none. left: None when unknown."""

    worker: str
    slots: int
    joined: float
    left: float | None = None


class Entry(NamedTuple):
    """A task. removed: whether it is no longer in the task files; cores: the number that it requests."""

    id: int
    name: str
    state: str
    is_join: bool = False
    removed: bool = False
    reason: str = ""
    cores: int = 1


class Attempt(NamedTuple):
    """One attempt of a task. task: its position in History.tasks. started: None when the time is unknown."""

    task: int
    number: int
    outcome: str
    worker: str
    started: float | None = None
    ended: float = 0.0
    exit_status: int | None = 0
    signal: int = 0
    cpu: float = 0.0
    max_rss: int = 0
    reason: str = ""

    @property
    def seconds(self) -> float:
        return 0.0 if self.started is None else self.ended - self.started


@dataclass(slots=True)
class History:
    """All runs of a record. predecessors: positions, for each task. attempts: sorted by task and number.

    in_hand: number of tasks assigned to workers when the last run was killed. odd: number of attempts whose times are
    far outside all runs, and therefore ignored.
    """

    sessions: list[Session] = field(default_factory=list)
    workers: list[Presence] = field(default_factory=list)
    tasks: list[Entry] = field(default_factory=list)
    predecessors: list[list[int]] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    in_hand: int = 0
    odd: int = 0
