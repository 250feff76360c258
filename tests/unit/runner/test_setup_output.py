"""What a setup block prints: its lines are marked, and the records of the shell are removed."""

from __future__ import annotations

import pytest

from dwork.runner.setup_output import SetupOutput
from dwork.runner.stream import TaskStream


def printed(*pieces: bytes) -> tuple[bytes, int | None]:
    """What is stored of the pieces in which the output arrives, and the position of the last command announced."""
    err = TaskStream()
    output = SetupOutput(err)
    for piece in pieces:
        output.add(piece, 0)
    output.end(0)
    return err.piece(1000), output.position


def test_records_are_removed_wherever_the_output_is_cut() -> None:
    text = b"\0dwork-setup 0\none\n\0dwork-setup 1\ntwo\0dwork-setup \n"
    for cut in range(len(text)):
        assert printed(text[:cut], text[cut:]) == (b"[setup] one\n[setup] two\n", None)


@pytest.mark.parametrize("end", [b"\0", b"a\0", b"\0dwork-setup", b"\0dwork-setup 1", b"\0some words", b"a\n\0b"])
def test_what_only_looks_like_the_beginning_of_a_record_is_kept(end: bytes) -> None:
    stored, position = printed(b"\0dwork-setup 3\n", end)
    assert stored.replace(b"[setup] ", b"") == end
    assert position == 3
