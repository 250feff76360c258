"""The foot of a terminal: a line below what is printed, which is never in its way."""

from __future__ import annotations

import os
import termios
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dwork.progress.bar import Bar
from dwork.progress.live import Live
from dwork.progress.pace import Pace
from dwork.progress.terminal import NoTerminal, Terminal, can_redraw
from dwork.progress.words import Line, Part
from tests.unit.progress.screen import Pty
from tests.unit.progress.stage import stand


@pytest.fixture
def pty() -> Iterator[Pty]:
    pty = Pty()
    yield pty
    pty.close()


@pytest.fixture
def foot(pty: Pty) -> Iterator[Terminal]:
    terminal = Terminal(pty.inner)
    yield terminal
    terminal.close()


def test_a_line_is_drawn_over_and_gone_in_the_end(pty: Pty, foot: Terminal) -> None:
    foot.draw(b"a long line")
    assert pty.lines == ["a long line"]
    foot.draw(b"a line")
    assert pty.lines == ["a line"]
    foot.close()
    assert pty.lines == [""]
    foot.draw(b"too late")
    foot.restore()
    assert pty.lines == [""]


def test_the_same_line_is_not_drawn_twice(pty: Pty, foot: Terminal) -> None:
    foot.draw(b"a line")
    foot.draw(b"a line")
    assert pty.text.count("a line") == 1


def test_what_is_printed_stands_above_the_line(pty: Pty, foot: Terminal) -> None:
    with open(pty.inner, "wb", closefd=False) as file:
        out = foot.above(file)
        foot.draw(b"foot")
        for i in range(3):
            out.write(b"%d\n" % i)
            out.flush()
            assert "foot" not in pty.lines
            foot.restore()
            assert pty.lines == [*map(str, range(i + 1)), "foot"]
        foot.hide()
        file.write(b"a line of others\n")
        file.flush()
        foot.restore()
        assert pty.lines == ["0", "1", "2", "a line of others", "foot"]


def test_what_has_no_end_of_line_is_not_drawn_over(pty: Pty, foot: Terminal) -> None:
    with open(pty.inner, "wb", closefd=False) as file:
        out = foot.above(file)
        foot.draw(b"foot")
        for data in (b"one", b"", b"two\n"):
            out.write(data)
            out.flush()
            foot.restore()
        assert pty.lines == ["one", "two", "foot"]
        out.write(b"three\nfour")
        out.flush()
        foot.hide()
        file.write(b" and a line of others\n")
        file.flush()
        foot.restore()
        assert pty.lines == ["one", "two", "three", "four and a line of others", "foot"]


def test_nothing_is_drawn_before_there_is_a_line(pty: Pty, foot: Terminal) -> None:
    foot.restore()
    foot.hide()
    foot.restore()
    assert pty.text == ""


def test_what_goes_elsewhere_need_not_make_room(pty: Pty, foot: Terminal, tmp_path: Path) -> None:
    other, inner = os.pipe()
    with open(tmp_path / "file", "wb") as file, open(inner, "wb") as pipe, open(other, "rb"):
        assert foot.above(file) is file
        assert foot.above(pipe) is pipe
        passed_on = Terminal(inner)  # as that of an mpirun, which shows both streams on one screen
        assert passed_on.above(file) is file
        assert passed_on.above(pipe) is not pipe
        passed_on.close()
        assert NoTerminal().above(pipe) is pipe


@pytest.mark.parametrize("columns", [200, 80, 10])
def test_the_width_follows_the_terminal_and_leaves_the_last_column_free(pty: Pty, foot: Terminal, columns: int) -> None:
    pty.resize(columns)
    assert foot.width == columns - 1


def test_a_terminal_of_no_size_has_the_usual_one(pty: Pty, foot: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "132")
    pty.resize(0)
    assert foot.width == 131


def test_nobody_waits_for_a_terminal_that_is_not_read(pty: Pty, foot: Terminal) -> None:
    for i in range(10_000):  # some megabytes
        foot.draw(b"%100d" % i)
    assert 1_000 < len(pty.text) < 1_000_000
    foot.draw(b"it is read again")
    assert pty.lines[-1].startswith("it is read again")


def test_nobody_waits_for_a_terminal_that_was_stopped(pty: Pty, foot: Terminal) -> None:
    termios.tcflow(pty.inner, termios.TCOOFF)  # Ctrl-S
    foot.draw(b"a line")
    assert pty.text == ""
    termios.tcflow(pty.inner, termios.TCOON)
    foot.draw(b"a line")
    assert pty.lines == ["a line"]


