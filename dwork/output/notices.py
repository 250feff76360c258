"""Reports failures, retries, lost workers and stops as they happen."""

from __future__ import annotations

import math
import shlex
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from dwork.core import events
from dwork.core.events import Event
from dwork.core.text import counted, label, shown

#: Lines of one kind about single tasks. Thousands would hide everything else, and a record has them all.
SINGLE: Final = 20
_MORE: Final = {
    "failed": "more tasks fail",
    "retried": "more tasks fail and are retried",
    "interrupted": "more tasks are interrupted",
    "skipped": "more tasks are skipped",
}


class Notices:
    """A listener. tell(text): prints a line for people. are_listed: dquery can list all that happened to tasks."""

    def __init__(self, tell: Callable[[str], None], *, are_listed: bool = False) -> None:
        self._tell = tell
        self._most = SINGLE if are_listed else math.inf
        self._told: Counter[str] = Counter()  # lines about single tasks, by kind
        self._missed: set[str] = set()  # workers that were declared dead

    def hear(self, happened: Sequence[Event]) -> None:
        for event in happened:
            match event:
                case events.Failed(task=ended):
                    self._tell_some("failed", f"{label(ended.id, ended.name)} failed: {ended.result.how}")
                case events.Retried(task=ended, attempts_left=left, delay=delay):
                    when = f" in {delay:g} s" if delay else ""
                    attempts = counted(left, "attempt")
                    failed = f"{label(ended.id, ended.name)} failed: {ended.result.how}"
                    self._tell_some("retried", f"{failed}; retrying{when} ({attempts} left)")
                case events.Interrupted(task=ended):
                    self._tell_some(
                        "interrupted",
                        f"{label(ended.id, ended.name)} was interrupted; the next run will run it again",
                    )
                case events.Revoked(tasks=tasks):
                    self._tell(
                        f"{counted(len(tasks), 'task')} ended while the batch system was ending the job; "
                        "their results are not trusted, and the next run will run them again"
                    )
                case events.Skipped(tasks=named, culprit=culprit):
                    self._tell_some(
                        "skipped",
                        f"{counted(len(named), 'task')} skipped, because {shown(culprit.name)} did not succeed",
                    )
                case events.Joined(location=location):
                    if location in self._missed:
                        self._missed.discard(location)
                        self._tell(f"worker {shown(location)} is back")
                case events.Left(location=location, reason=reason, died=died):
                    if died:
                        self._missed.add(location)
                    self._tell(f"worker {shown(location)} has left: {reason}")
                case events.Excluded(location=location, reason=reason):
                    name = shown(location)
                    self._tell(
                        f"worker {name} is excluded: {reason}; what failed there runs elsewhere; to give it tasks "
                        f"again: dquery include-worker {shlex.quote(name)}"
                    )
                case events.Included(location=location, reason=reason):
                    self._tell(f"worker {shown(location)} gets tasks again: {reason}")
                case events.Unmet(asked=asked, most=most):
                    self._tell(f"a task requests {asked}, which no worker has; the largest amount of each: {most}")
                case events.Stopping(reason=reason, now=now):
                    self._tell(f"{reason}: no more tasks are started" + (", and running ones are ended" if now else ""))

    def _tell_some(self, kind: str, text: str) -> None:
        """Print a line about single tasks, unless many of its kind were printed."""
        self._told[kind] += 1
        if self._told[kind] <= self._most:
            self._tell(text)
        elif self._told[kind] == self._most + 1:
            self._tell(f"{_MORE[kind]}; they are counted from here on, not named")
