"""Plain progress lines for logs, printed less often the longer a run lasts, so that they do not fill the log."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from dwork.progress.pace import Pace
from dwork.progress.standing import Standing
from dwork.progress.words import sentence

#: Least time between two lines: in seconds, and as a part of the time that the run has lasted. That is 20 lines in the
#: first minutes, 80 in an hour, fewer than 200 in a week.
LEAST: Final = 10.0
PART: Final = 1 / 20
#: Seconds between two readings of the standing, from which the pace is measured.
LOOK: Final = 1.0


def due(began: float, printed: float) -> float:
    """Return the earliest time of the next line, given the start of the run and the time of the last line."""
    return printed + max(LEAST, PART * (printed - began))


class Lines:
    """Shows progress as lines. tell(text) prints a line for people."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._began = 0.0
        self._due = math.inf
        self._printed: object = None  # the counts in the last line
        self._is_news = False

    def begin(self, at: Standing) -> None:
        self._began = at.time
        self._printed = at.counts
        self._due = due(at.time, at.time)

    def next(self, looked: float, moved: bool) -> float:
        if moved:
            return looked + LOOK
        return self._due if self._is_news else math.inf

    def show(self, at: Standing, pace: Pace) -> None:
        self._is_news = at.counts != self._printed
        if self._is_news and at.time >= self._due:
            self._tell(sentence(at, pace, self._began))
            self._printed, self._is_news = at.counts, False
            self._due = due(self._began, at.time)
