"""A hub that goes on from a record: what it knows."""

from __future__ import annotations

import pytest

from dwork.core import events as e
from dwork.core import messages as m
from dwork.core.errors import GraphError
from dwork.core.messages import Verb
from dwork.core.task import Assigned, Result, State, Task
from dwork.hub.graph import Restored
from dwork.hub.hub import Hub
from dwork.hub.policy import Policy
from tests.stage import finish, restored, task, told

DONE, FAILED, CANCELLED, ASSIGNED = State.DONE, State.FAILED, State.CANCELLED, State.ASSIGNED
WELCOME_AGAIN = m.Welcome("tcp://hub:1", again=True)


def test_what_is_left_is_told_in_the_order_of_the_record_and_without_joins() -> None:
    stage = restored(
        Restored(7, task("late", "j")),
        Restored(2, task("done"), DONE, 1, "w"),
        Restored(3, Task("j", None, ("done", "on its way"))),
        Restored(4, task("on its way"), ASSIGNED, 1, "w"),
        Restored(5, task("failed"), FAILED, 3, "w"),
        Restored(6, task("behind", "failed")),
        Restored(1, task("ready", "done")),
    )
    assert stage.heard() == [e.Resumed(100.0, [7, 4, 1])]
    assert stage.states() == "waiting done waiting assigned failed skipped ready"
    finish(stage)


def test_new_tasks_are_numbered_after_all_of_the_record() -> None:
    stage = restored(Restored(4, task("a")), Restored(2, task("b")))
    assert stage.ask("p", m.Lookup("#3")) == m.NotFound(("#3",))
    stage.create("a", task("c", "b"))
    assert stage.ask("p", m.Lookup("c")) == m.OK("waiting", 5)
    assert told(stage.ask("p", m.Steal("vm", 9))) == ["a", "b"]
    finish(stage)


def test_an_empty_record_is_not_over() -> None:
    stage = restored()
    assert stage.heard() == [e.Resumed(100.0, [])]
    assert not stage.hub.over
    stage.create("a")
    finish(stage)


def test_a_record_of_what_is_done_is_over() -> None:
    stage = restored(Restored(0, task("a"), DONE, 1, "w"), Restored(1, Task("j", None, ("a",))))
    assert stage.hub.over
    assert stage.states() == "done done"
    finish(stage)


def test_attempts_and_failures_go_on_where_they_were() -> None:
    stage = restored(Restored(0, task("a"), attempt=2, holder="w", failures=2), policy=Policy(retries=2))
    assert stage.ask("q", m.Lookup("a")) == m.OK("ready", 0)  # and is nobody's
    assert stage.ask("p", m.Steal("vm")) == m.Transfer((Assigned(0, 3, "a", "a"),), time=100.0)
    stage.ask("p", m.Complete("vm", (Result("a", 0, 1),)))
    assert stage.states() == "failed"
    finish(stage)


def test_what_was_held_is_held_and_what_was_cancelled_while_it_was_held_too() -> None:
    stage = restored(
        Restored(0, task("a"), suspended=True),
        Restored(1, task("b"), CANCELLED, suspended=True),
        Restored(2, task("c", "a", "b"), suspended=True),
    )
    assert stage.states() == "waiting cancelled skipped"
    assert stage.ask("p", m.Steal("vm")) == m.NotFound()
    assert "only a waiting or ready task can be held" in stage.refused(Verb.HOLD, "a")
    assert stage.order(Verb.RETRY, "b") == m.OK(n=1)
    assert stage.states() == "waiting waiting waiting"
    assert stage.order(Verb.RELEASE, "*") == m.OK(n=3)
    assert stage.states() == "ready ready waiting"
    finish(stage)


def test_what_was_skipped_can_be_revived() -> None:
    stage = restored(
        Restored(0, task("a"), FAILED, 1, "w"),
        Restored(1, task("b"), CANCELLED),
        Restored(2, task("c", "a", "b")),
    )
    assert stage.states() == "failed cancelled skipped"
    stage.order(Verb.RETRY, "a")
    assert stage.states() == "ready cancelled skipped"
    stage.order(Verb.RETRY, "b")
    assert stage.states() == "ready ready waiting"
    finish(stage)


def test_each_task_of_a_record_may_stand_before_those_that_it_comes_after() -> None:
    stage = restored(Restored(2, task("c", "b")), Restored(1, task("b", "a")), Restored(0, task("a"), FAILED))
    assert stage.states() == "skipped skipped failed"
    finish(stage)


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ([Restored(0, task("a", "b")), Restored(1, task("b", "a"))], "wait for one another: a -> b -> a|b -> a -> b"),
        ([Restored(0, task("a")), Restored(1, task("a"))], "the same name or id"),
        ([Restored(0, task("a")), Restored(0, task("b"))], "the same name or id"),
        ([Restored(0, task("a", "nosuch"))], "'nosuch', which does not exist"),
    ],
)
def test_a_record_that_makes_no_graph_is_refused(entries: list[Restored], reason: str) -> None:
    with pytest.raises(GraphError, match=reason):
        Hub().restore(entries, 100.0)
