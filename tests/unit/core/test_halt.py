"""When failures stop the pool."""

from __future__ import annotations

import pytest

from dwork.core.errors import UsageError
from dwork.core.halt import Halt


@pytest.mark.parametrize(
    ("text", "halt"),
    [
        ("never", None),
        ("soon,fail=1", Halt(False, 1)),
        ("now,fail=12", Halt(True, 12)),
        ("soon,fail=30%", Halt(False, 30, True)),
        ("now,fail=100%", Halt(True, 100, True)),
        ("now,fail=1000", Halt(True, 1000)),
    ],
)
def test_what_is_understood(text: str, halt: Halt | None) -> None:
    assert Halt.parse(text) == halt


@pytest.mark.parametrize(
    "text", ["", "soon", "now,fail", "soon,fail=0", "now,fail=0%", "soon,fail=101%", "later,fail=1", "now,fail=-1",
             "now,fail=1 ", "now,fail=1.5", "now,done=1", "never,fail=1"]
)  # fmt: skip
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError, match=r"soon,fail=3"):
        Halt.parse(text)


def test_a_number_of_failures_is_reached_whatever_the_total() -> None:
    halt = Halt(limit=3)
    assert [halt.reached(n, 1000) for n in (0, 2, 3, 4)] == [False, False, True, True]


def test_a_percentage_is_of_all_tasks() -> None:
    halt = Halt(limit=10, percent=True)
    assert [halt.reached(n, 30) for n in (1, 2, 3, 4)] == [False, False, True, True]
    assert not halt.reached(1, 11)
    assert halt.reached(1, 10)
