"""How a loop sleeps until there is something to do."""

from __future__ import annotations

import os
import resource

import pytest

from dwork.transport.waiting import clock, sleep

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
