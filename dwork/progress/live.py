"""A live line at the foot of a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dwork.progress.pace import Pace
from dwork.progress.standing import Standing
from dwork.progress.terminal import Terminal
from dwork.progress.words import line

if TYPE_CHECKING:
    from dwork.progress.bar import Bar

#: Seconds between two looks, while something happens and while nothing does; and from the first task to the first line.
MOVED: Final = 0.2
UNMOVED: Final = 1.0
FIRST: Final = 0.5
#: And for each slot, while something happens: a look goes through all workers, and must not take their hub's time.
PER_SLOT: Final = 1 / 5000


class Live:
    """A face of the progress. encoding: of the characters that the terminal knows."""

    def __init__(self, terminal: Terminal, encoding: str) -> None:
        self._terminal = terminal
        self._encoding = encoding
        self._bar: Bar | None = None
        self._began = 0.0
        self._pause = MOVED

    def begin(self, at: Standing) -> None:
        from dwork.progress.bar import Bar  # takes no longer than the first worker of our own takes to come

        self._began = at.time
        self._bar = Bar(self._encoding)

    def next(self, looked: float, moved: bool) -> float:
        return looked + (self._pause if moved else max(self._pause, UNMOVED))

    def show(self, at: Standing, pace: Pace) -> None:
        self._pause = max(MOVED, PER_SLOT * at.slots)
        if not at.running and not at.ended:
            self._began = at.time
        if self._bar is not None and at.time >= self._began + FIRST:
            width = self._terminal.width
            try:
                self._terminal.draw(self._bar.render(line(at, pace, width), width))
            except Exception:  # no run ends for the sake of its picture
                self._bar = None
                self._terminal.hide()
