"""The progress of a run: listens for events, and shows how the run stands when that is due.

What is shown, and when, is up to its *face*: a live line on a terminal (`live`), lines in a log (`lines`), or nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Protocol

from dwork.core.events import Event
from dwork.progress.pace import Pace
from dwork.progress.standing import Standing


class Face(Protocol):
    """One way of showing progress."""

    def begin(self, at: Standing) -> None:
        """Note that the run begins."""

    def next(self, looked: float, moved: bool) -> float:
        """Return when to read the standing again. looked: the last time; moved: something has happened since."""
        ...

    def show(self, at: Standing, pace: Pace) -> None:
        """Show the current standing, if that is due."""


class Silence:
    """A face that shows nothing."""

    def begin(self, at: Standing) -> None: ...

    def next(self, looked: float, moved: bool) -> float:
        return math.inf

    def show(self, at: Standing, pace: Pace) -> None: ...


class Progress:
    """A listener that shows progress. stand(now) returns the standing of the run."""

    def __init__(self, face: Face, stand: Callable[[float], Standing]) -> None:
        self._face = face
        self._stand = stand
        self._pace = Pace()
        self._looked = 0.0
        self._moved = False

    def begin(self, now: float) -> None:
        """Note that the run begins."""
        self._looked = now
        at = self._stand(now)
        self._pace.see(at)
        self._face.begin(at)

    def hear(self, happened: Sequence[Event]) -> None:
        self._moved = True

    @property
    def next(self) -> float:
        """When to call `look`; infinity when that can wait until something happens."""
        return self._face.next(self._looked, self._moved)

    def look(self, now: float) -> None:
        """Show the standing if that is due. Most often it is not, and the call costs nothing."""
        if now >= self.next:
            self._looked, self._moved = now, False
            at = self._stand(now)
            self._pace.see(at)
            self._face.show(at, self._pace)
