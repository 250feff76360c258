"""The graph: who waits for whom, and what happens to the rest when one ends."""

from __future__ import annotations

import pytest

from dwork.core.errors import GraphError
from dwork.core.task import State, Task
from dwork.hub.graph import Graph, Restored
from dwork.hub.invariants import check_graph
from tests.stage import task
from tests.unit.hub.graphs import end, graph_of, held, join, names, state, take

# -- adding -----------------------------------------------------------------------------------------------------------


def test_a_task_without_predecessors_is_ready(graph: Graph) -> None:
    assert names(graph.add([task("a")]).nodes) == ["a"]
    assert (graph.ready, graph.active, len(graph)) == (1, 1, 1)


def test_a_task_waits_for_its_predecessors(graph: Graph) -> None:
    graph.add([task("a"), task("b"), task("c", "a", "b")])
    assert take(graph, 9) == ["a", "b"]
    end(graph, "a")
    assert state(graph, "c") is State.WAITING
    end(graph, "b")
    assert take(graph) == ["c"]


def test_a_done_predecessor_need_not_be_waited_for(graph: Graph) -> None:
    graph.add([task("a")])
    take(graph)
    end(graph, "a")
    graph.add([task("b", "a")])
    assert state(graph, "b") is State.READY


def test_tasks_can_be_added_while_others_run(graph: Graph) -> None:
    graph.add([task("a")])
    take(graph)
    check_graph(graph)
    graph.add([task("c", "b"), task("b", "a")])
    check_graph(graph)
    end(graph, "a")
    assert take(graph, 9) == ["b"]


# -- joins ------------------------------------------------------------------------------------------------------------


def test_a_join_is_done_with_its_last_predecessor_and_never_runs(graph: Graph) -> None:
    graph.add([task("a"), task("b"), join("all", "a", "b"), task("c", "all")])
    assert take(graph, 9) == ["a", "b"]
    end(graph, "a", "b")
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
    end(graph, "b", "a1")
    assert take(graph) == ["a2"]
    end(graph, "a2")
    assert take(graph) == ["a"]
    assert graph.names["a"].attempt == 2


def test_an_extension_by_what_is_done_leaves_the_task_ready(graph: Graph) -> None:
    graph.add([task("a"), task("b")])
    take(graph, 2)
    end(graph, "b")
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


# -- attempts, failures and holders -----------------------------------------------------------------------------------


def test_ids_below_the_next_one_are_not_used_again() -> None:
    graph = Graph()
    graph.restore([Restored(0, Task("a", "a"))], next_id=7)
    assert graph.add([Task("b", "b")]).nodes[0].id == 7


def test_a_task_that_is_taken_has_one_attempt_more() -> None:
    (node,) = held(graph_of("a"))
    assert (node.attempt, node.holder) == (1, "w")


def test_an_attempt_that_is_adopted_stays_the_same() -> None:
    graph = graph_of("a")
    (node,) = held(graph)
    graph.put_back([node])
    graph.adopt(node, "v")
    assert (node.state, node.attempt, node.holder) == (State.ASSIGNED, 1, "v")


def test_only_an_active_task_can_be_cancelled() -> None:
    graph = graph_of("a")
    graph.finish(held(graph))
    with pytest.raises(GraphError):
        graph.cancel(graph.names["a"])


def test_a_task_that_is_put_back_has_no_holder() -> None:
    graph = graph_of("a")
    graph.put_back(held(graph))
    assert graph.names["a"].holder is None


def test_an_attempt_that_did_not_start_does_not_count() -> None:
    graph = graph_of("a")
    graph.untake(held(graph))
    assert graph.names["a"].attempt == 0


def test_an_attempt_that_was_set_aside_does_not_count() -> None:
    graph = graph_of("a")
    graph.set_aside(held(graph))
    assert (graph.names["a"].attempt, graph.ready) == (0, 0)


def test_a_failure_counts_once() -> None:
    graph = graph_of("a")
    (node,) = held(graph)
    assert [graph.count_failure(node), graph.count_failure(node)] == [1, 2]


def test_a_suspended_task_leaves_its_holder() -> None:
    graph = graph_of("a")
    (node,) = held(graph)
    graph.suspend([node])
    assert (node.state, node.holder) == (State.WAITING, None)


def test_a_task_that_is_suspended_twice_is_released_twice() -> None:
    graph = graph_of("a")
    nodes = list(graph.upcoming(1))
    graph.suspend(nodes)
    graph.suspend(nodes)
    graph.release(nodes)
    assert not graph.ready
    graph.release(nodes)
    assert graph.ready == 1


def test_a_revived_task_has_no_failures() -> None:
    graph = graph_of("a")
    (node,) = held(graph)
    graph.count_failure(node)
    graph.fail(node)
    assert graph.revive([node]) == [node]
    assert (node.failures, node.state) == (0, State.READY)


def test_a_skipped_task_whose_culprit_is_revived_gets_another_culprit() -> None:
    graph = graph_of("a", "b", task("c", "a", "b"))
    a, b = held(graph)
    graph.fail(a)
    graph.fail(b)
    graph.revive([a])
    assert graph.names["c"].culprit is b


def test_a_revoked_task_has_no_holder() -> None:
    graph = graph_of("a")
    nodes = held(graph)
    graph.finish(nodes)
    graph.revoke(nodes)
    assert (nodes[0].state, nodes[0].holder) == (State.READY, None)


def test_a_held_task_that_must_wait_for_another_leaves_its_holder() -> None:
    graph = graph_of("a", "b")
    a, _ = held(graph)
    graph.extend([(a, ("b",))])
    assert (a.state, a.holder) == (State.WAITING, None)
