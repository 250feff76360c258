"""Tasks that wait only for the end of others, well or not."""

from __future__ import annotations

import pytest

from dwork.core import events as e
from dwork.core import messages as m
from dwork.core.cause import Cause
from dwork.core.errors import GraphError
from dwork.core.halt import Halt
from dwork.core.messages import Returned, Verb
from dwork.core.task import Result, State, Task
from dwork.hub.graph import Graph, Restored
from dwork.hub.invariants import check_graph
from dwork.hub.policy import Policy
from tests.stage import Stage, complete, finish, steal, task, told


def ends(name: str, *after_any: str, after: tuple[str, ...] = (), join: bool = False) -> Task:
    """A task that waits for the end of others."""
    return Task(name, None if join else name, after, after_any=after_any)


def ran(stage: Stage, **status: int) -> None:
    """These are handed out next, and end with a status."""
    assert told(stage.ask("vm", m.Steal("vm", len(status)))) == [*status]
    results = tuple(Result(name, 0, code) for name, code in status.items())
    assert stage.ask("vm", m.Complete("vm", results)) == m.OK()


def refused(stage: Stage, *tasks: Task) -> str:
    reply = stage.ask("client", m.Create(tasks))
    assert isinstance(reply, m.Error)
    return reply.text


# -- when it runs -----------------------------------------------------------------------------------------------------


def test_a_task_runs_when_another_is_done_failed_skipped_or_cancelled(stage: Stage) -> None:
    stage.create("good", "bad", task("skipped", "bad"), "cancelled")
    stage.create(*(ends(f"after {name}", name) for name in ("good", "bad", "skipped", "cancelled")))
    assert stage.states("after good", "after bad", "after skipped", "after cancelled") == "waiting " * 3 + "waiting"
    ran(stage, good=0, bad=1)
    assert stage.states("after good", "after bad", "after skipped", "after cancelled") == "ready ready ready waiting"
    stage.order(Verb.CANCEL, "cancelled")
    assert stage.state("after cancelled") is State.READY
    finish(stage)


def test_it_waits_for_the_end_of_all(stage: Stage) -> None:
    stage.create("a", "b", task("c", "b"), ends("report", "a", "b", "c"))
    ran(stage, a=1)
    assert stage.state("report") is State.WAITING
    ran(stage, b=1)
    assert stage.states() == "failed failed skipped ready"
    ran(stage, report=0)
    assert stage.hub.over
    finish(stage)


def test_a_failed_task_that_will_be_retried_has_not_ended() -> None:
    stage = Stage(Policy(retries=1, delay=5.0))
    stage.create("a", ends("report", "a"))
    ran(stage, a=1)
    assert stage.states() == "waiting waiting"
    stage.wait(5.0)
    ran(stage, a=1)
    assert stage.states() == "failed ready"
    finish(stage)


def test_it_is_skipped_when_one_that_must_be_done_is_lost_and_then_has_ended_itself(stage: Stage) -> None:
    stage.create("a", "b", ends("c", "b", after=("a",)), ends("d", "c"))
    ran(stage, a=1)
    assert stage.states() == "failed ready skipped ready"
    culprit = stage.hub.graph.names["c"].culprit
    assert culprit is not None and culprit.name == "a"
    finish(stage)


def test_one_that_must_be_done_and_one_that_must_have_ended_are_both_awaited(stage: Stage) -> None:
    stage.create("a", "b", ends("c", "b", after=("a",)))
    ran(stage, a=0)
    assert stage.state("c") is State.WAITING
    ran(stage, b=1)
    assert stage.state("c") is State.READY
    finish(stage)


def test_it_may_be_added_when_the_others_have_ended(stage: Stage) -> None:
    stage.create("a", task("b", "a"))
    ran(stage, a=1)
    stage.create(ends("c", "a", "b"))
    assert stage.states() == "failed skipped ready"
    finish(stage)


def test_tasks_created_together_in_any_order_know_of_a_loss_before_them(stage: Stage) -> None:
    stage.create("bad")
    ran(stage, bad=1)
    stage.create(ends("report", "join"), ends("join", "lost", join=True), task("lost", "bad"))
    assert stage.states("lost", "join", "report") == "skipped done ready"
    finish(stage)


