"""The table of workers: what each holds and has room for, whose Steal waits, and what dispatch is to notice."""

from __future__ import annotations

import pytest

from dwork.core.resources import Resources
from dwork.hub.workers import WorkerTable
from tests.stage import task
from tests.unit.hub.graphs import graph_of, held


@pytest.fixture
def table() -> WorkerTable:
    """w at p has one slot, two tasks and a Steal that waits; nothing is noted."""
    table = WorkerTable()
    worker = table.add("w")
    table.meet(worker, "p", 1, None)
    table.give(worker, held(graph_of("a", "b")))
    table.park(worker, 1, 1)
    table.touched.clear()
    table.reshaped.clear()
    return table


def test_the_slots_of_a_worker_that_comes_again_count_once(table: WorkerTable) -> None:
    table.meet(table["w"], "p2", 3, None)
    assert table.slots == 3
    table.check()


def test_the_slots_of_a_worker_that_is_gone_count_no_more(table: WorkerTable) -> None:
    table.take(table["w"], [0, 1])
    table.remove(table["w"])
    assert (table.slots, table.parked) == (0, {})


def test_a_worker_that_joins_or_leaves_makes_dispatch_reconsider_its_reservations(table: WorkerTable) -> None:
    worker = table["w"]
    table.meet(worker, "p", 2, None)
    assert table.reshaped == [worker]
    table.reshaped.clear()
    table.take(worker, [0, 1])
    table.remove(worker)
    assert table.reshaped == [worker]


def test_a_worker_that_has_room_again_is_noticed_by_dispatch(table: WorkerTable) -> None:
    table.take(table["w"], [0])
    assert table.touched == {"p"}


def test_a_steal_that_waits_is_noticed_by_dispatch(table: WorkerTable) -> None:
    table.park(table["w"], 1, 2)
    assert table.touched == {"p"}


def test_a_worker_that_holds_more_than_it_can_run_is_loaded_until_it_does_not(table: WorkerTable) -> None:
    assert list(table.loaded) == ["w"]
    table.take(table["w"], [0])
    assert not table.loaded


def test_a_task_of_several_cores_takes_their_room(table: WorkerTable) -> None:
    worker = table.add("v")
    table.meet(worker, "q", 4, Resources(4))
    table.give(worker, held(graph_of(task("wide", cores=3))))
    assert worker.free == 1
    table.check()


def test_a_worker_that_has_given_something_up_can_be_asked_for_more(table: WorkerTable) -> None:
    table["w"].recalled = True
    table.take(table["w"], [0])
    assert not table["w"].recalled


def test_a_worker_gives_up_only_what_it_holds(table: WorkerTable) -> None:
    node = table["w"].held[1]
    assert table.take(table["w"], [7, 1]) == [None, node]
    assert list(table["w"].held) == [0]


def test_a_steal_that_is_withdrawn_and_put_back_waits_behind_the_others(table: WorkerTable) -> None:
    other = table.add("v")
    table.meet(other, "q", 1, None)
    table.park(other, 1, 1)
    parked = table.withdraw("p")
    assert parked is not None and list(table.parked) == ["q"]
    table.put_back(parked)
    assert list(table.parked) == ["q", "p"]


def test_a_worker_drops_only_its_own_steal(table: WorkerTable) -> None:
    other = table.add("v")
    table.meet(other, "p", 1, None)
    table.unpark(other)
    assert list(table.parked) == ["p"]
    table.unpark(table["w"])
    assert not table.parked
