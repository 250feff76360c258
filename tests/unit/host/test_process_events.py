"""What a worker's loop sleeps on and looks at: real signals, the real end of an input, the system's clock."""

from __future__ import annotations

import math
import os
import select
import signal
from collections.abc import Iterator

import pytest

from dwork.host.process_events import ProcessEvents
from dwork.transport.inproc import Inproc
from dwork.transport.waiting import SYSTEM


@pytest.fixture
def pipe() -> Iterator[list[int]]:
    """A pipe's two ends; the second may be closed by a test."""
    ends = list(os.pipe())
    yield ends
    for end in ends:
        os.close(end)


def is_readable(descriptors: object) -> bool:
    return bool(select.select(descriptors, (), (), 0)[0])  # type: ignore[call-overload]


@pytest.mark.parametrize("number", [signal.SIGCHLD, signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_wakes_a_sleep_and_is_taken_once(number: signal.Signals) -> None:
    with ProcessEvents() as outside:
        assert not is_readable(outside.descriptors)
        os.kill(os.getpid(), number)
        SYSTEM.sleep([], outside.descriptors, math.inf)
        assert outside.take() == {number} and outside.take() == set()
        assert not is_readable(outside.descriptors) and not outside.has_input_ended()


def test_the_end_of_the_input_wakes_a_sleep(pipe: list[int]) -> None:
    with ProcessEvents(pipe[0]) as outside:
        assert not outside.has_input_ended()
        os.close(pipe.pop())
        SYSTEM.sleep([], outside.descriptors, math.inf)
        assert outside.has_input_ended() and outside.take() == set()


def test_a_process_whose_parent_has_ended_is_an_orphan() -> None:
    with ProcessEvents() as outside:
        assert not outside.is_orphaned()
        outside._parent = -1
        assert outside.is_orphaned()


@pytest.mark.parametrize("is_last", [True, False])
def test_afterwards_signals_do_what_they_did_unless_nothing_is_left_to_do(is_last: bool) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with ProcessEvents(is_last=is_last):
        pass
    assert signal.getsignal(signal.SIGTERM) is (signal.SIG_IGN if is_last else signal.SIG_DFL)


def test_the_clock_sleeps_no_longer_than_until_a_time_a_frame_or_a_descriptor(pipe: list[int]) -> None:
    now = SYSTEM.now()
    SYSTEM.sleep([], pipe[:1], now)
    hub, worker = Inproc(), Inproc()
    worker.connect(hub, 1)
    worker.send("hub", b"x")
    SYSTEM.sleep([hub], pipe[:1], math.inf)
    os.write(pipe[1], b"x")
    SYSTEM.sleep([worker], pipe[:1], math.inf)
    SYSTEM.sleep([], pipe[:1], math.inf)
    assert SYSTEM.now() >= now
