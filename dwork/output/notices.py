"""Reports failures, retries, lost workers and stops as they happen."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dwork.core import events
from dwork.core.events import Event
from dwork.core.text import counted, label, shown


class Notices:
    """A listener. tell(text): prints a line for people."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._missed: set[str] = set()  # workers that were declared dead

    def hear(self, happened: Sequence[Event]) -> None:
        for event in happened:
            match event:
                case events.Failed(task=ended):
                    self._tell(f"{label(ended.id, ended.name)} failed: {ended.result.how}")
                case events.Retried(task=ended, attempts_left=left, delay=delay):
                    when = f" in {delay:g} s" if delay else ""
                    attempts = counted(left, "attempt")
                    failed = f"{label(ended.id, ended.name)} failed: {ended.result.how}"
                    self._tell(f"{failed}; retrying{when} ({attempts} left)")
                case events.Interrupted(task=ended):
                    self._tell(f"{label(ended.id, ended.name)} was interrupted; the next run will run it again")
                case events.Revoked(tasks=tasks):
                    self._tell(
                        f"{counted(len(tasks), 'task')} ended while the batch system was ending the job; "
                        "their results are not trusted, and the next run will run them again"
                    )
                case events.Skipped(tasks=named, culprit=culprit):
                    self._tell(f"{counted(len(named), 'task')} skipped, because {shown(culprit.name)} did not succeed")
                case events.Joined(location=location):
                    if location in self._missed:
                        self._missed.discard(location)
                        self._tell(f"worker {shown(location)} is back")
                case events.Left(location=location, reason=reason, died=died):
                    if died:
                        self._missed.add(location)
                    self._tell(f"worker {shown(location)} has left: {reason}")
                case events.Unmet(asked=asked, most=most):
                    self._tell(f"a task requests {asked}, which no worker has; the largest amount of each: {most}")
                case events.Stopping(reason=reason, now=now):
                    self._tell(f"{reason}: no more tasks are started" + (", and running ones are ended" if now else ""))
