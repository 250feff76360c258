"""A plain line now and then, for logs: the longer a run has lasted, the rarer, so that no log is filled with them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from dwork.progress.pace import Pace
from dwork.progress.standing import Standing
from dwork.progress.words import sentence

#: Seconds between two lines, at the least, and as a part of the time that the run has lasted: 20 lines in the first
#: minutes, 80 in an hour, less than 200 in a week.
LEAST: Final = 10.0
PART: Final = 1 / 20
#: Seconds between two looks at how the run stands, for the sake of its pace.
LOOK: Final = 1.0


def due(began: float, told: float) -> float:
    """When to tell again, at the earliest, after it was told so, or has begun."""
    return told + max(LEAST, PART * (told - began))


class Lines:
    """A face of the progress. tell(text) prints a line for people."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._began = 0.0
        self._due = math.inf
        self._told: object = None  # how it stood then
        self._is_news = False

    def begin(self, at: Standing) -> None:
        self._began = at.time
        self._told = at.counts
        self._due = due(at.time, at.time)

    def next(self, looked: float, moved: bool) -> float:
        if moved:
            return looked + LOOK
        return self._due if self._is_news else math.inf

    def show(self, at: Standing, pace: Pace) -> None:
        self._is_news = at.counts != self._told
        if self._is_news and at.time >= self._due:
            self._tell(sentence(at, pace, self._began))
            self._told, self._is_news = at.counts, False
            self._due = due(self._began, at.time)
