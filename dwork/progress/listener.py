"""The progress of a run: hears that something has happened, and has it shown when it is time for that.

What is shown, and when, is up to its *face*: a live line of a terminal (`live`), lines of a log (`lines`), or nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Protocol

from dwork.core.events import Event
from dwork.progress.pace import Pace
from dwork.progress.standing import Standing


class Face(Protocol):
    """Where progress is shown."""

    def begin(self, at: Standing) -> None:
        """The run begins."""

    def next(self, looked: float, moved: bool) -> float:
        """When to look again how the run stands, after it was looked at; moved: something has happened since."""
        ...

    def show(self, at: Standing, pace: Pace) -> None:
        """This is how it stands now."""


class Silence:
    """A face that shows nothing."""

    def begin(self, at: Standing) -> None: ...

    def next(self, looked: float, moved: bool) -> float:
        return math.inf

    def show(self, at: Standing, pace: Pace) -> None: ...


class Progress:
    """A listener. stand(now) tells how the run stands."""

    def __init__(self, face: Face, stand: Callable[[float], Standing]) -> None:
        self._face = face
        self._stand = stand
        self._pace = Pace()
        self._looked = 0.0
        self._moved = False

    def begin(self, now: float) -> None:
        """The run begins."""
        self._looked = now
        at = self._stand(now)
        self._pace.see(at)
        self._face.begin(at)

    def hear(self, happened: Sequence[Event]) -> None:
        self._moved = True

    @property
    def next(self) -> float:
        """When to call `look`; infinity when it can wait until something happens."""
        return self._face.next(self._looked, self._moved)

    def look(self, now: float) -> None:
        """See whether it is time to show something; most often it is not, and costs nothing."""
        if now >= self.next:
            self._looked, self._moved = now, False
            at = self._stand(now)
            self._pace.see(at)
            self._face.show(at, self._pace)
