"""What a worker does when the system refuses to start a process, since processes, open files or memory have run out.

The task is not at fault: it is given back, and that attempt does not count. The worker then offers as many slots as its
running tasks use, and gets one back after each `RECOVERY` seconds without another refusal. When none of its tasks runs,
others use what has run out: it pauses before it asks for tasks again, longer each time, and leaves when it could start
nothing for `PATIENCE` seconds.
"""

from __future__ import annotations

import math
from typing import Final

#: Seconds after which a worker offers one more slot again.
RECOVERY: Final = 60.0
#: The first and the longest pause of a worker of which no task runs, in seconds.
PAUSE: Final = (0.25, 8.0)
#: For how many seconds a worker tries to start something.
PATIENCE: Final = 60.0


class Refusals:
    """The refused starts of one worker.

    all: its slots when nothing is refused. slots: how many it offers now. rest_until: when its pause ends.
    """

    def __init__(self, slots: int) -> None:
        self.all = self.slots = slots
        self.rest_until = -math.inf
        self._more_at = math.inf  # when to offer one more slot
        self._since = math.inf  # since when nothing could be started
        self._pause = PAUSE[0]

    def add(self, running: int, now: float) -> None:
        """Note that a start was refused. running: the tasks of this worker that run."""
        self.slots = max(1, min(self.slots, running))
        self._more_at = now + RECOVERY
        if not running:
            self._since = min(self._since, now)
            self.rest_until = now + self._pause
            self._pause = min(2 * self._pause, PAUSE[1])

    def lose_slot(self) -> None:
        """Offer one slot less from now on."""
        self.all -= 1
        self.slots = min(self.slots, self.all)

    def end(self) -> None:
        """Note that a task has run."""
        if self._since < math.inf:
            self._since, self.rest_until, self._pause = math.inf, -math.inf, PAUSE[0]

    def offered(self, now: float) -> int:
        """Return how many slots to offer now."""
        if now >= self._more_at:
            self.slots += 1
            self._more_at = now + RECOVERY if self.slots < self.all else math.inf
        return self.slots

    def is_hopeless(self, now: float) -> bool:
        """Whether nothing could be started for too long."""
        return now >= self._since + PATIENCE
