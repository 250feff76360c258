"""A live line at the foot of a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dwork.progress.pace import Pace
from dwork.progress.standing import Standing
from dwork.progress.terminal import Terminal
from dwork.progress.words import line

if TYPE_CHECKING:
    from dwork.progress.bar import Bar

#: Seconds between two readings, while something happens and while nothing does; and from the first task to the line.
MOVED: Final = 0.2
UNMOVED: Final = 1.0
FIRST: Final = 0.5
#: Added pause for each slot, while something happens: a reading visits all workers, and must not slow the hub down.
PER_SLOT: Final = 1 / 5000


class Live:
    """Shows progress as a line at the foot of a terminal. encoding: the character encoding of the terminal."""

    def __init__(self, terminal: Terminal, encoding: str) -> None:
        self._terminal = terminal
        self._encoding = encoding
        self._bar: Bar | None = None
        self._began: float | None = None  # when a task was first seen to run
        self._is_due = False  # the line is to be shown soon
        self._pause = MOVED

    def begin(self, at: Standing) -> None:
        from dwork.progress.bar import Bar  # done before the first worker has joined

        self._bar = Bar(self._encoding)

    def next(self, looked: float, moved: bool) -> float:
        return looked + (self._pause if moved or self._is_due else max(self._pause, UNMOVED))

    def show(self, at: Standing, pace: Pace) -> None:
        self._pause = max(MOVED, PER_SLOT * at.slots)
        if self._began is None and (at.running or at.ended):
            self._began = at.time
        self._is_due = self._began is not None and at.time < self._began + FIRST
        if self._bar is not None and self._began is not None and not self._is_due:
            width = self._terminal.width
            try:
                self._terminal.draw(self._bar.render(line(at, pace, width), width))
            except Exception:  # a run must not end for its progress bar
                self._bar = None
                self._terminal.hide()
