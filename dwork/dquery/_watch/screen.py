"""The look of the screen, and its keys.

The output of tasks is never interpreted as markup, nor can it move the cursor: all text is `rich.text.Text`, and
printable.
"""

from __future__ import annotations

import time
from typing import ClassVar, Final

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import DataTable, Footer, Input, Static

from dwork.client.client import Client
from dwork.core.rows import RunView
from dwork.core.text import shown
from dwork.dquery._watch.opened import Help, Opened
from dwork.dquery._watch.pane import Column, Pane, PaneRow
from dwork.dquery._watch.questions import Answered, Missed, News, Over, Questions
from dwork.dquery._watch.scene import Failure, Running, Scene, Strip, age
from dwork.progress.words import GAP
from dwork.progress.words import Line as Totals

GOOD, BAD, FAINT = "green", "red", "dim"
#: Seconds between two updates of the clock.
TICK: Final = 1.0
#: Minimum and maximum columns of a worker's bar, and the columns of the numbers behind it.
BAR: Final = (8, 40)
OF: Final = 14

_WORKERS: Final = (
    Column("WORKER", 20),
    Column("BUSY", 0),
    Column("ENDED", 9, True),
    Column("RATE", 10, True),
    Column("SILENT", 8, True),
)
_RUNNING: Final = (Column("ID", 8, True), Column("AGE", 8, True), Column("WORKER", 16), Column("TASK", 0))
_FAILED: Final = (Column("ID", 8, True), Column("AGO", 8, True), Column("HOW", 22), Column("TASK", 0))


class Heard(Message):
    """News from the hub, or about its absence."""

    def __init__(self, news: News) -> None:
        super().__init__()
        self.news = news


