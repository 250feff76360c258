"""How quickly tasks end, and when the last one will.

The rate is that of a *window*: the last ten seconds, or a twentieth of the run, or four run times of a task, whichever
is longest; so it follows what changes, and is steady where tasks end in waves. A window begins when some task has
ended: from there to another end it is a whole number of gaps.

What is left is so many tasks (what runs is half done, on average) times the time from one end to the next. When the
window holds several run times, that is what was seen in it: it has in it all that slows a run, as idle slots and the
way to a worker. Else it is the mean run time over the cores that are in use: the window may lie between two waves.

Nobody knows from a few tasks how long the others take, and the short ones end first: nothing is said until as many have
ended as run. An estimate is made when something has ended, or tasks or slots have come or gone; from then on it is
counted down, and when its time is over without another one, nothing is said either.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Final

from dwork.progress.standing import Standing

#: The window: in seconds, as a part of the run, and in run times, at the least.
RECENT: Final = 10.0
PART: Final = 1 / 20
WAVES: Final = 4
#: Standings that are kept of a window.
KEPT: Final = 16
#: Tasks that must have ended before anything is said of the others.
ENOUGH: Final = 3


class Pace:
    """rate: tasks that end in a second; 0 when none does."""

    def __init__(self) -> None:
        self.rate = 0.0
        self._seen: deque[Standing] = deque()  # in the window, oldest first
        self._began = 0.0
        self._mean = 0.0  # run time of a task in the window, for each core
        self._end = math.inf  # when all will be over
        self._known: tuple[int, int, int] | None = None  # what that was concluded from

    def see(self, at: Standing) -> None:
        """Take in how the run stands. Until the first task runs, nothing has begun."""
        if not at.ended and not at.running:
            self._seen.clear()
        if not self._seen:
            self._seen.append(at)
            self._began = at.time
            return
        first = self._window(at)
        length, ended = at.time - first.time, at.ended - first.ended
        self.rate = ended / length if length > 0 else 0.0
        if ended:
            self._mean = (at.seconds - first.seconds) / ended
        left = at.unstarted + at.running
        if self._known != (at.ended, left, at.slots):
            self._known = (at.ended, left, at.slots)
            gap = self._gap(at, length)
            is_known = at.ended >= max(ENOUGH, at.running) and gap and not at.stopping
            self._end = at.time + (at.unstarted + at.running / 2) * gap if is_known else math.inf

    def left(self, now: float) -> float | None:
        """Seconds until the end; None when nobody knows."""
        return self._end - now if now < self._end < math.inf else None

    def _window(self, at: Standing) -> Standing:
        """Where the window begins; `at` is its end."""
        seen = self._seen
        span = max(RECENT, PART * (at.time - self._began), WAVES * self._mean)
        while len(seen) > 1 and at.time - seen[1].time >= span:
            seen.popleft()
        first = seen[0]
        if at.ended > seen[-1].ended and at.time - seen[-1].time >= span / KEPT:
            seen.append(at)
        return first

    def _gap(self, at: Standing, length: float) -> float:
        """Seconds from one end to the next; 0 when nobody knows."""
        if self.rate and length >= WAVES * self._mean:
            return 1 / self.rate
        return self._mean / at.cores if at.cores else 0.0
