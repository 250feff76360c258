"""What people see of names."""

from __future__ import annotations

import signal

from hypothesis import given
from hypothesis import strategies as st

from dwork.core.text import WIDTH, shown, signal_name


def test_what_can_be_printed_stays_as_it_is() -> None:
    assert shown("echo 'ä' | wc -c  # 漢") == "echo 'ä' | wc -c  # 漢"
    assert shown("x" * WIDTH) == "x" * WIDTH


def test_control_characters_are_escaped() -> None:
    assert shown("a\tb\nc\x1b[31m\0") == r"a\tb\nc\x1b[31m\x00"
    assert shown("a\u202eb") == r"a\u202eb"


def test_bytes_that_are_no_text_are_shown_as_such() -> None:
    assert shown("a\udcff") == r"a\xff"
    assert shown("a\ud800") == r"a\ud800"


def test_signals_have_the_names_that_this_system_gives_them() -> None:
    numbers = [number for number in signal.Signals if number < signal.SIGRTMIN]
    assert [signal_name(number) for number in numbers] == [number.name for number in numbers]
    assert len(numbers) >= 30 and signal_name(34) == "signal 34" and signal_name(0) == "signal 0"


def test_long_text_is_cut_in_the_middle() -> None:
    text = "begin" + "x" * 200 + "end"
    short = shown(text, 40)
    assert len(short) == 40
    assert short.startswith("begin") and short.endswith("end") and "..." in short


@given(st.text(st.characters(), max_size=200), st.integers(20, 100))
def test_what_is_shown_is_one_printable_line(text: str, width: int) -> None:
    line = shown(text, width)
    assert line.isprintable()
    if text.isprintable():
        assert len(line) <= width
