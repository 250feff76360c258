"""Which task is to blame for a skipped one, after something was retried; and which tasks have no culprit."""

from __future__ import annotations

from dwork.core.task import State, Task
from dwork.hub.graph import Graph
from tests.stage import task


def graph_of(*tasks: Task) -> Graph:
    graph = Graph()
    graph.add(tasks)
    return graph


def test_a_cancelled_task_behind_a_skipped_one_gets_no_culprit_when_that_gets_another() -> None:
    graph = graph_of(Task("a", "a"), Task("b", "b"), task("c", "a", "b"), task("d", "c"))
    a, b, c, d = graph.names.values()
    graph.take(2, "w")
    graph.cancel(d)
    graph.fail(a)
    graph.fail(b)
    assert graph.revive([a]) == [a, c]
    assert (c.culprit, d.culprit, d.state) == (b, None, State.CANCELLED)


def test_a_number_is_found_by_name() -> None:
    graph = graph_of(Task("a", "a"), Task("b", "b"))
    assert [graph.number(name) for name in ("a", "b", "c")] == [0, 1, None]
