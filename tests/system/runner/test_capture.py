"""The pipes of a worker."""

from __future__ import annotations

import errno
import os
import select

import pytest

from dwork.runner.capture import PAUSE, Capture


def test_a_pipe_that_a_child_still_has_a_copy_of_is_looked_at_no_more() -> None:
    """A child has copies of all that its worker has open for a moment after it was started."""
    capture = Capture(lambda *piece: None)
    other = capture.begin()
    ends = [os.dup(end) for end in other.ends]
    capture.started(other, 0.0)
    captured = capture.begin()
    copies = [os.dup(fd) for fd in captured.fds]
    capture.started(captured, 0.0)
    capture.look(1.0)
    assert set(capture._streams) == set(other.fds)
    capture.look(2.0)
    for fd in (*copies, *ends):
        os.close(fd)
    capture.close()


def test_a_new_pipe_is_waited_for_as_long_as_it_wakes_nobody() -> None:
    """The time may come between a look and the sleep after it: then there is another look, and no sleep without it."""
    capture = Capture(lambda *piece: None)
    captured = capture.begin()
    end = os.dup(captured.ends[0])
    capture.started(captured, 1.0)
    capture.look(1.0)
    assert capture.rests(1.0) and capture.rests(capture.rests_until)
    capture.look(capture.rests_until)
    assert not capture.rests(capture.rests_until)
    os.write(end, b"a word")
    assert select.select([capture.descriptor], (), (), 10.0)[0]
    os.close(end)
    capture.end(1, captured)
    capture.close()


def test_who_says_little_at_a_time_is_listened_to_now_and_then_and_who_says_much_at_once() -> None:
    capture = Capture(lambda *piece: None)
    captured = capture.begin()
    end = os.dup(captured.ends[0])
    capture.started(captured, 0.0)
    now, pauses = 1.0, []
    for _ in range(10):
        os.write(end, b"a word")
        capture.look(now)
        pauses.append(capture.rests_until - now)
        now = capture.rests_until
    assert pauses == sorted(pauses)
    assert (round(pauses[0], 6), round(pauses[-1], 6)) == PAUSE
    os.write(end, bytes(40_000))
    capture.look(now)
    assert capture.rests_until <= now
    os.close(end)
    capture.end(1, captured)
    captured.close()
    capture.close()


def test_what_is_left_behind_makes_room_for_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a process that may not have more files open."""
    capture = Capture(lambda *piece: None)
    captured = capture.begin()
    ends = [os.dup(end) for end in captured.ends]
    capture.started(captured, 0.0)
    capture.end(1, captured)
    assert len(capture._streams) == 2
    pipe2 = os.pipe2

    def refuse(flags: int) -> tuple[int, int]:
        if len(capture._streams) == 2:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return pipe2(flags)

    monkeypatch.setattr(os, "pipe2", refuse)
    capture.drop(capture.begin())
    assert len(capture._streams) == 1
    capture.close()
    for end in ends:
        os.close(end)
