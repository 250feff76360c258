"""Counts what has ended in this run, and summarizes the run at its end."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from dwork.core import events
from dwork.core.events import Ended, Event
from dwork.core.task import State
from dwork.core.text import counted, duration, label

#: How many of the tasks that left processes behind are named.
FEW = 5


class Totals:
    """A listener. ran: number of tasks that have ended in this run, whether they succeeded or failed.

    seconds: run time of tasks times the cores that they requested (core seconds).
    """

    def __init__(self) -> None:
        self._begin: float | None = None  # when a worker got the first task
        self._end = 0.0
        self._done = 0  # in this run
        self.ran = 0
        self.seconds = 0.0
        self._cores: dict[int, int] = {}  # by task: of assigned tasks that request more than one
        self._capacity = 0.0  # slot seconds of the workers that have left
        self._workers: dict[str, tuple[float, int]] = {}  # since when, and slots
        self._left: dict[int, Ended] = {}  # tasks that left processes behind

    def hear(self, happened: Sequence[Event]) -> None:
        for event in happened:
            match event:
                case events.Finished(time=time, tasks=tasks):
                    self._end = time
                    self._done += len(tasks)
                    self.ran += len(tasks)
                    self.seconds += sum([self._spend(ended) for ended in tasks])
                case events.Stolen(time=time, tasks=assigned):
                    self._begin = time if self._begin is None else self._begin
                    self._cores.update([(t.id, t.options.cores) for t in assigned if t.options.cores > 1])
                case events.Failed(time=time, task=ended):
                    self._end = time
                    self.ran += 1
                    self.seconds += self._spend(ended)
                case events.Retried(task=ended):
                    self.seconds += self._spend(ended)
                case events.Killed(time=time, task=ended) | events.Interrupted(time=time, task=ended):
                    self._end = time
                    self.seconds += self._spend(ended)
                case events.Revoked(tasks=named, was=was):
                    if was is State.DONE:
                        self._done -= len(named)
                case events.Joined(time=time, location=location, slots=slots):
                    self._workers[location] = (time, max(1, slots))
                case events.Left(time=time, location=location):
                    since, slots = self._workers.pop(location, (time, 0))
                    self._capacity += slots * (time - max(since, self._begin or time))

    def _spend(self, ended: Ended) -> float:
        """Return the core seconds of an attempt, and note a task that left processes behind."""
        if ended.result.left:
            self._left[ended.id] = ended
        return ended.result.seconds * (self._cores.pop(ended.id, 1) if self._cores else 1)

    def summary(self, counts: dict[State, int]) -> str:
        """Return the line to print at the end."""
        done, failed, skipped = counts[State.DONE], counts[State.FAILED], counts[State.SKIPPED]
        cancelled = counts[State.CANCELLED]
        rest = sum(counts.values()) - done - failed - skipped - cancelled
        begin = self._begin if self._begin is not None else self._end
        wall = max(0.0, self._end - begin)
        before = done - self._done
        line = f"{done:,} done{f' ({before:,} before)' if before > 0 else ''}, {failed:,} failed, {skipped:,} skipped"
        if cancelled:
            line += f", {cancelled:,} cancelled"
        if rest:
            line += f", {rest:,} not finished"
        line += f" in {duration(wall)}"
        if wall > 0:
            capacity = self._capacity + sum(
                slots * max(0.0, self._end - max(since, begin)) for since, slots in self._workers.values()
            )
            line += f"; {self.ran / wall:,.1f} tasks/s"
            if capacity > 0:
                line += f", workers {min(1.0, self.seconds / capacity):.0%} busy"
        return line

    @property
    def left_behind(self) -> str:
        """The line about tasks that left processes in the background; empty when none did."""
        if not self._left:
            return ""
        names = [label(ended.id, ended.name) for ended in islice(self._left.values(), FEW)]
        more = f" and {len(self._left) - FEW:,} more" if len(self._left) > FEW else ""
        return f"{counted(len(self._left), 'task')} left processes behind, which were ended: {', '.join(names)}{more}"
