"""How progress is shown on standard error."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Final

from dwork.progress.lines import Lines
from dwork.progress.listener import Face, Silence
from dwork.progress.live import Live
from dwork.progress.terminal import NoTerminal, Terminal, can_redraw

#: auto: a bar on a terminal, else plain.
WAYS: Final = ("auto", "bar", "plain", "none")


def choose(way: str, tell: Callable[[str], None], descriptor: int) -> tuple[Terminal | NoTerminal, Face]:
    """Return what to draw on, and the view to show. tell(text) prints a line for people.

    way: one of WAYS. descriptor: the original standard error.
    """
    through = sys.stderr.fileno()
    if way == "bar" or (way == "auto" and can_redraw(descriptor)):
        terminal = Terminal(descriptor, through if through != descriptor else None)
        return terminal, Live(terminal, sys.stderr.encoding)
    return NoTerminal(), Silence() if way == "none" else Lines(tell)
