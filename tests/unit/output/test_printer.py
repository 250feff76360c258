"""Output of tasks: each task's in one piece, failed ones marked, in order of completion or of the file."""

from __future__ import annotations

import errno
import io
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwork.core import events as e
from dwork.core.cause import Cause
from dwork.core.events import Ended, Named
from dwork.core.shell import Shell
from dwork.core.task import Options, Result, Task
from dwork.core.text import output_lines
from dwork.output.printer import Printer
from dwork.output.streams import Streams


class Screen:
    """A printer with what it has printed."""

    def __init__(self, *, keep_order: bool = False, joins: Sequence[int] = (), n: int = 9) -> None:
        self.out, self.err = io.BytesIO(), io.BytesIO()
        self.printer = Printer(Streams(self.out, self.err), keep_order=keep_order)
        self.hear(e.Added(0.0, 0, [Task(str(i), None if i in joins else "x") for i in range(n)]))

    def hear(self, *events: e.Event) -> str:
        """What these make it print on standard output."""
        before = self.out.tell()
        self.printer.hear(events)
        return self.out.getvalue()[before:].decode()

    def waiting(self) -> int:
        """Bytes that are kept on disk."""
        return self.printer._spool.waiting


def ended(id: int, out: str = "", err: str = "", status: int = 0, **more: Any) -> Ended:
    return Ended(id, str(id), Result(id, 1, status, stdout=out.encode(), stderr=err.encode(), **more))


def fine(*of: tuple[int, str]) -> e.Finished:
    return e.Finished(1.0, "w", [ended(id, out) for id, out in of])


def failed(id: int, out: str = "", err: str = "", status: int = 1, **more: Any) -> e.Failed:
    return e.Failed(1.0, "w", ended(id, out, err, status, **more))


def retried(id: int, out: str) -> e.Retried:
    return e.Retried(1.0, "w", ended(id, out, status=1), 1)


def killed(id: int, out: str = "") -> e.Killed:
    return e.Killed(1.0, "w", ended(id, out, status=143, signal=15, error="cancelled"), "on request")


def revived(*ids: int) -> e.Revived:
    return e.Revived(1.0, [Named(id, str(id)) for id in ids])


def piece(id: int, data: str, stream: int = 1) -> e.Printed:
    return e.Printed(1.0, id, stream, data.encode())


def test_output_comes_in_order_of_completion() -> None:
    screen = Screen()
    assert screen.hear(fine((3, "three\n"), (1, "")), fine((0, "zero"))) == "three\nzero"


@pytest.mark.parametrize(
    ("printed", "left"),
    [
        ("a\n 10%\r 50%\r 90%\nb", "[0: exit status 1] a\n[0: exit status 1]  90%\n[0: exit status 1] b\n"),
        ("a\r\nb\r\n", "[0: exit status 1] a\n[0: exit status 1] b\n"),
        (" 50%\r        \r", "[0: exit status 1]  50%\n"),
        (" 50%\r\x1b[K\x1b[?25h", "[0: exit status 1]  50%\n"),
        ("\rone\rtwo", "[0: exit status 1] two\n"),
    ],
)
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_only_the_last_state_of_a_progress_bar_is_marked(printed: str, left: str, size: int) -> None:
    screen = Screen()
    pieces = [piece(0, printed[at : at + size]) for at in range(0, len(printed), size)]
    assert screen.hear(*pieces, failed(0)) == left


def test_a_long_line_without_an_end_is_marked_once() -> None:
    screen = Screen()
    pieces = [piece(0, "x" * 1000) for _ in range(200)]
    assert screen.hear(*pieces, failed(0, "y")) == f"[0: exit status 1] {'x' * 200_000}y\n"
    assert screen.hear(piece(1, "x" * 100_000), failed(1)) == f"[1: exit status 1] {'x' * 100_000}\n"


def test_what_a_task_that_was_done_printed_stays_as_it_was() -> None:
    screen = Screen()
    assert screen.hear(fine((0, " 10%\r 50%\r\n\r\n"))) == " 10%\r 50%\r\n\r\n"


def test_the_two_streams_stay_apart() -> None:
    screen = Screen()
    screen.hear(e.Finished(1.0, "w", [ended(0, "out\n", "err\n")]))
    assert (screen.out.getvalue(), screen.err.getvalue()) == (b"out\n", b"err\n")


def test_long_output_comes_when_its_task_has_ended_and_in_one_piece() -> None:
    screen = Screen()
    assert screen.hear(piece(0, "a" * 300_000), piece(1, "b"), piece(0, "c"), piece(0, "E", 2)) == ""
    assert screen.hear(fine((1, ""))) == "b"
    assert screen.hear(fine((0, "tail"))) == "a" * 300_000 + "ctail"
    assert screen.err.getvalue() == b"E"
    assert screen.waiting() == 0


def test_output_of_an_attempt_that_was_lost_is_not_taken_for_that_of_the_next() -> None:
    screen = Screen()
    screen.hear(piece(0, "half of "), e.Requeued(1.0, "w", [Named(0, "0"), Named(1, "1")], Cause.DIED, "lost"))
    assert screen.waiting() == 0
    assert screen.hear(piece(0, "whole"), fine((0, ""))) == "whole"


