"""The rate at which tasks end, and an estimate of when the last one will.

The rate is measured over a *window*: the last ten seconds, a twentieth of the run, or four run times of a task,
whichever is longest. So it follows changes, and is steady where tasks end in waves. A window begins at the end of a
task, so that it is a whole number of gaps between ends.

The time left is the number of tasks left (a running task is half done, on average) times the gap from one end to the
next. When the window is several run times long, the gap is measured in it, which includes all that slows a run, such as
idle slots and the way to a worker. Otherwise it is the mean run time divided by the cores in use, since the window may
lie between two waves.

A few tasks do not show how long the others take, and the short ones end first: there is no estimate until as many tasks
have ended as are running. An estimate is made when something has ended, or tasks or slots have come or gone. It is then
counted down; when it reaches zero before the next one is made, there is none.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Final

from dwork.progress.standing import Standing

#: Least length of the window: in seconds, as a part of the run, and in run times of a task.
RECENT: Final = 10.0
PART: Final = 1 / 20
WAVES: Final = 4
#: How many standings are kept of a window.
KEPT: Final = 16
#: Tasks that must have ended before there is an estimate.
ENOUGH: Final = 3


class Pace:
    """The pace of a run. rate: tasks that end per second; 0 when none does."""

    def __init__(self) -> None:
        self.rate = 0.0
        self._seen: deque[Standing] = deque()  # in the window, oldest first
        self._began = 0.0
        self._mean = 0.0  # run time of a task in the window, for each core
        self._end = math.inf  # estimated end of the run
        self._known: tuple[int, int, int] | None = None  # what the estimate is based on

    def see(self, at: Standing) -> None:
        """Take in the standing of the run. The run begins with its first task."""
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
        """Return the estimated seconds until the end; None without an estimate."""
        return self._end - now if now < self._end < math.inf else None

    def _window(self, at: Standing) -> Standing:
        """Return the standing at which the window begins; `at` is its end."""
        seen = self._seen
        span = max(RECENT, PART * (at.time - self._began), WAVES * self._mean)
        while len(seen) > 1 and at.time - seen[1].time >= span:
            seen.popleft()
        first = seen[0]
        if at.ended > seen[-1].ended and at.time - seen[-1].time >= span / KEPT:
            seen.append(at)
        return first

    def _gap(self, at: Standing, length: float) -> float:
        """Return the seconds from one end to the next; 0 when unknown."""
        if self.rate and length >= WAVES * self._mean:
            return 1 / self.rate
        return self._mean / at.cores if at.cores else 0.0