def test_a_join_of_ends_is_done_whatever_became_of_the_tasks(stage: Stage) -> None:
    stage.create("a", "b", ends("join", "a", "b", join=True), ends("join 2", "join", join=True), task("c", "join 2"))
    ran(stage, a=1, b=0)
    assert stage.states("join", "join 2", "c") == "done done ready"
    finish(stage)


def test_all_tasks_may_be_cancelled_at_once_in_any_order(stage: Stage) -> None:
    stage.create("a", ends("b", "a"), ends("join", "b", join=True), task("c", "join"))
    assert stage.order(Verb.CANCEL, "*") == m.OK(n=3)
    assert stage.states("a", "b", "c") == "cancelled cancelled cancelled"
    finish(stage)


def test_a_thousand_joins_in_a_row_are_no_recursion(stage: Stage) -> None:
    stage.create("t0", *(ends(f"t{i}", f"t{i - 1}", join=True) for i in range(1, 5000)), task("last", "t4999"))
    ran(stage, t0=1)
    assert stage.state("last") is State.READY
    finish(stage)


# -- stops ------------------------------------------------------------------------------------------------------------


def test_after_a_halt_it_does_not_start() -> None:
    stage = Stage(Policy(halt=Halt(False, 1)))
    stage.create("a", ends("report", "a"))
    ran(stage, a=1)
    assert stage.states() == "failed ready"
    assert stage.ask("vm", m.Steal("vm")) == m.Exit()
    finish(stage)


def test_after_a_drain_it_does_not_start(stage: Stage) -> None:
    stage.create("a", ends("report", "a"))
    stage.ask("vm", m.Steal("vm"))
    stage.ask("boss", m.Drain())
    stage.ask("vm", m.Complete("vm", (Result("a", 0, 1),)))
    assert stage.ask("vm", m.Steal("vm")) == m.Exit()
    finish(stage)


# -- what cannot be ---------------------------------------------------------------------------------------------------


def test_a_name_in_both_lists_is_refused(stage: Stage) -> None:
    stage.create("a")
    text = refused(stage, ends("b", "a", after=("a",)))
    assert text == "task 'b' has 'a' both in after and in after_any; remove it from one"
    assert refused(stage, ends("b", "c")).startswith("task 'b' depends on 'c', which does not exist")
    assert "b" not in stage.hub.graph.names
    finish(stage)


def test_a_cycle_over_both_kinds_is_refused(stage: Stage) -> None:
    assert "b -> a -> b" in refused(stage, ends("a", "b"), task("b", "a"))
    assert "a -> a" in refused(stage, ends("a", "a"))
    finish(stage)


def test_a_task_that_is_given_back_cannot_wait_for_what_closes_a_cycle_or_for_what_must_have_ended(
    stage: Stage,
) -> None:
    stage.create("a", "old", ends("b", "a"), ends("c", "old"))
    stage.ask("vm", m.Steal("vm", 2))
    assert isinstance(stage.ask("vm", m.GiveBack("vm", (Returned("a", ("b",)),))), m.Error)
    stage.ask("vm", m.Complete("vm", (Result("old", 0, 1),)))
    assert told(stage.ask("vm", m.Steal("vm"))) == ["c"]
    reply = stage.ask("vm", m.GiveBack("vm", (Returned("c", ("old",)),)))
    assert isinstance(reply, m.Error) and "task 'c' already waits for the end of 'old'" in reply.text
    finish(stage)


def test_another_definition_of_a_task_is_one_that_waits_for_other_ends(stage: Stage) -> None:
    stage.create("a", ends("b", "a"))
    stage.create(ends("b", "a"))
    assert "already exists with another definition" in refused(stage, task("b"))
    finish(stage)


# -- retries by hand --------------------------------------------------------------------------------------------------


