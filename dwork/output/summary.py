"""Counts events, reports failures as they happen, and summarizes the run at its end."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dwork.core import events
from dwork.core.events import Ended, Event
from dwork.core.task import State
from dwork.core.text import counted, duration, shown

#: How many failed tasks the summary names.
NAMED = 50


class Report:
    """A listener that reports failures and summarizes the run.

    tell(text): prints a line for people; not called when quiet. ran: number of tasks that have ended in this run,
    whether they succeeded or failed. seconds: run time of tasks times the cores that they requested (core seconds).
    """

    def __init__(self, tell: Callable[[str], None], *, quiet: bool = False) -> None:
        self._tell = tell
        self._quiet = quiet
        self._begin: float | None = None  # when a worker got the first task
        self._end = 0.0
        self._done = 0  # in this run
        self.ran = 0
        self.seconds = 0.0
        self._cores: dict[int, int] = {}  # by task: of assigned tasks that request more than one
        self._slots = 0
        self._capacity = 0.0  # slot seconds of the workers that have left
        self._workers: dict[str, tuple[float, int]] = {}
        self._missed: set[str] = set()  # workers that were declared dead
        self._failed: dict[int, Ended] = {}

    def hear(self, happened: Sequence[Event]) -> None:
        for event in happened:
            match event:
                case events.Finished(time=time, tasks=tasks):
                    self._end = time
                    self._done += len(tasks)
                    self.ran += len(tasks)
                    self.seconds += sum([self._spent(ended) for ended in tasks])
                case events.Stolen(time=time, tasks=assigned):
                    self._begin = time if self._begin is None else self._begin
                    self._cores.update([(t.id, t.options.cores) for t in assigned if t.options.cores > 1])
                case events.Failed(time=time, task=ended):
                    self._end = time
                    self.ran += 1
                    self.seconds += self._spent(ended)
                    if len(self._failed) < NAMED:
                        self._failed[ended.id] = ended
                    self._say(f"{_named(ended)} failed: {ended.result.how}")
                case events.Retried(task=ended, attempts_left=left, delay=delay):
                    self.seconds += self._spent(ended)
                    when = f" in {delay:g} s" if delay else ""
                    attempts = counted(left, "attempt")
                    self._say(f"{_named(ended)} failed: {ended.result.how}; retrying{when} ({attempts} left)")
                case events.Interrupted(time=time, task=ended):
                    self._end = time
                    self.seconds += self._spent(ended)
                    self._say(f"{_named(ended)} was interrupted; the next run will run it again")
                case events.Revoked(tasks=tasks, was=was):
                    if was is State.DONE:
                        self._done -= len(tasks)
                    for named in tasks:
                        self._failed.pop(named.id, None)
                    self._say(
                        f"{counted(len(tasks), 'task')} ended while the batch system was ending the job; "
                        "their results are not trusted, and the next run will run them again"
                    )
                case events.Killed(time=time, task=ended):
                    self._end = time
                    self.seconds += self._spent(ended)
                case events.Revived(tasks=named):
                    for task in named:
                        self._failed.pop(task.id, None)
                case events.Skipped(tasks=named, culprit=culprit):
                    self._say(f"{counted(len(named), 'task')} skipped, because {shown(culprit.name)} did not succeed")
                case events.Joined(time=time, location=location, slots=slots):
                    self._workers[location] = (time, max(1, slots))
                    if location in self._missed:
                        self._missed.discard(location)
                        self._say(f"worker {shown(location)} is back")
                case events.Left(time=time, location=location, reason=reason, died=died):
                    if died:
                        self._missed.add(location)
                    since, slots = self._workers.pop(location, (time, 0))
                    self._capacity += slots * (time - max(since, self._begin or time))
                    self._say(f"worker {shown(location)} has left: {reason}")
                case events.Unmet(asked=asked, most=most):
                    self._say(f"a task requests {asked}, which no worker has; the largest amount of each: {most}")
                case events.Stopping(reason=reason, now=now):
                    self._say(f"{reason}: no more tasks are started" + (", and running ones are ended" if now else ""))

    def _spent(self, ended: Ended) -> float:
        return ended.result.seconds * (self._cores.pop(ended.id, 1) if self._cores else 1)

    def summary(self, counts: dict[State, int]) -> list[str]:
        """Return the lines to print at the end: the failed tasks, then the totals."""
        done, failed, skipped = counts[State.DONE], counts[State.FAILED], counts[State.SKIPPED]
        rest = sum(counts.values()) - done - failed - skipped
        begin = self._begin if self._begin is not None else self._end
        wall = max(0.0, self._end - begin)
        before = done - self._done
        line = f"{done:,} done{f' ({before:,} before)' if before > 0 else ''}, {failed:,} failed, {skipped:,} skipped"
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
        named = [f"failed: {_named(ended)}: {ended.result.how}" for ended in self._failed.values()]
        if failed > len(named):
            named.append(f"failed: and {failed - len(named):,} more")
        return [*named, line]

    def _say(self, text: str) -> None:
        if not self._quiet:
            self._tell(text)


def _named(ended: Ended) -> str:
    return f"#{ended.id} {shown(ended.name)}"
