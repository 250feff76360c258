"""Results that the end of the job may have caused wait a moment before they count."""

from __future__ import annotations

import math

import pytest

from dwork.core.cause import Cause
from dwork.core.task import Assigned, Result
from dwork.worker.suspects import SUSPICION, Suspects


def ended(id: int, **how: object) -> tuple[Assigned, Result]:
    return Assigned(id, 1, f"t{id}", "x"), Result(id, 1, **how)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("how", "waits"),
    [
        ({"exit_status": 143, "signal": 15}, True),
        ({"exit_status": 143}, True),  # its shell waited for what got the signal
        ({"exit_status": 143, "signal": 15, "cause": Cause.TIMEOUT}, False),
        ({"exit_status": 137, "signal": 9}, False),
        ({"exit_status": 1}, False),
        ({}, False),
    ],
)
def test_what_a_batch_system_may_have_killed_waits(how: dict[str, object], waits: bool) -> None:
    suspects, one = Suspects(), ended(1, **how)
    assert suspects.sift([one], 5.0) == ([] if waits else [one])
    assert suspects.deadline == (5.0 + SUSPICION if waits else math.inf)


def test_each_waits_for_a_second_and_then_counts() -> None:
    suspects, one, two, three = Suspects(), ended(1, signal=15), ended(2, signal=15), ended(3)
    assert suspects.sift([one], 5.0) == []
    assert suspects.sift([two, three], 5.5) == [three]
    assert suspects.sift([], 5.9) == []
    assert suspects.sift([], 6.0) == [one] and suspects.deadline == 6.5
    assert suspects.sift([], 6.5) == [two]