def test_what_has_run_since_an_end_runs_again_when_that_task_is_retried(stage: Stage) -> None:
    stage.create("a", task("b", "a"), ends("report", "b"), task("mail", "report"), ends("own", "a"))
    ran(stage, a=1)
    ran(stage, own=1, report=0)
    ran(stage, mail=0)
    stage.heard()
    assert stage.order(Verb.RETRY, "a") == m.OK(n=1)
    revoked, revived = stage.heard()
    assert isinstance(revoked, e.Revoked) and [name for _, name in revoked.tasks] == ["report", "mail"]
    assert (revoked.was, revoked.reason) == (State.DONE, "a task before it is retried")
    assert revived == e.Revived(100.0, [(0, "a"), (1, "b")])
    assert stage.states() == "ready waiting waiting waiting failed"
    ran(stage, a=0)
    ran(stage, b=0)
    ran(stage, report=0)
    ran(stage, mail=0)
    assert stage.hub.over
    finish(stage)


def test_what_runs_since_an_end_is_ended_when_that_task_is_retried(stage: Stage) -> None:
    stage.create("a", ends("report", "a"))
    ran(stage, a=1)
    stage.say("W", steal("w", 1))
    stage.take()
    stage.heard()
    assert stage.order(Verb.RETRY, "a") == m.OK(n=1)
    assert stage.take() == [("W", m.Cancel((1,)))]
    interrupted, revived = stage.heard()
    assert isinstance(interrupted, e.Interrupted) and interrupted.task.result.cause is Cause.REVOKED
    assert isinstance(revived, e.Revived)
    assert stage.states() == "ready waiting"
    stage.say("W", complete("w", 2, Result(1, 1, 143, 15)))
    assert stage.states() == "ready waiting"
    stage.take()
    finish(stage)


def test_a_join_of_ends_is_open_again_when_one_of_its_tasks_is_retried(stage: Stage) -> None:
    stage.create("a", "x", ends("join", "a", join=True), task("c", "join"))
    ran(stage, a=1)
    stage.order(Verb.RETRY, "a")
    assert stage.states() == "ready ready waiting waiting"
    ran(stage, x=0, a=1)
    assert stage.states("join", "c") == "done ready"
    finish(stage)


def test_a_task_that_stays_skipped_has_still_ended(stage: Stage) -> None:
    stage.create("a", "b", task("c", "a", "b"), ends("report", "c"))
    ran(stage, a=1, b=1)
    ran(stage, report=0)
    stage.order(Verb.RETRY, "a")
    assert stage.states() == "ready failed skipped done"
    stage.order(Verb.RETRY, "b")
    assert stage.states() == "ready ready waiting waiting"
    finish(stage)


def test_a_task_and_the_one_before_it_may_be_retried_together(stage: Stage) -> None:
    stage.create("a", ends("b", "a"))
    ran(stage, a=1)
    ran(stage, b=1)
    stage.order(Verb.RETRY, "*")
    assert stage.states() == "ready waiting"
    finish(stage)


# -- the record -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backward", [False, True])
def test_a_graph_is_restored_with_both_kinds(backward: bool) -> None:
    tasks = [
        Restored(0, task("a"), State.FAILED, 1, "w"),
        Restored(1, task("b", "a")),
        Restored(2, ends("c", "b")),
        Restored(3, ends("d", "b"), State.DONE, 1, "w"),
        Restored(4, task("e")),
        Restored(5, ends("f", "a", "e")),
    ]
    graph = Graph()
    graph.restore(tasks[::-1] if backward else tasks)
    check_graph(graph)
    assert {name: node.state.value for name, node in sorted(graph.names.items())} == {
        "a": "failed", "b": "skipped", "c": "ready", "d": "done", "e": "ready", "f": "waiting",
    }  # fmt: skip
    assert graph.has_after_any


def test_an_unknown_task_counts_as_ended_where_it_counts_as_done() -> None:
    graph = Graph(unknown_is_done=True)
    graph.add([ends("a", "nosuch")])
    check_graph(graph)
    assert graph.names["a"].state is State.READY
    with pytest.raises(GraphError):
        Graph().add([ends("a", "nosuch")])
