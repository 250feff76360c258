"""Tasks that exited with 0 have failed when they did not create the files that they promise.

A file that another host has created may appear late on a network file system. So the result of a task whose files are
not all there waits for some seconds, and meanwhile its slot; other tasks go on.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from dwork.core.cause import Cause
from dwork.core.task import Assigned, Result
from dwork.host.created import first_missing
from dwork.runner import reasons

#: Seconds for which a missing file is awaited, as Snakemake's --latency-wait.
LATENCY: Final = 5.0
#: Seconds between two looks: the first and the longest pause.
SOON, LATER = 0.05, 1.0
#: Exit status of a task that exited with 0 but did not create a file: EX_CANTCREAT of sysexits.h.
NOT_CREATED: Final = 73


@dataclass(slots=True)
class _Wait:
    assigned: Assigned
    result: Result
    until: float
    look_at: float
    pause: float = SOON


class Created:
    """The results that wait for files."""

    def __init__(self) -> None:
        self._waits: dict[int, _Wait] = {}

    @property
    def deadline(self) -> float:
        """When to look for a file next; infinity when no result waits."""
        return min([wait.look_at for wait in self._waits.values()], default=math.inf)

    def sift(self, ended: Iterable[tuple[Assigned, Result]], now: float) -> list[tuple[Assigned, Result]]:
        """Return the results that are final now: of those that have just come, and of those that have waited."""
        final = []
        for assigned, result in ended:
            if result.ok and first_missing(assigned.options) is not None:
                self._waits[assigned.id] = _Wait(assigned, result, now + LATENCY, now + SOON)
            else:
                final.append((assigned, result))
        for id, wait in [*self._waits.items()] if self._waits else ():
            if now >= wait.look_at:
                result = judged(wait.assigned, wait.result)
                if result.ok or now >= wait.until:
                    del self._waits[id]
                    final.append((wait.assigned, result))
                else:
                    wait.pause = min(2 * wait.pause, LATER)
                    wait.look_at = min(now + wait.pause, wait.until)
        return final

    def postpone(self, seconds: float) -> None:
        """Wait longer, since this process stood still for some seconds."""
        for wait in self._waits.values():
            wait.until += seconds

    def hurry(self, task: int) -> None:
        """Let the result of a task wait no longer."""
        if task in self._waits:
            self._waits[task].until = self._waits[task].look_at = -math.inf


def judged(assigned: Assigned, result: Result) -> Result:
    """Return the result of a task that has ended: a failure if one of its files is missing."""
    missing = first_missing(assigned.options) if result.ok else None
    if missing is None:
        return result
    return result._replace(exit_status=NOT_CREATED, cause=Cause.NOT_CREATED, error=reasons.not_created(missing))
