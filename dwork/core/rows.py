"""Rows: what a hub and a record answer about tasks, workers and a run, as dicts that can be written as JSON.

All times are seconds since the epoch, all durations seconds, all sizes bytes. A key is missing only where that is said
here; None means that the value is unknown, or that there is none.
"""

from __future__ import annotations

from typing import TypedDict


class NamedRow(TypedDict):
    """A task: its number and its name."""

    id: int
    name: str


class HowRow(TypedDict):
    """How an attempt ended, as in AttemptRow."""

    exit_status: int | None
    signal: int | None
    reason: str | None


class EndRow(HowRow):
    """How and when an attempt ended, as in AttemptRow."""

    started: float | None
    ended: float | None
    cause: str | None


class _HeldRow(TypedDict, total=False):
    since: float | None


class TaskRow(NamedRow, EndRow, _HeldRow):
    """A task, with its last attempt.

    state: waiting, ready, assigned, done, failed, skipped or cancelled; ready and assigned only at a running hub. held:
    whether it is kept from starting. command: a line for a shell; None: a join, which runs nothing. reason: why it
    failed or was cancelled. culprit: the name of the task because of which it is skipped. since: when its
    worker got it; only of an assigned task. The others are of its attempt, as in AttemptRow; None when none has begun.
    """

    state: str
    held: bool
    command: str | None
    culprit: str | None
    attempt: int | None
    worker: str | None


class _LeftRow(TypedDict, total=False):
    left_behind: int


class AttemptRow(EndRow, _LeftRow):
    """An attempt that has ended.

    attempt: 1 is the first. outcome: done, failed, timeout, cancelled, interrupted or lost. stolen: when the worker got
    the task; started, ended: when it ran. exit_status: as `$?` in a shell. signal: what ended it, or 0. cause: a value
    of Cause; None: it ended by itself. reason: the same in words. user and system: CPU seconds; max_rss: its
    peak memory; None: unknown. stderr: the end of it, empty when it ended well. left_behind: number of processes that
    it left in the background; missing at an older hub.
    """

    attempt: int
    outcome: str
    worker: str
    stolen: float | None
    user: float | None
    system: float | None
    max_rss: int | None
    stderr: str


class OutputPiece(TypedDict):
    """The place of a piece of output in a log file.

    stream: 1 stdout, 2 stderr. position: 0 is the first piece of the stream. file: its path from the directory of the
    record. offset, length: bytes in this file.
    """

    attempt: int
    stream: int
    position: int
    file: str
    offset: int
    length: int


class HandRow(TypedDict):
    """The attempt that a worker holds now. stolen: when the worker got it."""

    attempt: int
    worker: str
    stolen: float


class _PredecessorInRecord(TypedDict, total=False):
    held: bool
    reason: str | None


class PredecessorRow(NamedRow, _PredecessorInRecord):
    """A predecessor of a task.

    join: whether it runs nothing. after_any: whether it need only have ended, well or not. held and reason: as in
    TaskRow; only from a record.
    """

    state: str
    join: bool
    after_any: bool


class Predecessors(TypedDict):
    """The predecessors of a task. total: their number; first: some or all of them."""

    total: int
    first: list[PredecessorRow]


class Successors(TypedDict):
    """The tasks that come after a task. total: their number."""

    total: int


class OptionsRow(TypedDict, total=False):
    """The options that a task sets; those that it does not set are missing.

    env: pairs of name and value. shell: the program and its flags; setup: the commands that it runs before the line.
    creates: files. warn: the number of a signal, and seconds.
    """

    cores: int
    memory: int
    gpus: int
    timeout: float | None
    retries: int | None
    priority: int
    cwd: str | None
    min_time: float
    env: list[list[str]]
    shell: list[str]
    setup: list[str]
    creates: list[str]
    grace: float | None
    warn: list[float]


class TaskDetails(TaskRow):
    """All about a task.

    arguments: the argument list, when it is started without a shell. origin: the host that added it during the run;
    None: a task file. queued: when it was added; removed: when it was found to be no longer in the task files.
    attempts: oldest first. predecessors: the unfinished ones first.

    hand: the attempt that a worker holds now. misses: which resources it waits for; empty: none. In a record these are
    not known, and neither are the successors.
    """

    arguments: list[str] | None
    options: OptionsRow
    origin: str | None
    queued: float
    removed: float | None
    attempts: list[AttemptRow]
    output: list[OutputPiece]
    predecessors: Predecessors
    successors: Successors | None
    hand: HandRow | None
    misses: str


class LoadRow(TypedDict):
    """How much a worker does, as in WorkerRow."""

    location: str
    slots: int | None
    held: int
    ended: int
    rate: float | None
    silent: float | None


class WorkerRow(LoadRow):
    """A worker. location: its name.

    slots: how many tasks it runs at a time; None: not reported. cores, memory (0: unknown) and gpus: for all its tasks.
    held and ended: tasks. rate: tasks per second since it joined. heard: when its last message arrived; silent: seconds
    since then. excluded: why it gets no tasks; empty when it gets some.
    """

    host: str
    cores: int
    memory: int
    gpus: int
    heard: float | None
    excluded: str


class _OneWorker(TypedDict, total=False):
    host: str
    cores: int
    memory: int
    gpus: int
    heard: float | None
    excluded: str


class CrewRow(LoadRow, _OneWorker):
    """A worker, with the keys of WorkerRow, or all workers of a host, without those that LoadRow lacks.

    workers: their number. busy: slots that run a task.
    """

    workers: int
    busy: int


class RunFacts(TypedDict):
    """A run. tasks: where they come from; empty: a hub without a task file. job: the batch job; empty or None: none."""

    tasks: str
    host: str
    pid: int
    job: str | None
    started: float


class RunningRow(NamedRow):
    """A task that a worker holds. name: its beginning. since: when the worker got it."""

    attempt: int
    worker: str
    since: float


class FailureRow(NamedRow):
    """An attempt that failed. name: its beginning. time: when. how: in words. again: it will be retried."""

    attempt: int
    worker: str
    time: float
    how: str
    again: bool
    stderr: str


class RunView(TypedDict):
    """The state of a run.

    time: the clock of the hub. counts: tasks in each state. running: tasks that workers hold; cores: what they take.
    busy and slots: of all workers. ended: attempts; seconds: their run times, each times its cores. stopping: why no
    more tasks are started, or empty. over: whether nothing runs and nothing will. job_end: when the batch job ends.
    workers: their number; crew: their rows, or those of the hosts when there are many. tasks: those that workers have
    held longest. failures: the latest first.
    """

    time: float
    run: RunFacts
    counts: dict[str, int]
    running: int
    cores: int
    busy: int
    slots: int
    ended: int
    seconds: float
    stopping: str
    over: bool
    job_end: float | None
    workers: int
    crew: list[CrewRow]
    tasks: list[RunningRow]
    failures: list[FailureRow]