def test_output_of_a_killed_task_is_printed_and_marked() -> None:
    screen = Screen()
    assert screen.hear(piece(0, "long\n"), killed(0, "short")) == "[0: cancelled] long\n[0: cancelled] short\n"
    assert screen.waiting() == 0


def test_a_task_that_is_tried_again_is_printed_again() -> None:
    screen = Screen()
    assert screen.hear(failed(0, "bad\n"), revived(0), fine((0, "good"))) == "[0: exit status 1] bad\ngood"


def test_output_of_a_cancelled_task_is_forgotten() -> None:
    screen = Screen()
    screen.hear(piece(0, "half"), e.Cancelled(1.0, [Named(0, "0")], "enough"))
    assert screen.waiting() == 0


# -- marks ------------------------------------------------------------------------------------------------------------


def test_each_line_of_a_failed_task_is_marked_and_the_last_one_ended() -> None:
    screen = Screen()
    assert screen.hear(failed(0, "a\n\nb")) == "[0: exit status 1] a\n[0: exit status 1] \n[0: exit status 1] b\n"
    assert screen.hear(failed(1, "x\n", status=137, signal=9)) == "[1: SIGKILL] x\n"
    assert screen.hear(failed(2, "x\n", status=124, error="timed out")) == "[2: timed out] x\n"
    assert screen.hear(failed(3)) == ""


def test_a_mark_shows_a_long_or_strange_name_on_one_line() -> None:
    screen = Screen()
    screen.hear(e.Failed(1.0, "w", Ended(0, "a\nb" * 99, Result(0, 1, 1, stderr=b"x\n"))))
    assert screen.err.getvalue().count(b"\n") == 1
    assert len(screen.err.getvalue()) < 120


@given(st.lists(st.text("ab\n\r", max_size=5), max_size=6))
def test_marks_do_not_depend_on_where_the_pieces_are_cut(pieces: list[str]) -> None:
    cut, whole = Screen(), Screen()
    cut.hear(*(piece(0, data) for data in pieces), failed(0))
    text = whole.hear(failed(0, "".join(pieces)))
    assert cut.out.getvalue().decode() == text
    assert text == "".join(f"[0: exit status 1] {line}\n" for line in output_lines("".join(pieces)))


# -- keep_order -------------------------------------------------------------------------------------------------------


def test_keep_order_prints_as_in_the_file() -> None:
    screen = Screen(keep_order=True)
    assert screen.hear(fine((2, "2")), fine((1, "1"))) == ""
    assert screen.hear(fine((0, "0"))) == "012"
    assert screen.waiting() == 0


def test_keep_order_passes_over_what_is_skipped_cancelled_or_a_join() -> None:
    screen = Screen(keep_order=True, joins=[0, 3])
    assert screen.hear(fine((5, "5"))) == ""
    assert screen.hear(e.Skipped(1.0, [Named(2, "2")], Named(1, "x")), e.Cancelled(1.0, [Named(4, "4")], "y")) == ""
    assert screen.hear(fine((1, "1"))) == "15"


def test_keep_order_prints_the_attempts_of_a_task_behind_one_another() -> None:
    screen = Screen(keep_order=True)
    assert screen.hear(retried(1, "bad\n"), retried(1, "worse\n"), fine((2, "2"))) == ""
    mark = "[1: exit status 1] "
    assert screen.hear(fine((0, "0\n"))) == f"0\n{mark}bad\n{mark}worse\n"
    assert screen.hear(retried(1, "still\n")) == f"{mark}still\n"
    assert screen.hear(fine((1, "good\n"))) == "good\n2"


def test_keep_order_keeps_long_output_in_its_place() -> None:
    screen = Screen(keep_order=True)
    screen.hear(piece(1, "long "), piece(0, "first "), fine((1, "one")))
    assert screen.hear(fine((0, "zero "))) == "first zero long one"


def test_keep_order_passes_over_a_killed_task_when_it_has_printed_what_it_had() -> None:
    screen = Screen(keep_order=True)
    assert screen.hear(killed(1, "half\n"), fine((2, "2"))) == ""
    assert screen.hear(fine((0, "0\n"))) == "0\n[1: cancelled] half\n2"
    assert screen.waiting() == 0


def test_keep_order_prints_what_goes_on_in_its_order_and_then_what_is_added() -> None:
    screen = Screen(keep_order=True, n=0)
    screen.hear(e.Resumed(0.0, [7, 2, 5]), e.Added(0.0, 8, [Task("8", "x"), Task("9", None), Task("10", "x")]))
    assert screen.hear(fine((10, "a"), (2, "2"))) == ""
    assert screen.hear(fine((7, "7"))) == "72"
    assert screen.hear(fine((8, "8"))) == ""
    assert screen.hear(fine((5, "5"))) == "58a"
    assert screen.waiting() == 0


