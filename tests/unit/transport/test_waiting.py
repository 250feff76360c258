"""How a loop sleeps until there is something to do, and notices that it stood still."""

from __future__ import annotations

import math
import os
import resource

import pytest

from dwork.core.messages import STANDSTILL
from dwork.transport.waiting import Standstill, clock, sleep

#: The first descriptor that select(2) cannot watch.
HIGH = 1024


def test_a_loop_wakes_for_a_descriptor_of_any_number() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard <= HIGH:
        pytest.skip("this process may have no more descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, HIGH + 1), hard))
    low, end = os.pipe()
    os.dup2(low, HIGH)
    try:
        sleep([], [HIGH], clock() + 0.001)
        os.write(end, b"x")
        begin = clock()
        sleep([], [HIGH], begin + 60.0)
        assert clock() - begin < 30.0
    finally:
        for fd in (HIGH, low, end):
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_loop_that_is_late_by_a_second_stood_still() -> None:
    standstill = Standstill(100.0)
    assert standstill.sleep(100.0, 160.0) == 160.0
    assert standstill.check(130.0) == 0.0, "something woke it"
    assert standstill.sleep(130.0, 160.0) == 160.0
    assert standstill.check(160.0 + STANDSTILL) == STANDSTILL
    assert standstill.sleep(200.0, 160.0) == 200.0
    assert standstill.check(200.0 + STANDSTILL / 2) == 0.0


def test_a_turn_of_a_second_was_a_standstill_and_each_counts_once() -> None:
    standstill = Standstill(100.0)
    standstill.sleep(100.0, 110.0)
    assert standstill.check(110.0) == 0.0
    assert standstill.check(150.0) == 40.0
    assert standstill.check(150.0) == 0.0


def test_a_standstill_is_noticed_within_a_sleep_that_is_split() -> None:
    standstill = Standstill(100.0)
    assert standstill.sleep(100.0, math.inf, 1.0) == 101.0
    assert standstill.check(160.0) == 59.0
