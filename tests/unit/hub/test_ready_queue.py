"""The order in which ready tasks are handed out."""

from __future__ import annotations

import pytest

from dwork.core.task import Task
from dwork.hub.graph import Graph, Restored
from dwork.hub.ready_queue import STALE
from tests.stage import task
from tests.unit.hub.graphs import end, graph_of, held, order, take


def test_new_tasks_go_out_in_the_order_in_which_they_came(graph: Graph) -> None:
    graph.add([task(name) for name in "abc"])
    graph.add([task("d")])
    assert take(graph, 3) == ["a", "b", "c"]
    assert take(graph, 3) == ["d"]


def test_what_a_completion_released_goes_first(graph: Graph) -> None:
    graph.add([task("a"), task("b"), task("a1", "a"), task("a2", "a"), task("a11", "a1")])
    assert take(graph) == ["a"]
    end(graph, "a")
    assert take(graph) == ["a1"]
    end(graph, "a1")
    assert take(graph, 9) == ["a11", "a2", "b"]


def test_priority_goes_above_everything_else(graph: Graph) -> None:
    graph.add([task("low", priority=-1), task("a"), task("high", priority=5), task("late", "a")])
    graph.add([task("higher", priority=9), task("a")])
    assert take(graph, 3) == ["higher", "high", "a"]
    end(graph, "a")
    assert take(graph, 9) == ["late", "low"]


def test_what_was_given_back_goes_first_and_a_retry_behind(graph: Graph) -> None:
    graph.add([task(name) for name in "abcd"])
    a, b, c = graph.take(3, "w")
    graph.put_back([a, b])
    graph.put_back([c], first=False)
    assert take(graph, 9) == ["a", "b", "d", "c"]
    assert (a.attempt, c.attempt) == (2, 2)


def test_taking_none_or_fewer_takes_none(graph: Graph) -> None:
    graph.add([task("a")])
    assert take(graph, 0) == take(graph, -3) == []
    assert graph.ready == 1


def test_a_restored_task_that_was_lost_goes_last() -> None:
    graph = Graph()
    graph.restore([Restored(0, Task("lost", "x"), losses=1, last=1), Restored(1, Task("other", "x"))])
    assert order(graph) == ["other", "lost"]


def test_a_demoted_task_goes_last_until_it_is_promoted() -> None:
    graph = graph_of(task("a", priority=1), "b")
    (node,) = held(graph, 1)
    graph.demote(node, 1)
    graph.put_back([node])
    assert order(graph) == ["b", "a"]
    graph.promote([node])
    held(graph)
    graph.put_back([node])
    graph.put_back([graph.names["b"]])
    assert order(graph) == ["a", "b"]


def test_a_released_task_goes_behind_the_others() -> None:
    graph = graph_of("a", "b")
    nodes = held(graph, 1)
    graph.suspend(nodes)
    graph.release(nodes)
    assert order(graph) == ["b", "a"]


@pytest.mark.parametrize("options", [{}, {"cores": 2}, {"priority": 3}])
def test_tasks_that_are_held_and_released_all_the_time_leave_few_entries_behind(graph: Graph, options: dict) -> None:
    graph.add([task(f"t{i}", **options) for i in range(9)])
    nodes = list(graph.names.values())
    for _ in range(STALE):
        graph.suspend(nodes[2:5])
        graph.release(nodes[2:5])
    assert len(list(graph._ready._entries())) <= STALE + 2 * len(nodes)
    assert sorted(order(graph)) == sorted(take(graph, 99)) == sorted(graph.names)
