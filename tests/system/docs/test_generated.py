"""Pages that are made of help texts and of the comments in a .proto."""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path

import click
import pytest

from tests.conftest import ROOT

PROTO = """
// A protocol.
//
// FRAMES. One is `one`.
//
//   type    reply
//   Ask     Answer, or
//           nothing
//   Tell    -

syntax = "proto2";

package dwork;

// What is said.
message Word {
  enum Kind {
    Loud = 0;  // heard
  }
  required string text = 1;  // up to *
  repeated Kind kind = 2 [packed = true];
}
"""


@pytest.fixture(autouse=True)
def extensions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "_ext"))
    for name in ("prose", "commands", "protocol"):
        monkeypatch.delitem(sys.modules, name, raising=False)


def test_marks_that_are_none_in_markdown_are_none() -> None:
    from prose import inline

    assert inline("say `a*b` to\n *all* of 'x*' and b_") == r"say `a*b` to *all* of 'x\*' and b\_"
    assert inline("- is standard input, tcp://HOST is a place") == r"\- is standard input, tcp\://HOST is a place"


def test_a_page_of_a_command_has_its_sections_in_the_order_of_manuals() -> None:
    from commands import page

    @click.command(short_help="")
    @click.argument("file")
    @click.option("-n", "--number", metavar="N", default=3, show_default=True, help="How many.")
    @click.option("--pin/--no-pin", default=None, help="Whether.")
    def command() -> None:
        """Do it. And more.

        \b
        Examples:
          do -n 3    thrice

        Then `rest`.
        """

    made = page(click.Context(command, info_name="do"))
    assert (made.stem, made.about) == ("do", "Do it")
    lines = made.text.splitlines()
    titles = [above for above, line in pairwise(lines) if line and set(line) == {"-"}]
    assert titles == ["Synopsis", "Description", "Options", "Examples", "See also"]
    assert "   do [OPTIONS] FILE" in lines and "   do -n 3    thrice" in lines and "Then `rest`." in lines
    assert [line for line in lines if line.startswith(".. option::")] == [
        ".. option:: -n, --number N",
        ".. option:: --pin, --no-pin",
        ".. option:: --help",
    ]


def test_a_protocol_becomes_prose_and_tables(tmp_path: Path) -> None:
    from protocol import page

    path = tmp_path / "word.proto"
    path.write_text(PROTO)
    text = page(path)
    assert "Frames\n------\n\nOne is `one`.\n" in text
    assert "   * - Ask\n     - Answer, or nothing\n   * - Tell\n     - \\-\n" in text
    assert "Word\n----\n\nWhat is said.\n" in text
    assert "   * - 1\n     - text\n     - required string\n     - up to \\*\n" in text
    assert "     - repeated Word.Kind, packed\n" in text
    assert "Word.Kind\n~~~~~~~~~" in text and "   * - 0\n     - Loud\n     - heard\n" in text


def test_a_protocol_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    from protocol import page

    (tmp_path / "word.proto").write_text("message")
    with pytest.raises(ValueError, match=r"word\.proto cannot be read"):
        page(tmp_path / "word.proto")