def test_keep_order_gives_a_task_that_is_tried_again_its_place_if_its_turn_is_still_to_come() -> None:
    screen = Screen(keep_order=True)
    assert screen.hear(failed(1, "bad\n"), e.Skipped(1.0, [Named(2, "2")], Named(1, "1")), revived(1, 2)) == ""
    assert screen.hear(fine((3, "3"))) == ""
    assert screen.hear(fine((0, "0\n"))) == "0\n[1: exit status 1] bad\n"
    assert screen.hear(fine((2, "2\n"))) == ""
    assert screen.hear(fine((1, "good\n"))) == "good\n2\n3"


def test_keep_order_prints_a_task_that_is_tried_again_last_if_its_turn_is_over() -> None:
    screen = Screen(keep_order=True, n=3)
    assert screen.hear(failed(0, "bad\n"), revived(0)) == "[0: exit status 1] bad\n"
    assert screen.hear(fine((2, "2\n"), (0, "0\n"))) == ""
    assert screen.hear(fine((1, "1\n"))) == "1\n2\n0\n"
    assert screen.waiting() == 0
    assert not screen.printer._ended


def test_keep_order_prints_at_the_end_what_waits_for_tasks_that_never_ended() -> None:
    screen = Screen(keep_order=True)
    screen.hear(fine((4, "4")), fine((2, "2")))
    screen.printer.close()
    assert screen.out.getvalue() == b"24"
    assert screen.waiting() == 0


def test_keep_order_keeps_the_order_of_what_goes_on_to_the_end() -> None:
    screen = Screen(keep_order=True, n=0)
    screen.hear(e.Resumed(0.0, [7, 5, 2]), fine((2, "2"), (5, "5")))
    screen.printer.close()
    assert screen.out.getvalue() == b"52"


# -- trouble ----------------------------------------------------------------------------------------------------------


class Broken(io.BytesIO):
    """A stream on which the n-th write or the flush fails."""

    def __init__(self, code: int, *, flush: bool) -> None:
        super().__init__()
        self.code = code
        self.fails_at_flush = flush

    def write(self, data: Any) -> int:
        if not self.fails_at_flush:
            raise OSError(self.code, "no more")
        return super().write(data)

    def flush(self) -> None:
        if self.fails_at_flush:
            raise OSError(self.code, "no more")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EPIPE])
@pytest.mark.parametrize("flush", [False, True])
@pytest.mark.parametrize("keep_order", [False, True])
def test_a_stream_that_breaks_is_told_and_ends_nothing(code: int, flush: bool, keep_order: bool) -> None:
    printer = Printer(Streams(Broken(code, flush=flush), io.BytesIO()), keep_order=keep_order)
    printer.hear([piece(0, "x" * 10), fine((1, "1")), fine((0, "0"))])
    assert printer.broken == "the output of tasks cannot be written: no more"
    printer.hear([piece(2, "x"), failed(2, "a"), fine((3, "3"))])
    printer.close()
    assert printer.broken


def test_a_disk_that_is_full_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen()

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.pwrite", full)
    screen.hear(piece(0, "x"))
    assert screen.printer.broken == "the output of tasks cannot be written: No space left on device"


# -- what a setup block prints ----------------------------------------------------------------------------------------


def setup_screen(*errs: str, has_setup: bool = True, status: int = 0) -> str:
    """What tasks that print this on standard error make the printer print."""
    screen = Screen()
    if has_setup:
        options = Options(shell=Shell(("sh",), ("module load x",)))
        screen.hear(e.Added(0.0, 9, [Task("more", "x", (), options)]))
    for id, err in enumerate(errs):
        event = failed(id, err=err, status=status) if status else e.Finished(1.0, "w", [ended(id, err=err)])
        screen.hear(event)
    return screen.err.getvalue().decode()


def test_each_line_of_a_setup_block_is_printed_once_before_what_its_task_prints() -> None:
    setup = "[setup] loading\n[setup] done\n"
    assert setup_screen(setup, f"{setup}own\n", f"{setup}[setup] new\n[setup", setup) == (
        f"{setup}own\n[setup] new\n[setup"
    )
    assert setup_screen(f"{setup}own\n[setup] loading\n", "[setup] lo", "x", setup) == (
        f"{setup}own\n[setup] loading\n[setup] lox"
    )


def test_all_lines_of_a_setup_block_are_printed_when_its_task_failed() -> None:
    assert setup_screen("[setup] a\n", "[setup] a\n", status=1).count("[setup] a\n") == 2


def test_without_a_setup_block_its_mark_is_text_like_any_other() -> None:
    assert setup_screen("[setup] a\n", "[setup] a\n", has_setup=False) == "[setup] a\n" * 2


def test_a_line_of_a_setup_block_that_arrives_in_pieces_is_known_too() -> None:
    screen = Screen()
    screen.printer.expect([Task("x", "x", (), Options(shell=Shell(("sh",), ("a",))))])
    for id in (0, 1):
        for piece in (b"[set", b"up] a\n[se", b"tup] b\nown", b" text\n"):
            screen.hear(e.Printed(0.5, id, 2, piece))
        screen.hear(e.Finished(1.0, "w", [ended(id)]))
    assert screen.err.getvalue() == b"[setup] a\n[setup] b\nown text\nown text\n"
