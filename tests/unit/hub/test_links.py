"""Which tasks come before which: names of predecessors, circles, definitions."""

from __future__ import annotations

import pytest

from dwork.core.errors import GraphError
from dwork.core.task import State, Task
from dwork.hub.graph import Graph
from dwork.hub.invariants import check_graph
from tests.stage import task
from tests.unit.hub.graphs import end, join, names, refuses, snapshot, state, take


def test_a_batch_may_refer_forward(graph: Graph) -> None:
    graph.add([task("c", "b"), task("b", "a"), task("a")])
    assert [node.id for node in graph.nodes] == [0, 1, 2]
    for name in "abc":
        assert take(graph, 9) == [name]
        end(graph, name)


def test_a_predecessor_named_twice_counts_once(graph: Graph) -> None:
    graph.add([task("a"), task("b", "a", "a")])
    take(graph)
    end(graph, "a")
    assert take(graph) == ["b"]


def test_an_unknown_predecessor_is_refused_by_name(graph: Graph) -> None:
    graph.add([task("a")])
    assert "'nosuch'" in refuses(graph, [task("b"), task("c", "a", "nosuch")])


def test_an_unknown_predecessor_may_count_as_done() -> None:
    graph = Graph(unknown_is_done=True)
    graph.add([task("b", "nosuch")])
    assert take(graph) == ["b"]
    graph.extend([(graph.names["b"], ["neither"])])
    assert state(graph, "b") is State.ASSIGNED
    check_graph(graph)


def test_another_definition_under_the_same_name_is_refused(graph: Graph) -> None:
    graph.add([task("a")])
    for other in (Task("a", "other"), task("a", priority=1), join("a"), task("a", "a")):
        assert "'a'" in refuses(graph, [task("b"), other])
    refuses(graph, [task("b"), Task("b", "other")])


def test_creating_a_task_again_changes_nothing(graph: Graph) -> None:
    graph.add([task("a"), task("b", "a")])
    take(graph)
    end(graph, "a")
    before = snapshot(graph)
    addition = graph.add([task("b", "a"), task("a")._replace(origin="elsewhere"), task("a")])
    assert addition == ([], [])
    assert snapshot(graph) == before


def test_the_same_task_twice_in_a_batch_is_one(graph: Graph) -> None:
    assert names(graph.add([task("a"), task("a"), task("b")]).nodes) == ["a", "b"]


@pytest.mark.parametrize(
    ("tasks", "cycle"),
    [
        ([task("a", "a")], "a -> a"),
        ([task("x"), task("a", "b", "x"), task("b", "c"), task("c", "a"), task("d", "a")], "a -> c -> b -> a"),
        ([join("a", "b"), task("b", "a")], "a -> b -> a"),
    ],
)
def test_a_cycle_is_refused_and_shown_whole(graph: Graph, tasks: list[Task], cycle: str) -> None:
    round_ = refuses(graph, tasks).split(": ")[1].split(" -> ")
    assert round_[0] == round_[-1]
    ways = cycle.split(" -> ")
    n = len(ways) - 1
    turns = [[*(ways[:n] * 2)[i : i + n], ways[i]] for i in range(n)]
    assert round_ in turns


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        ([("a", ["a"])], "a -> a"),
        ([("a", ["c"])], "b"),
        ([("a", ["x"]), ("x", ["c"])], "wait for one another"),
        ([("x", ["a"]), ("a", ["x"])], "wait for one another"),
        ([("x", []), ("a", ["nosuch"])], "'nosuch', which does not exist"),
        ([("x", ["a"]), ("old", ["a"])], "'old' is already done"),
    ],
)
def test_an_illegal_extension_changes_nothing(graph: Graph, wanted: list[tuple[str, list[str]]], reason: str) -> None:
    graph.add([task("old"), task("a"), task("x"), task("b", "a"), task("c", "b")])
    take(graph, 3)
    end(graph, "old")
    before = snapshot(graph)
    with pytest.raises(GraphError, match=reason):
        graph.extend([(graph.names[name], after) for name, after in wanted])
    assert snapshot(graph) == before


def test_a_cycle_through_an_extension_is_shown_in_order(graph: Graph) -> None:
    graph.add([task("a"), task("b", "a"), task("c", "b")])
    take(graph)
    with pytest.raises(GraphError, match="a -> b -> c -> a"):
        graph.extend([(graph.names["a"], ["c"])])