class WatchApp(App[None]):
    """The live view of a run. questions: its queries, which begin when the screen is ready."""

    CSS = """
    #title, #totals, #state { height: 1; }
    #title { text-style: bold; }
    Screen, Pane, Input, Footer, FooterKey { background: ansi_default; color: ansi_default; }
    Pane { height: 1fr; min-height: 4; border-top: solid ansi_blue; border-title-color: ansi_default;
           scrollbar-size-vertical: 1; overflow-x: hidden; background-tint: transparent; }
    Pane:focus { border-top: heavy ansi_blue; border-title-style: bold; background-tint: transparent; }
    Pane > .datatable--header { background: ansi_default; color: ansi_default; text-style: dim; }
    Pane > .datatable--hover { background: ansi_default; }
    Pane > .datatable--cursor { background: ansi_blue; color: ansi_bright_white; text-style: bold; }
    FooterKey .footer-key--key { background: ansi_default; color: ansi_blue; text-style: bold; }
    FooterKey .footer-key--description { background: ansi_default; color: ansi_default; }
    #workers { height: auto; max-height: 30%; }
    #failed { height: auto; max-height: 40%; }
    #filter { height: 1; border: none; padding: 0; dock: bottom; margin-bottom: 1; }
    .hidden { display: none; }
    """
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "Quit"),
        Binding("slash", "filter", "Filter", key_display="/"),
        Binding("question_mark", "help", "Help", key_display="?"),
        Binding("escape", "clear", "All", show=False),
        Binding("ctrl+c", "quit", "Quit", show=False, priority=True),
    ]

    def __init__(self, scene: Scene, questions: Questions) -> None:
        super().__init__(ansi_color=True)
        self.scene = scene
        self.questions = questions
        self.title = "dquery watch"

    def compose(self) -> ComposeResult:
        yield Static(id="title", markup=False)
        yield Static(id="totals", markup=False)
        yield Static(id="state", markup=False)
        yield Pane(_WORKERS, "workers")
        yield Pane(_RUNNING, "running")
        yield Pane(_FAILED, "failed")
        yield Input(placeholder="part of a name, or a glob", id="filter", classes="hidden", compact=True)
        yield Footer()

    def on_mount(self) -> None:
        self.query_one("#running").focus()
        self.set_interval(TICK, self.draw)
        self.draw()
        self.questions.begin()

    def on_unmount(self) -> None:
        self.questions.stop()

    def on_resize(self) -> None:
        self.call_after_refresh(self.draw)

    # -- news -------------------------------------------------------------------------------------------------

    def hear(self, news: News) -> None:
        """Take news; may be called from any thread."""
        self.post_message(Heard(news))

    def on_heard(self, message: Heard) -> None:
        now = time.monotonic()
        match message.news:
            case Answered(row, is_new):
                (self.scene.follow if is_new else self.scene.take)(row, now)
            case Missed(why):
                self.scene.miss(why)
            case Over(code, last):
                self.scene.end(code, last, now)
        self.draw()

    # -- drawing ----------------------------------------------------------------------------------------------

    def draw(self) -> None:
        """Show the current state."""
        if not self.screen_stack or not (main := self.screen_stack[0]).query("#title"):
            return  # it has not been composed yet, or is being left
        now, scene, width = time.monotonic(), self.scene, self.size.width
        main.query_one("#title", Static).update(Text(scene.title(width, now), no_wrap=True, overflow="ellipsis"))
        main.query_one("#totals", Static).update(_totals(scene.line(width, now)))
        text, is_bad = scene.state(now)
        main.query_one("#state", Static).update(Text(text, BAD if is_bad else "", no_wrap=True, overflow="ellipsis"))
        workers, running, failed = scene.headings()
        main.query_one("#workers", Pane).fill(workers, [_strip(each, width) for each in scene.workers(now)])
        main.query_one("#running", Pane).fill(running, [_running(each, width) for each in scene.tasks(now)])
        main.query_one("#failed", Pane).fill(failed, [_failure(each, width) for each in scene.failures(now)])

    # -- keys -------------------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Disable the keys of the lists on other pages."""
        return action not in ("filter", "clear", "help") or len(self.screen_stack) == 1

    def action_filter(self) -> None:
        field = self.query_one("#filter", Input)
        field.remove_class("hidden")
        field.value = self.scene.filter
        field.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        self.scene.choose(event.value)
        self.draw()

    def on_input_submitted(self) -> None:
        self.query_one("#filter").add_class("hidden")
        self.query_one("#running").focus()

    def action_clear(self) -> None:
        field = self.query_one("#filter", Input)
        field.value = ""
        self.scene.choose("")
        self.on_input_submitted()
        self.draw()

    def action_help(self) -> None:
        self.push_screen(Help())

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Open a task; for a worker, show only its tasks."""
        assert isinstance(event.data_table, Pane)
        key = event.data_table.key
        if key is None:
            return
        if event.data_table.id == "workers":
            self.query_one("#filter", Input).value = key
            self.scene.choose(key)
            self.query_one("#running").focus()
            self.draw()
            return
        id = int(key.partition(".")[0])
        self.push_screen(Opened(id, self.questions, self.scene.failure(id)))


def _totals(line: Totals) -> Text:
    text = Text(no_wrap=True)
    if line.bar:
        full = int(line.bar * line.done)
        text.append("━" * full, GOOD)
        text.append("─" * (line.bar - full) + GAP, FAINT)
    for i, part in enumerate(line.parts):
        text.append((GAP if i else "") + part.text, BAD if part.bad else "")
    return text


def _strip(strip: Strip, width: int) -> PaneRow:
    least, most = BAR
    bar = min(most, max(least, width - sum(column.width + 1 for column in _WORKERS) - OF))
    full = round(bar * strip.busy / max(1, strip.slots))
    busy = Text(no_wrap=True)
    busy.append("█" * full, GOOD)
    busy.append("·" * (bar - full), FAINT)
    busy.append(f" {strip.busy:,}/{strip.slots:,}")
    of = f" ({strip.of:,})" if strip.of > 1 else ""
    silent = "" if strip.silent is None else age(strip.silent)
    name = _name(f"{shown(strip.location, 20 - len(of))}{of}")
    cells = (name, busy, _number(f"{strip.ended:,}", 9), _number(strip.rate, 10))
    return PaneRow(strip.location, (*cells, _number(silent)))


def _running(task: Running, width: int) -> PaneRow:
    again = f" (attempt {task.attempt})" if task.attempt > 1 else ""
    name = _name(f"{shown(task.name, max(20, width - 40))}{again}")
    return PaneRow(str(task.id), (_number(f"#{task.id}"), _number(age(task.seconds)), _name(task.worker, 16), name))


def _failure(each: Failure, width: int) -> PaneRow:
    room = max(20, width - 44)
    again = "; will be retried" if each.again else ""
    attempt = f" (attempt {each.attempt}{again})" if each.attempt > 1 or again else ""
    what = _name(f"{shown(each.name, max(20, room - len(attempt)))}{attempt}")
    for text in each.stderr:
        what.append(f"\n  {text[:room]}", FAINT)
    cells = (_number(f"#{each.id}"), _number(age(each.ago)), Text(shown(each.how, 22), BAD, no_wrap=True), what)
    return PaneRow(f"{each.id}.{each.attempt}", cells)


def _name(text: str, width: int = 1000) -> Text:
    return Text(shown(text, width), no_wrap=True, overflow="ellipsis")


def _number(text: str, width: int = 8) -> Text:
    return Text(text.rjust(width), no_wrap=True)


def show(client: Client, row: RunView, interval: float) -> None:
    """Watch the run of this client, whose first answer is row, until the user quits."""
    questions = Questions(client, row, interval, lambda news: app.hear(news))
    app = WatchApp(Scene(row, time.monotonic()), questions)
    app.run()
