"""Output that is kept until the hub has answered the results which it belongs to."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from dwork.core.task import Result
from dwork.runner.capture import PIECE, Capture, Captured
from dwork.runner.outgoing import MOST, Outgoing
from dwork.runner.stream import SHORT

Sunk = tuple[int, int, int, int, bytes]


@pytest.fixture
def sunk() -> list[Sunk]:
    return []


@pytest.fixture
def capture(sunk: list[Sunk]) -> Iterator[Capture]:
    capture = Capture(lambda *piece: sunk.append(piece))
    yield capture
    capture.close()


def printed(capture: Capture, text: bytes) -> Captured:
    """What an attempt has printed on standard error that has ended; 0 is its number as long as it runs."""
    captured = capture.begin()
    end = os.dup(captured.ends[1])
    capture.started(captured, 0.0)
    for at in range(0, len(text), SHORT):
        os.write(end, text[at : at + SHORT])
        capture.look(1.0 + at)
    os.close(end)
    capture.end(7, captured)
    return captured


def text_of(sunk: list[Sunk]) -> bytes:
    """All of it, each piece where the last one ended."""
    text = b""
    for _, _, stream, position, data in sunk:
        assert (stream, position) == (2, len(text))
        text += data
    return text


def test_it_is_sent_once_and_again_from_its_start_when_nobody_knows_what_arrived(
    capture: Capture, sunk: list[Sunk]
) -> None:
    text = os.urandom(PIECE + SHORT + 1)
    captured = printed(capture, text)
    result = Result(7, 3, sent=captured.sent)
    assert result.sent == (0, len(text)) and text_of(sunk) == text
    outgoing = Outgoing(capture)
    outgoing.keep(result, captured)
    sunk.clear()
    outgoing.send([result])
    assert not sunk
    outgoing.rewind()
    outgoing.send([Result(7, 2), Result(8, 3)])
    assert not sunk
    outgoing.send([result])
    assert text_of(sunk) == text and {attempt for _, attempt, *_ in sunk} == {3}


def test_the_middle_is_left_out_in_the_same_place(capture: Capture, sunk: list[Sunk]) -> None:
    capture.limit = 1000
    captured = printed(capture, os.urandom(5 * SHORT))
    first = text_of(sunk)
    assert captured.sent == (0, len(first)) and b"bytes omitted here" in first
    sunk.clear()
    captured.rewind()
    capture.pass_on(7, captured)
    assert text_of(sunk) == first


def test_what_was_passed_on_before_the_end_does_not_come_with_the_result(capture: Capture, sunk: list[Sunk]) -> None:
    captured = capture.begin()
    os.write(captured.ends[1], b"a word")
    capture.started(captured, 0.0)
    capture.look(1.0)
    capture.pass_on(7, captured)
    captured.rewind()
    assert capture.end(7, captured) == (b"", b"")
    assert [data for *_, data in sunk] == [b"a word", b"a word"]
    assert captured.sent == (0, 6)


def test_it_is_let_go_when_the_result_is_answered(capture: Capture) -> None:
    def files() -> int:
        return len(os.listdir("/proc/self/fd"))

    outgoing = Outgoing(capture)
    before = files()
    for id in range(MOST):
        assert not outgoing.is_full
        outgoing.keep(Result(id, 1), printed(capture, bytes(2 * SHORT)))
    assert outgoing.is_full
    outgoing.settle({(0, 1), (5, 2)})
    assert outgoing and files() == before + 1
    outgoing.settle(set())
    assert not outgoing and files() == before