def test_a_terminal_that_goes_away_is_no_error(pty: Pty, foot: Terminal) -> None:
    foot.draw(b"a line")
    pty.hang_up()
    for act in (lambda: foot.draw(b"another"), foot.hide, foot.restore, lambda: foot.width, foot.close, foot.hide):
        act()


def test_a_pipe_that_nobody_reads_is_no_error() -> None:
    other, inner = os.pipe()
    terminal = Terminal(inner)
    os.close(other)
    terminal.draw(b"a line")
    terminal.close()
    os.close(inner)


def test_a_program_in_the_background_leaves_the_terminal_alone(pty: Pty) -> None:
    """A session leader whose terminal it is hands that to a child: what it draws then is not seen."""
    ready, tell = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            os.setsid()
            os.close(os.open(os.ttyname(pty.inner), os.O_RDWR))  # makes it the terminal that controls us
            terminal = Terminal(pty.inner)
            terminal.draw(b"in front")
            child = os.fork()
            if not child:
                os.setpgid(0, 0)
                os.read(ready, 1)
                os._exit(0)
            os.setpgid(child, child)
            os.tcsetpgrp(pty.inner, child)
            terminal.draw(b"behind")
            terminal.hide()
            terminal.close()
            os.write(tell, b"x")
            os.waitpid(child, 0)
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert pty.lines == ["in front"]
    os.close(ready)
    os.close(tell)


@pytest.mark.parametrize(
    ("term", "can"), [("xterm", True), ("linux", True), ("dumb", False), ("", False), (None, False)]
)
def test_a_line_can_be_redrawn_where_the_terminal_says_so(
    pty: Pty, monkeypatch: pytest.MonkeyPatch, term: str | None, can: bool
) -> None:
    monkeypatch.delenv("TERM", raising=False)
    if term is not None:
        monkeypatch.setenv("TERM", term)
    assert can_redraw(pty.inner) is can
    ready, tell = os.pipe()
    assert not can_redraw(tell)
    os.close(ready)
    os.close(tell)


def test_it_is_looked_at_the_more_rarely_the_more_there_is_to_look_at(foot: Terminal) -> None:
    live = Live(foot, "utf-8")
    for slots, moved, unmoved in ((2, 0.2, 1.0), (1000, 0.2, 1.0), (3000, 0.6, 1.0), (20_000, 4.0, 4.0)):
        live.show(stand(slots=slots), Pace())
        assert (live.next(0.0, True), live.next(0.0, False)) == pytest.approx((moved, unmoved))


# -- the bar ----------------------------------------------------------------------------------------------------------

LINE = Line(10, 0.5, [Part(" 50%", 1), Part("3 failed", 2, bad=True), Part("[x] :smile:", 3)])


@pytest.fixture
def colours(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def are(term: str, **more: str) -> None:
        for name in ("NO_COLOR", "FORCE_COLOR", "COLORTERM", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
            monkeypatch.delenv(name, raising=False)
        for name, value in {"TERM": term, **more}.items():
            monkeypatch.setenv(name, value)

    return are


def test_the_bar_has_the_colours_of_the_terminal(colours: Callable) -> None:
    colours("xterm-256color")
    text = Bar("utf-8").render(LINE, 79).decode()
    assert "\x1b[31m3 failed\x1b[0m" in text
    assert text.count("━") + text.count("╸") + text.count("╺") == 10


def test_the_bar_has_none_when_none_are_wanted(colours: Callable) -> None:
    colours("xterm-256color", NO_COLOR="1")
    text = Bar("utf-8").render(LINE, 79).decode()
    assert text == "━━━━━        50%  3 failed  [x] :smile:"


def test_the_bar_has_only_characters_that_the_terminal_has(colours: Callable) -> None:
    colours("xterm", NO_COLOR="1")
    assert Bar("ascii").render(LINE, 79).startswith(b"-----")


def test_the_bar_is_drawn_again_and_again_and_never_wider_than_it_should_be(colours: Callable) -> None:
    colours("xterm", NO_COLOR="1")
    bar = Bar("utf-8")
    for width in (79, 40, 79):
        parts = [Part("x" * (width - 12), 0)]
        text = bar.render(Line(10, 1.0, parts), width).decode()
        assert len(text) == width and "\n" not in text
    assert bar.render(Line(0, 1.0, [Part("1/2", 0)]), 12) == b"1/2"
