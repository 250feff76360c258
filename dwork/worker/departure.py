"""How a worker leaves, and which results do not count because of that.

A batch system that ends a job signals its tasks, workers and hub one after the other. What such a signal killed has not
failed, and what ended at that time may not have done its work: such results are not reported, and at the worker's Exit
the hub takes these tasks back.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable

from dwork.core.task import Result

#: Seconds before and after a signal to this worker in which results of tasks do not count.
DOUBT = 1.0


class Departure:
    """The leaving of one worker.

    has_begun: it takes no more tasks. must_sign_off: it has to send Exit. is_dismissed: the hub is gone and accepts no
    more messages.
    """

    def __init__(self) -> None:
        self.has_begun = False
        self.must_sign_off = False
        self.is_dismissed = False
        self._cut_short: set[int] = set()  # tasks that are killed because this worker must leave
        self._in_doubt_until = -math.inf  # the batch system may have killed tasks, or parts of them
        self._ends: deque[tuple[float, int]] = deque()  # tasks that succeeded in the last second, and when

    def begin(self, cut_short: Iterable[int] = ()) -> None:
        """Begin to leave, or continue; cut_short: tasks that are killed for this."""
        self.has_begun = self.must_sign_off = True
        self._cut_short.update(cut_short)

    def succeeded(self, task: int, now: float) -> None:
        """Note that a task has succeeded."""
        self._ends.append((now, task))
        while self._ends[0][0] < now - DOUBT:
            self._ends.popleft()

    def doubt(self, now: float) -> set[int]:
        """Note that the job ends; return the tasks whose success does not count."""
        self._in_doubt_until = now + DOUBT
        doubtful = {id for time, id in self._ends if time >= now - DOUBT}
        self._ends.clear()
        return doubtful

    def has_killed(self, task: int, result: Result, now: float) -> bool:
        """Whether the task was killed because this worker leaves: a batch system sends both the same signal."""
        if not self.must_sign_off:
            return False
        if task in self._cut_short:
            return not result.ok
        return result.may_be_the_end or now < self._in_doubt_until
