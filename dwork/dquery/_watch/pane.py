"""A list on the screen, whose cursor stays on its row while rows come and go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.widgets import DataTable


class Column(NamedTuple):
    """A column. width 0: the space that the others leave."""

    heading: str
    width: int
    right: bool = False


class PaneRow(NamedTuple):
    """A row: its key, and a text for each column; the last text may have several lines."""

    key: str
    cells: tuple[Text, ...]


class Pane(DataTable[Text]):
    """A list. columns: one of them has width 0."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select_cursor", "Open"),
        Binding("tab", "app.focus_next", "Next list"),
    ]

    def __init__(self, columns: Sequence[Column], id: str) -> None:
        super().__init__(id=id, cursor_type="row", cell_padding=0, show_cursor=False)
        self._columns_wanted = columns
        self._lines: list[PaneRow] = []
        self._laid_out = 0  # the width of the terminal at the last layout

    def on_focus(self) -> None:
        self.show_cursor = True

    def on_blur(self) -> None:
        self.show_cursor = False

    def fill(self, heading: str, lines: Sequence[PaneRow]) -> None:
        """Replace the rows and the heading."""
        self.border_title = Text(heading)  # no markup
        width = self.app.size.width - 2  # the scroll bar
        if width != self._laid_out or [_shape(line) for line in lines] != [_shape(line) for line in self._lines]:
            self._rebuild(lines, width)
            return
        for i, (new, old) in enumerate(zip(lines, self._lines, strict=True)):
            for j, cell in enumerate(new.cells):
                if cell != old.cells[j]:
                    self.update_cell_at((i, j), cell)  # type: ignore[arg-type]
        self._lines = list(lines)

    def _rebuild(self, lines: Sequence[PaneRow], width: int) -> None:
        key, row, top = self.key, self.cursor_row, self.scroll_offset.y
        if not self.has_focus:  # nobody is reading it
            key, row, top = None, 0, 0
        self.clear(columns=True)
        rest = width - sum(column.width + 1 for column in self._columns_wanted)
        for column in self._columns_wanted:
            heading = Text(column.heading.rjust(column.width) if column.right else column.heading)
            self.add_column(heading, width=(column.width or max(10, rest)) + 1)
        for line in lines:
            self.add_row(*line.cells, height=_shape(line)[1], key=line.key)
        self._lines, self._laid_out = list(lines), width
        keys = [line.key for line in lines]
        at = keys.index(key) if key in keys else max(0, min(row, len(keys) - 1))
        self.move_cursor(row=at)
        self.call_after_refresh(self._return, top, at)

    def _return(self, top: int, row: int) -> None:
        """Restore the scroll position, and keep the cursor visible."""
        self.scroll_to(y=top, animate=False, immediate=True)
        self.move_cursor(row=row, scroll=True)

    @property
    def key(self) -> str | None:
        """The key of the row under the cursor."""
        row = self.cursor_row
        return self._lines[row].key if 0 <= row < len(self._lines) else None


def _shape(line: PaneRow) -> tuple[str, int]:
    return line.key, 1 + max(cell.plain.count("\n") for cell in line.cells)
