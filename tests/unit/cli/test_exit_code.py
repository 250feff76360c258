"""The exit code of a run follows from what became of its tasks, and from whether it was stopped."""

from __future__ import annotations

import pytest

from dwork.cli.exit_code import verdict
from dwork.core.task import State

DONE, FAILED, SKIPPED, CANCELLED = State.DONE, State.FAILED, State.SKIPPED, State.CANCELLED


@pytest.mark.parametrize(
    ("counts", "goes_on", "stopped"),
    [
        ({DONE: 3}, 0, 0),
        ({}, 0, 0),
        ({DONE: 3, FAILED: 1}, 1, 1),
        ({DONE: 3, FAILED: 1, SKIPPED: 2}, 1, 1),
        ({SKIPPED: 1}, 1, 1),
        ({DONE: 3, CANCELLED: 1}, 1, 3),
        ({DONE: 3, State.WAITING: 1}, 1, 3),
        ({DONE: 3, State.READY: 1, FAILED: 1}, 1, 3),
        ({State.ASSIGNED: 1}, 1, 3),
    ],
)
def test_a_run_ends_with_a_code(counts: dict[State, int], goes_on: int, stopped: int) -> None:
    assert verdict(counts, is_stopped=False) == goes_on
    assert verdict(counts, is_stopped=True) == stopped
