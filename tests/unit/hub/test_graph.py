"""The graph: who waits for whom, who goes first, what happens to the rest when one ends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from dwork.core.errors import GraphError
from dwork.core.task import Options, State, Task
from dwork.hub.graph import Graph
from dwork.hub.invariants import check_graph
from dwork.hub.node import Node


def task(name: str, *after: str, command: str | None = "run", priority: int = 0) -> Task:
    return Task(name, command, after, Options(priority=priority) if priority else Options())


def join(name: str, *after: str) -> Task:
    return task(name, *after, command=None)


def snapshot(graph: Graph) -> Any:
    """All there is to see of a graph, by value."""
    return (
        [
            (
                node.task, node.id, node.state, node.waiting, node.attempt, node.failures, node.holder,
                [p.name for p in node.predecessors], [s.name for s in node.successors or ()],
                node.culprit.name if node.culprit else None,
            )
            for node in graph.nodes
        ],
        list(graph.names),
        dict(graph.counts),
        [node.name for node in graph._ready],
    )  # fmt: skip


def names(nodes: list[Node]) -> list[str]:
    return [node.name for node in nodes]


def state(graph: Graph, name: str) -> State:
    return graph.names[name].state


def take(graph: Graph, n: int = 1) -> list[str]:
    return names(graph.take(n, "w"))


def finish(graph: Graph, *of: str) -> None:
    graph.finish([graph.names[name] for name in of])


@pytest.fixture
def graph() -> Iterator[Graph]:
    graph = Graph()
    yield graph
    check_graph(graph)


def refuses(graph: Graph, tasks: list[Task]) -> str:
    """The reason for which the graph refuses to add these, having changed nothing."""
    before = snapshot(graph)
    with pytest.raises(GraphError) as caught:
        graph.add(tasks)
    assert snapshot(graph) == before
    return str(caught.value)


# -- adding -----------------------------------------------------------------------------------------------------------


def test_a_task_without_predecessors_is_ready(graph: Graph) -> None:
    assert names(graph.add([task("a")]).nodes) == ["a"]
    assert (graph.ready, graph.active, len(graph)) == (1, 1, 1)


def test_a_task_waits_for_its_predecessors(graph: Graph) -> None:
    graph.add([task("a"), task("b"), task("c", "a", "b")])
    assert take(graph, 9) == ["a", "b"]
    finish(graph, "a")
    assert state(graph, "c") is State.WAITING
    finish(graph, "b")
    assert take(graph) == ["c"]


def test_a_batch_may_refer_forward(graph: Graph) -> None:
    graph.add([task("c", "b"), task("b", "a"), task("a")])
    assert [node.id for node in graph.nodes] == [0, 1, 2]
    for name in "abc":
        assert take(graph, 9) == [name]
        finish(graph, name)


def test_a_predecessor_named_twice_counts_once(graph: Graph) -> None:
    graph.add([task("a"), task("b", "a", "a")])
    take(graph)
    finish(graph, "a")
    assert take(graph) == ["b"]


def test_a_done_predecessor_need_not_be_waited_for(graph: Graph) -> None:
    graph.add([task("a")])
    take(graph)
    finish(graph, "a")
    graph.add([task("b", "a")])
    assert state(graph, "b") is State.READY


def test_tasks_can_be_added_while_others_run(graph: Graph) -> None:
    graph.add([task("a")])
    take(graph)
    check_graph(graph)
    graph.add([task("c", "b"), task("b", "a")])
    check_graph(graph)
    finish(graph, "a")
    assert take(graph, 9) == ["b"]


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
    for other in (task("a", command="other"), task("a", priority=1), join("a"), task("a", "a")):
        assert "'a'" in refuses(graph, [task("b"), other])
    refuses(graph, [task("b"), task("b", command="other")])


def test_creating_a_task_again_changes_nothing(graph: Graph) -> None:
    graph.add([task("a"), task("b", "a")])
    take(graph)
    finish(graph, "a")
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


# -- order ------------------------------------------------------------------------------------------------------------


def test_new_tasks_go_out_in_the_order_in_which_they_came(graph: Graph) -> None:
    graph.add([task(name) for name in "abc"])
    graph.add([task("d")])
    assert take(graph, 3) == ["a", "b", "c"]
    assert take(graph, 3) == ["d"]


def test_what_a_completion_released_goes_first(graph: Graph) -> None:
    graph.add([task("a"), task("b"), task("a1", "a"), task("a2", "a"), task("a11", "a1")])
    assert take(graph) == ["a"]
    finish(graph, "a")
    assert take(graph) == ["a1"]
    finish(graph, "a1")
    assert take(graph, 9) == ["a11", "a2", "b"]


def test_priority_goes_above_everything_else(graph: Graph) -> None:
    graph.add([task("low", priority=-1), task("a"), task("high", priority=5), task("late", "a")])
    graph.add([task("higher", priority=9), task("a")])
    assert take(graph, 3) == ["higher", "high", "a"]
    finish(graph, "a")
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


# -- joins ------------------------------------------------------------------------------------------------------------


def test_a_join_is_done_with_its_last_predecessor_and_never_runs(graph: Graph) -> None:
    graph.add([task("a"), task("b"), join("all", "a", "b"), task("c", "all")])
    assert take(graph, 9) == ["a", "b"]
    finish(graph, "a", "b")
    assert state(graph, "all") is State.DONE
    assert take(graph, 9) == ["c"]
    assert sum(graph.counts.values()) == 3


def test_a_join_of_nothing_is_done_at_once_and_so_are_joins_behind_it(graph: Graph) -> None:
    graph.add([task("c", "second"), join("second", "first"), join("first")])
    assert state(graph, "second") is State.DONE
    assert take(graph) == ["c"]


def test_a_graph_of_joins_alone_has_nothing_active(graph: Graph) -> None:
    graph.add([join("a"), join("b", "a")])
    assert graph.active == 0
    graph.add([join("c", "b"), join("d", "c")])
    assert state(graph, "d") is State.DONE


# -- failing ----------------------------------------------------------------------------------------------------------


def test_successors_of_a_failed_task_are_skipped_with_the_culprit(graph: Graph) -> None:
    graph.add([task("a"), task("b", "a"), join("j", "b"), task("c", "j"), task("free"), task("d", "free", "c")])
    (a,) = graph.take(1, "w")
    skipped = graph.fail(a)
    assert sorted(names(skipped)) == ["b", "c", "d"]
    assert {node.culprit for node in skipped} == {a}
    assert state(graph, "j") is State.SKIPPED
    assert take(graph, 9) == ["free"]


def test_a_task_added_behind_a_failed_one_is_skipped_at_once(graph: Graph) -> None:
    graph.add([task("a"), task("b", "a")])
    (a,) = graph.take(1, "w")
    graph.fail(a)
    addition = graph.add([task("d", "c"), task("c", "b"), task("free")])
    assert sorted(names(addition.skipped)) == ["c", "d"]
    assert {node.culprit for node in addition.skipped} == {a}
    assert take(graph, 9) == ["free"]


def test_skipping_keeps_the_first_culprit(graph: Graph) -> None:
    graph.add([task("a"), task("b"), task("c", "a", "b")])
    a, b = graph.take(2, "w")
    assert names(graph.fail(b)) == ["c"]
    assert names(graph.fail(a)) == []
    assert graph.names["c"].culprit is b


def test_a_cancelled_task_is_passed_over_and_its_successors_are_skipped(graph: Graph) -> None:
    graph.add([task("a"), task("b"), task("c", "a")])
    assert names(graph.cancel(graph.names["a"])) == ["c"]
    assert graph.ready == 1
    assert take(graph, 9) == ["b"]
    with pytest.raises(GraphError, match="'a' is already cancelled"):
        graph.cancel(graph.names["a"])


# -- extending --------------------------------------------------------------------------------------------------------


def given_back(graph: Graph, *wanted: tuple[str, list[str]]) -> list[str]:
    """Extend as a hub does, and put back what can still run."""
    nodes = [graph.names[name] for name, _ in wanted]
    skipped = graph.extend([(graph.names[name], after) for name, after in wanted])
    graph.put_back([node for node in nodes if node.state is State.ASSIGNED])
    return names(skipped)


def test_an_extended_task_waits_for_the_new_predecessors_too(graph: Graph) -> None:
    graph.add([task("a"), task("b")])
    assert take(graph) == ["a"]
    graph.add([task("a1"), task("a2", "a1")])
    assert given_back(graph, ("a", ["a1", "a2", "b"])) == []
    check_graph(graph)
    assert state(graph, "a") is State.WAITING
    assert take(graph, 9) == ["b", "a1"]
    finish(graph, "b", "a1")
    assert take(graph) == ["a2"]
    finish(graph, "a2")
    assert take(graph) == ["a"]
    assert graph.names["a"].attempt == 2


def test_an_extension_by_what_is_done_leaves_the_task_ready(graph: Graph) -> None:
    graph.add([task("a"), task("b")])
    take(graph, 2)
    finish(graph, "b")
    given_back(graph, ("a", ["b", "b"]))
    assert take(graph) == ["a"]


def test_an_extension_by_what_has_failed_skips(graph: Graph) -> None:
    graph.add([task("a"), task("bad"), task("c", "a")])
    a, bad = graph.take(2, "w")
    graph.fail(bad)
    assert given_back(graph, ("a", ["bad"])) == ["a", "c"]
    assert a.culprit is bad


def test_a_task_that_an_earlier_wish_skipped_stays_skipped(graph: Graph) -> None:
    graph.add([task("bad"), task("other"), task("a"), task("b", "a")])
    (bad,) = graph.take(1, "w")
    graph.fail(bad)
    assert given_back(graph, ("a", ["bad"]), ("b", ["other"])) == ["a", "b"]
    assert state(graph, "b") is State.SKIPPED


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
    finish(graph, "old")
    before = snapshot(graph)
    with pytest.raises(GraphError, match=reason):
        graph.extend([(graph.names[name], after) for name, after in wanted])
    assert snapshot(graph) == before


def test_a_cycle_through_an_extension_is_shown_in_order(graph: Graph) -> None:
    graph.add([task("a"), task("b", "a"), task("c", "b")])
    take(graph)
    with pytest.raises(GraphError, match="a -> b -> c -> a"):
        graph.extend([(graph.names["a"], ["c"])])


# -- width and length -------------------------------------------------------------------------------------------------

MANY = 5_000  # five times what recursion could bear


def run_all(graph: Graph) -> int:
    ran = 0
    while nodes := graph.take(1024, "w"):
        graph.finish(nodes)
        ran += len(nodes)
    return ran


def test_a_chain_of_many_tasks_needs_no_recursion() -> None:
    graph = Graph()
    graph.add([task("0"), *(task(str(i), str(i - 1)) for i in range(1, MANY))])
    assert run_all(graph) == MANY
    assert graph.counts[State.DONE] == MANY


def test_a_chain_of_tasks_written_backward_is_skipped_without_recursion(graph: Graph) -> None:
    graph.add([*(task(str(i), str(i - 1)) for i in range(MANY, 0, -1)), task("0")])
    (first,) = graph.take(1, "w")
    assert len(graph.fail(first)) == MANY


def test_a_chain_of_joins_needs_no_recursion(graph: Graph) -> None:
    graph.add([task("0"), *(join(str(i), str(i - 1)) for i in range(1, MANY)), task("end", str(MANY - 1))])
    assert run_all(graph) == 2


def test_many_tasks_before_and_behind_a_join_cost_one_edge_each() -> None:
    graph = Graph()
    left = [task(f"l{i}") for i in range(MANY)]
    graph.add([*left, join("all", *(t.name for t in left)), *(task(f"r{i}", "all") for i in range(MANY))])
    assert sum(len(node.successors or ()) for node in graph.nodes) == 2 * MANY
    assert run_all(graph) == 2 * MANY
