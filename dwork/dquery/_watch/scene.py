"""What is on the screen: takes the answers of the hub, and returns what to show. It draws nothing.

Times from the hub are on the hub's clock. How long something lasts is counted from the hub's answer on with our clock,
so the two clocks may differ.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from dwork.core.glob import is_glob, matcher
from dwork.core.rows import CrewRow, FailureRow, RunFacts, RunningRow, RunView
from dwork.core.task import State
from dwork.core.text import counted, duration, output_lines, printable, shown
from dwork.progress.pace import Pace
from dwork.progress.standing import Standing
from dwork.progress.words import Line, line, rate

#: How a run ends, by the exit code of the pool.
ENDS: Final = {
    0: "all tasks are done",
    1: "some tasks failed or were skipped",
    3: "it was stopped before the end; run the same command again to continue",
}
#: Lines of stderr shown for each failure.
LINES: Final = 2


class Strip(NamedTuple):
    """A worker, or a host with many. of: the number of workers. silent: seconds, or None if unknown."""

    location: str
    of: int
    busy: int
    slots: int
    ended: int
    rate: str
    silent: float | None


class Running(NamedTuple):
    """A task that a worker holds, and for how long."""

    id: int
    name: str
    worker: str
    seconds: float
    attempt: int


class Failure(NamedTuple):
    """An attempt that failed, how long ago, and the end of its stderr."""

    id: int
    name: str
    worker: str
    attempt: int
    ago: float
    how: str
    again: bool
    stderr: list[str]


@dataclass(frozen=True, slots=True)
class Picture:
    """An answer of the hub."""

    at: Standing
    run: RunFacts
    stopping: str
    is_over: bool
    job_end: float | None
    workers: int
    strips: list[Strip]
    tasks: list[Running]  # seconds: the time of the start
    failures: list[Failure]  # ago: the time of the failure

    @classmethod
    def of(cls, row: RunView) -> Picture:
        counts = {state: row["counts"].get(state.value, 0) for state in State}
        running, cores, busy, slots, ended = row["running"], row["cores"], row["busy"], row["slots"], row["ended"]
        return cls(
            Standing(row["time"], counts, running, cores, busy, slots, ended, row["seconds"], bool(row["stopping"])),
            row["run"],
            row["stopping"],
            row["over"],
            row["job_end"],
            row["workers"],
            [_strip(each) for each in row["crew"]],
            [_running(each) for each in row["tasks"]],
            [_failure(each) for each in row["failures"]],
        )


class Scene:
    """The state of the screen, as described above. now: a monotonic clock."""

    def __init__(self, row: RunView, now: float) -> None:
        self.filter = ""
        self._fits: Callable[[str], bool] = lambda text: True
        self.picture = Picture.of(row)
        self._begin(now)
        self.take(row, now)

    def _begin(self, now: float) -> None:
        self._pace = Pace()
        self.heard = now
        self.trouble = ""  # why the hub no longer answers
        self.code: int | None = None  # how the run ended

    # -- what happens ------------------------------------------------------------------------------------------

    def take(self, row: RunView, now: float) -> None:
        """Take an answer of the hub."""
        self.picture = picture = Picture.of(row)
        if self.code is not None and not picture.is_over:  # a dhub that got new tasks
            self.code = None
        self.heard, self.trouble = now, ""
        self._pace.see(picture.at)

    def miss(self, why: str) -> None:
        """Note that the hub has not answered."""
        self.trouble = why

    def end(self, code: int, row: RunView | None, now: float) -> None:
        """Note that the run has ended; row: its last state, if it is known."""
        if row is not None:
            self.take(row, now)
        self.code = code

    def follow(self, row: RunView, now: float) -> None:
        """Switch to another run that continues with these tasks."""
        self._begin(now)
        self.take(row, now)

    def choose(self, text: str) -> None:
        """Show only what this glob matches, or what contains this text in its name."""
        self.filter = text
        part = text.lower()
        self._fits = lambda name: part in name.lower()
        if is_glob(text):
            try:
                matches = matcher(text)
                self._fits = lambda name: matches(name) is not None
            except ValueError:
                pass

    # -- what to show -----------------------------------------------------------------------------------------

    def title(self, width: int, now: float) -> str:
        """Return what runs, where, and for how long; only the name of its file when there is no room for the path."""
        run = self.picture.run
        parts = [f" on {printable(run['host'])}"]
        if run["job"]:
            parts.append(f"job {printable(run['job'])}")
        parts.append(f"for {age(self._now(now) - run['started'])}")
        rest = ", ".join(parts)
        tasks = printable(run["tasks"] or "dhub")
        return (tasks if len(tasks + rest) <= width else tasks.rpartition("/")[2]) + rest

    def line(self, width: int, now: float) -> Line:
        """Return the totals, as many as fit."""
        at = self.picture.at
        if self.code is None and not self.trouble:
            at = replace(at, time=self._now(now))
        return line(at, self._pace, width)

    def state(self, now: float) -> tuple[str, bool]:
        """Return a line about what is special, and whether to highlight it."""
        picture = self.picture
        if self.code is not None:
            return f"ended: {ENDS.get(self.code, f'exit status {self.code}')}", self.code != 0
        if self.trouble:
            ago = now - self.heard
            since = time.strftime("%H:%M:%S", time.localtime(time.time() - ago))
            return f"no answer since {since}, for {age(ago)}; trying again. {self.trouble}", True
        if picture.is_over:
            return "all tasks have ended" if picture.at.over == picture.at.total else "no task is running", False
        if picture.stopping:
            return f"{shown(picture.stopping)}: no more tasks are started, {picture.at.running:,} still running", True
        if not picture.workers:
            return "no worker has connected yet" if picture.at.total else "no task has been added yet", False
        if picture.job_end is not None:
            return f"the job ends in {age(picture.job_end - self._now(now))}", False
        return "", False

    def workers(self, now: float) -> list[Strip]:
        """Return the workers whose name, or the name of one of whose tasks, matches; with their current silence."""
        busy = {task.worker for task in self.tasks(now)} if self.filter else set()
        more = now - self.heard
        return [
            strip._replace(silent=None if strip.silent is None else strip.silent + more)
            for strip in self.picture.strips
            if self._fits(strip.location) or strip.location in busy
        ]

    def tasks(self, now: float) -> list[Running]:
        at = self._now(now)
        return [
            task._replace(seconds=max(0.0, at - task.seconds))
            for task in self.picture.tasks
            if self._is_chosen(task.id, task.name, task.worker)
        ]

    def failures(self, now: float) -> list[Failure]:
        at = self._now(now)
        return [
            each._replace(ago=max(0.0, at - each.ago))
            for each in self.picture.failures
            if self._is_chosen(each.id, each.name, each.worker)
        ]

    def headings(self) -> tuple[str, str, str]:
        """Return the headings of the lists of workers, running tasks and failures."""
        picture = self.picture
        workers = counted(picture.workers, "worker")
        if any(strip.of > 1 for strip in picture.strips):
            workers += ", by host"
        running = f"{picture.at.running:,} running"
        if len(picture.tasks) < picture.at.running:
            running += f", the {len(picture.tasks):,} longest of them"
        failed = f"{picture.at.counts[State.FAILED]:,} failed"
        if picture.failures:
            failed += ", latest first"
        chosen = f" (only {shown(self.filter, 20)})" if self.filter else ""
        return workers + chosen, running + chosen, failed + chosen

    def failure(self, id: int) -> Failure | None:
        """Return the failure of that task, if it is known."""
        return next((each for each in self.picture.failures if each.id == id), None)

    def _is_chosen(self, id: int, name: str, worker: str) -> bool:
        return self._fits(name) or self._fits(worker) or self.filter == f"#{id}"

    def _now(self, now: float) -> float:
        """Return the time on the hub's clock, which stops when the run has ended."""
        return self.picture.at.time + (now - self.heard if self.code is None else 0.0)


def age(seconds: float) -> str:
    """Format a duration in whole seconds."""
    return f"{max(0, seconds):.0f} s" if seconds < 59.5 else duration(seconds)


def _strip(row: CrewRow) -> Strip:
    speed, unit = rate(row["rate"] or 0.0)
    pace = f"{speed}{unit.removeprefix('tasks')}"
    slots = row["slots"] or 1
    return Strip(row["location"], row["workers"], row["busy"], slots, row["ended"], pace, row["silent"])


def _running(row: RunningRow) -> Running:
    return Running(row["id"], row["name"], row["worker"], row["since"], row["attempt"])


def _failure(row: FailureRow) -> Failure:
    lines: list[str] = [printable(text.expandtabs()) for text in output_lines(row["stderr"]) if text.strip()]
    id, name, worker, attempt = row["id"], row["name"], row["worker"], row["attempt"]
    return Failure(id, name, worker, attempt, row["time"], row["how"], row["again"], lines[-LINES:])
