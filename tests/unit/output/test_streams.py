"""What dwork prints does not go on behind the last line of a task's output."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from dwork.output.streams import Streams


class Terminal(io.BytesIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_the_output_of_each_task_ends_its_line() -> None:
    out, err = Terminal(), io.BytesIO()
    streams = Streams(out, err)
    for number, data in (1, b"a"), (2, b"x"), (1, b"b"):
        streams.write(number, data)
    streams.end()
    streams.end()
    for data in b"c\n", b"":
        streams.write(1, data)
        streams.end()
    assert (out.getvalue(), err.getvalue()) == (b"ab\nc\n", b"x")


def test_elsewhere_only_what_comes_from_dwork_begins_a_line() -> None:
    out, err = io.BytesIO(), io.BytesIO()
    streams = Streams(out, err)
    streams.begin(2)
    for data in b"a", b"b":
        streams.write(1, data)
        streams.write(2, data)
        streams.end()
    streams.begin(2)
    streams.begin(2)
    assert (out.getvalue(), err.getvalue()) == (b"ab", b"ab\n"), "they are not seen together"
    streams.begin(1)
    assert out.getvalue() == b"ab\n"


@pytest.mark.parametrize("kind", ["one file", "two pipes", "two files"])
def test_output_on_stdout_counts_when_both_are_seen_together(kind: str, tmp_path: Path) -> None:
    if kind == "two pipes":
        (out_reader, out), (err_reader, err) = os.pipe(), os.pipe()
    else:
        names = ("a", "a") if kind == "one file" else ("a", "b")
        out, err = (os.open(tmp_path / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND) for name in names)
    with open(out, "wb", buffering=0) as stdout, open(err, "wb", buffering=0) as stderr:
        streams = Streams(stdout, stderr)
        streams.write(1, b"ab")
        streams.write(2, b"\n")
        streams.begin(2)
        streams.write(1, b"cd")
        streams.begin(2)
        streams.begin(2)
        stderr.write(b"2 done\n")
    if kind == "two pipes":
        assert (os.read(out_reader, 99), os.read(err_reader, 99)) == (b"abcd", b"\n\n2 done\n")
        os.close(out_reader)
        os.close(err_reader)
    elif kind == "one file":
        assert (tmp_path / "a").read_bytes() == b"ab\ncd\n2 done\n"
    else:
        assert ((tmp_path / "a").read_bytes(), (tmp_path / "b").read_bytes()) == (b"abcd", b"\n2 done\n")
