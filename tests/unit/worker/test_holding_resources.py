"""What a worker holds: which tasks have room beside each other, and what it learns from run times."""

from __future__ import annotations

import math

import pytest

from dwork.core.resources import Resources
from dwork.core.task import Assigned, Options
from dwork.worker.holding import Holding

GIB = 1 << 30


def holding(*asked: Resources, has: Resources | None, slots: int = 4) -> Holding:
    """With a task for each of these requests, in its queue."""
    held = Holding(slots, has, lookahead=0.1, most=512, stale=1.0)
    held.take([Assigned(id, 1, f"t{id}", "x", Options(*request)) for id, request in enumerate(asked)])
    return held


def started(held: Holding, now: float = 10.0) -> list[int]:
    ids = []
    while (assigned := held.next(now)) is not None:
        ids.append(assigned.id)
    return ids


@pytest.mark.parametrize(
    ("second", "fits"),
    [
        (Resources(4, GIB, 1), True),
        (Resources(5, GIB, 1), False),
        (Resources(4, 2 * GIB + 1, 1), False),
        (Resources(4, GIB, 2), False),
    ],
)
def test_a_task_starts_beside_another_only_if_cores_memory_and_gpus_suffice_for_both(
    second: Resources, fits: bool
) -> None:
    held = holding(Resources(4, 2 * GIB, 1), second, has=Resources(8, 4 * GIB, 2))
    assert started(held) == ([0, 1] if fits else [0])


def test_each_small_task_takes_a_core_from_a_large_one() -> None:
    small, has = Resources(), Resources(8)
    assert started(holding(small, small, Resources(4), Resources(2), has=has)) == [0, 1, 2, 3]
    assert started(holding(small, small, Resources(4), Resources(3), has=has)) == [0, 1, 2]


def test_a_small_task_waits_while_a_large_one_has_all_cores() -> None:
    held = holding(Resources(4), Resources(), has=Resources(4))
    assert started(held) == [0]
    held.ended(0)
    assert started(held) == [1]


def test_small_tasks_alone_need_slots_only() -> None:
    assert started(holding(*[Resources()] * 3, has=Resources(2))) == [0, 1, 2]


def test_a_task_alone_starts_whatever_it_asks_for() -> None:
    assert started(holding(Resources(9), Resources(9), has=Resources(2))) == [0]


def test_a_worker_that_does_not_know_its_resources_starts_a_task_per_slot() -> None:
    assert started(holding(*[Resources(9)] * 3, has=None, slots=2)) == [0, 1]


def test_it_notes_when_the_last_new_task_was_started() -> None:
    held = holding(Resources(), has=None)
    assert held.started == -math.inf
    started(held, 10.0)
    assert (held.started, held.stale_at) == (10.0, 11.0)


def test_the_mean_run_time_begins_with_the_first_and_moves_a_tenth_of_the_way_to_each_other() -> None:
    held = holding(has=None)
    held.learn(2.0)
    assert held.mean == 2.0
    held.learn(4.0)
    assert held.mean == pytest.approx(2.2)
    held.learn(1.0)
    assert held.mean == pytest.approx(2.08)


@pytest.mark.parametrize(
    ("mean", "in_hand", "wanted"),
    [
        (0.05, 0, 6),  # two that run, and for each slot two more within the lookahead of 0.1 s
        (0.05, 3, 3),
        (0.05, 4, 0),  # more than half of them
        (0.2, 2, 0),  # both slots are busy, and one more would do
        (9.0, 1, 1),
    ],
)
def test_it_asks_for_what_runs_within_the_lookahead_once_half_of_it_is_gone(
    mean: float, in_hand: int, wanted: int
) -> None:
    held = holding(*[Resources()] * in_hand, has=None, slots=2)
    held.take([])  # each time it may ask for twice as many
    held.take([])
    held.learn(mean)
    assert held.wanted(0.0) == wanted


def test_what_is_given_back_later_is_added_to_what_was() -> None:
    held = holding(*[Resources()] * 4, has=None, slots=1)
    assert started(held) == [0]
    held.give_back(1)
    assert held.cancel({0, 2}) == [0]
    held.give_back_all()
    assert [returned.task for returned in held.returns] == [3, 2, 1]


@pytest.mark.parametrize(("since_start", "wanted"), [(0.005, 8), (0.04, 2), (9.0, 0)])
def test_a_task_that_runs_longer_than_the_mean_counts_as_the_pace(since_start: float, wanted: int) -> None:
    held = holding(Resources(), has=None, slots=1)
    held.take([])
    held.take([])
    started(held, 10.0)
    held.learn(0.01)
    assert held.wanted(10.0 + since_start) == wanted
