"""Renders the progress line of a terminal with rich, which a pool imports only with this module."""

from __future__ import annotations

import io

from rich.console import Console
from rich.progress_bar import ProgressBar
from rich.segment import Segment, Segments
from rich.text import Text

from dwork.progress.words import GAP, Line

_GREEN, _RED = "green", "red"


class Bar:
    """A rich console that renders to memory. encoding: the character encoding of the terminal."""

    def __init__(self, encoding: str) -> None:
        self._buffer = io.BytesIO()
        file = io.TextIOWrapper(self._buffer, encoding, errors="replace", write_through=True)
        self._console = Console(file=file, force_terminal=True, highlight=False, legacy_windows=False)

    def render(self, line: Line, width: int) -> bytes:
        """Return the line with the colours that the terminal supports."""
        console = self._console
        if line.bar:
            bar = ProgressBar(1.0, line.done, line.bar, complete_style=_GREEN, finished_style=_GREEN)
            drawn = list(console.render(bar))  # without colours only its filled part
            console.print(Segments(Segment.adjust_line_length(drawn, line.bar + len(GAP))), end="")
        parts = [Text(part.text, _RED if part.bad else "") for part in line.parts]
        console.print(Text(GAP).join(parts), end="", width=width, no_wrap=True, crop=True)
        text = self._buffer.getvalue()
        self._buffer.seek(0)
        self._buffer.truncate()
        return text
