"""What people see of names."""

from __future__ import annotations

import re
import signal
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

import dwork
from dwork.core.text import (
    WIDTH,
    as_name,
    from_system,
    output_lines,
    printable,
    shown,
    signal_name,
    to_system,
    user_bytes,
    user_text,
)


def test_of_what_was_drawn_over_only_the_last_state_is_left() -> None:
    assert output_lines("") == []
    assert output_lines("a\n\n b\n") == ["a", "", " b"]
    assert output_lines(" 1%\r 2%\r 3%\r\nend\r\n\r") == [" 3%", "end", ""]
    assert output_lines("50%\r   \r\x1b[?25h\n\x1b[31mred\x1b[0m") == ["50%", "\x1b[31mred\x1b[0m"]


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


@given(st.text(st.characters(), max_size=50))
def test_what_is_printable_already_stays_as_it_is(text: str) -> None:
    assert printable(printable(text)) == printable(text)


@given(st.binary(max_size=50))
def test_what_the_user_wrote_comes_back_byte_for_byte(data: bytes) -> None:
    text = user_text(data)
    assert user_bytes(text) == data
    assert from_system(to_system(text)) == text
    assert as_name(text) == data.decode(errors="backslashreplace")


def test_only_one_file_decides_how_text_of_users_is_coded() -> None:
    """Ruff refuses os.fsencode and os.fsdecode elsewhere; this finds those that are spelled out."""
    package = Path(dwork.__file__).parent
    spelled = re.compile(r"surrogateescape|fs(en|de)code|surrogatepass")
    found = {str(path.relative_to(package)) for path in package.rglob("*.py") if spelled.search(path.read_text())}
    assert found == {"core/text.py"}
