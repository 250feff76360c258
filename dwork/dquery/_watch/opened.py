"""The page of one task: what `dquery show` prints, and the end of its log. And the help page."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import ClassVar, Final

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Footer, Static

from dwork.core.errors import DworkError, GraphError
from dwork.core.rows import OutputPiece, TaskDetails
from dwork.core.task import ACTIVE
from dwork.core.text import output_lines, printable, size
from dwork.dquery._source import TaskSource
from dwork.dquery._watch.questions import Questions
from dwork.dquery._watch.scene import Failure
from dwork.dquery._words import named
from dwork.dquery.log import last_attempt, pieces_of
from dwork.dquery.show import described

#: Maximum number of bytes of each stream that are shown.
END: Final = 32 * 1024
#: Seconds between two queries for a task that has not ended.
LOOK: Final = 2.0

_KEYS: Final = """\
The first lines show the progress of the run: the share of tasks done, tasks per
second, the estimated time left, and how many slots are busy. Below are the
workers, the running tasks (longest first), and the latest failures with the end
of their stderr.

Tab        next list; arrows, Page Up and Page Down move in it
Enter      opens the task under the cursor: the output of dquery show, and the
           end of its log; on a worker, shows only the tasks of this worker
/          shows only tasks whose name or worker contains this text; also a
           glob, such as solve-*, or a number, such as #12
Escape     goes back; shows everything again
q, Ctrl-C  quits; the run continues

When the hub does not answer, the last state stays on the screen, and the query
is repeated. A run that continues with these tasks, such as a batch job that was
submitted again, is shown as soon as it starts."""


class Page(Screen[None]):
    """A page of text that scrolls."""

    CSS = """
    Page VerticalScroll { padding: 0 1; scrollbar-size-vertical: 1; }
    Page .heading { height: 1; text-style: bold; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "app.pop_screen", "Back"),
        Binding("q", "app.quit", "Quit"),
    ]

    def __init__(self, heading: str, text: str) -> None:
        super().__init__()
        self._heading = heading
        self._text = text

    def compose(self) -> ComposeResult:
        yield Static(Text(printable(self._heading), no_wrap=True, overflow="ellipsis"), classes="heading")
        with VerticalScroll():
            yield Static(Text(self._text), id="text")
        yield Footer()

    def on_mount(self) -> None:
        self.query_one(VerticalScroll).focus()


class Help(Page):
    """The help page."""

    def __init__(self) -> None:
        super().__init__("dquery watch", _KEYS)


class Described(Message):
    """The details of a task have arrived."""

    def __init__(self, heading: str, lines: list[str]) -> None:
        super().__init__()
        self.heading = heading
        self.lines = lines


class Opened(Page):
    """The page of a task. failure: what is known about it without a query."""

    def __init__(self, number: int, questions: Questions, failure: Failure | None) -> None:
        super().__init__(f"#{number}", "querying the hub ...")
        self._number = number
        self._questions = questions
        self._failure = failure
        self._left = threading.Event()

    def on_mount(self) -> None:
        super().on_mount()
        threading.Thread(target=self._look, daemon=True).start()

    def on_unmount(self) -> None:
        self._left.set()

    def _look(self) -> None:
        """Query the task until it has ended, in a daemon thread."""
        is_active = True
        while is_active and not self._left.is_set():
            try:
                with self._questions.source() as source:
                    heading, lines, is_active = _all(source, self._number)
            except (DworkError, OSError) as error:
                heading, lines = f"#{self._number}", list(self._known(error))
                is_active = not isinstance(error, GraphError)
            self.post_message(Described(heading, lines))
            self._left.wait(LOOK)

    def _known(self, error: Exception) -> Iterator[str]:
        yield str(error)
        if self._failure is not None:
            yield ""
            yield f"{self._failure.name} on {self._failure.worker}: {self._failure.how}"
            yield from (f"  {line}" for line in self._failure.stderr)

    def on_described(self, message: Described) -> None:
        scroll = self.query_one(VerticalScroll)
        is_at_end = scroll.max_scroll_y > 0 and scroll.scroll_y >= scroll.max_scroll_y
        self.query_one(".heading", Static).update(Text(printable(message.heading), no_wrap=True, overflow="ellipsis"))
        self.query_one("#text", Static).update(Text("\n".join(map(printable, message.lines))))
        if is_at_end:  # keep showing the end while it grows
            self.call_after_refresh(scroll.scroll_end, animate=False)


def _all(source: TaskSource, id: int) -> tuple[str, list[str], bool]:
    """Return the heading of a task, its details, and whether it is still active."""
    row = source.task(f"#{id}")
    if row is None:
        raise GraphError(f"task #{id} no longer exists")
    lines = [*described(row), *_log(source, row)]
    return named(row, 1000), lines, row["state"] in {state.value for state in ACTIVE}


def _log(source: TaskSource, row: TaskDetails) -> Iterator[str]:
    """Yield the end of the output of the last attempt."""
    last = last_attempt(row)
    for stream, heading in ((1, "stdout"), (2, "stderr")):
        pieces = [piece for piece in pieces_of(row, (stream,)) if piece["attempt"] == last]
        chosen: list[OutputPiece] = []
        while pieces and sum(piece["length"] for piece in chosen) < END:
            chosen.insert(0, pieces.pop())
        if not chosen:
            continue
        data = b"".join(source.output(row, piece) for piece in chosen)
        is_part = bool(pieces) or len(data) > END
        yield ""
        yield f"{heading} of attempt {last}" + (f", the last {size(min(END, len(data)))}" if is_part else "") + ":"
        yield from output_lines(data[-END:].decode(errors="backslashreplace").expandtabs())
