"""Results that the end of the job may have caused: they wait a moment before they count.

A batch system that ends a job signals tasks, workers and hub one after the other. The worker and the hub must get their
own signal before the result of a task that it has killed, or they would count a failure.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Final

from dwork.core.task import Assigned, Result

#: Seconds for which such a result waits.
SUSPICION: Final = 1.0


class Suspects:
    """The waiting results of one worker. deadline: when the next of them counts; infinity when none waits."""

    def __init__(self) -> None:
        self.deadline = math.inf
        self._waiting: deque[tuple[float, Assigned, Result]] = deque()  # with the time when each is due

    def sift(self, ended: list[tuple[Assigned, Result]], now: float) -> list[tuple[Assigned, Result]]:
        """Return the results that count now: of those that have just come, and of those that have waited."""
        count = []
        for assigned, result in ended:
            if result.may_be_the_end:
                self._waiting.append((now + SUSPICION, assigned, result))
            else:
                count.append((assigned, result))
        while self._waiting and self._waiting[0][0] <= now:
            count.append(self._waiting.popleft()[1:])
        self.deadline = self._waiting[0][0] if self._waiting else math.inf
        return count
