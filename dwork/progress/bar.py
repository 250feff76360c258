"""Renders the line of a terminal with rich, which is imported with this module and nowhere else in a pool."""

from __future__ import annotations

import io

from rich.console import Console
from rich.progress_bar import ProgressBar
from rich.segment import Segment, Segments
from rich.text import Text

from dwork.progress.words import GAP, Line

_GREEN, _RED = "green", "red"


class Bar:
    """A console of rich's whose paper is read back. encoding: of the characters that the terminal knows."""

    def __init__(self, encoding: str) -> None:
        self._paper = io.BytesIO()
        file = io.TextIOWrapper(self._paper, encoding, errors="replace", write_through=True)
        self._console = Console(file=file, force_terminal=True, highlight=False, legacy_windows=False)

    def render(self, line: Line, width: int) -> bytes:
        """The line, with the colours that the terminal has."""
        console = self._console
        if line.bar:
            bar = ProgressBar(1.0, line.done, line.bar, complete_style=_GREEN, finished_style=_GREEN)
            drawn = list(console.render(bar))  # without colours only as long as it is filled
            console.print(Segments(Segment.adjust_line_length(drawn, line.bar + len(GAP))), end="")
        parts = [Text(part.text, _RED if part.bad else "") for part in line.parts]
        console.print(Text(GAP).join(parts), end="", width=width, no_wrap=True, crop=True)
        text = self._paper.getvalue()
        self._paper.seek(0)
        self._paper.truncate()
        return text
