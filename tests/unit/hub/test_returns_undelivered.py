"""Tasks that never reached their worker, and tasks that a worker must stop because of another one."""

from __future__ import annotations

import pytest

from dwork.core import events as e
from dwork.core import messages as m
from dwork.core.cause import Cause
from dwork.core.messages import Returned
from dwork.core.task import Result, State
from tests.stage import Stage, complete, steal, task


def transfer_to(stage: Stage, peer: str, location: str, n: int = 1) -> m.Message:
    """The Transfer that answers a worker's first Steal."""
    stage.say(peer, steal(location, 1, n, slots=n))
    ((to, transfer),) = stage.take()
    assert to == peer
    return transfer


def lose(stage: Stage, peer: str, *undelivered: m.Message) -> None:
    stage.took(stage.hub.lose({peer: undelivered}, stage.now, "gone"))


def test_a_task_that_never_reached_its_worker_has_no_attempt_and_is_no_suspect(stage: Stage) -> None:
    stage.create("a", "b")
    lose(stage, "p", transfer_to(stage, "p", "w"))
    a = stage.hub.graph.names["a"]
    assert (a.state, a.attempt, a.holder) == (State.READY, 0, None)
    assert not stage.hub.retries.lost
    assert [node.name for node in stage.hub.graph.upcoming(9)] == ["a", "b"]


@pytest.mark.parametrize("has_undelivered", [True, False])
def test_a_task_that_reached_it_is_a_suspect(stage: Stage, has_undelivered: bool) -> None:
    stage.create("a", "b")
    transfer_to(stage, "p", "w")
    lose(stage, "p", *[m.OK()] * has_undelivered)
    a = stage.hub.graph.names["a"]
    assert (a.state, a.attempt) == (State.READY, 1)
    assert stage.hub.retries.lost == {a: 1}


def test_an_older_attempt_that_never_arrived_takes_nothing_from_the_next_worker(stage: Stage) -> None:
    stage.create("a", "b")
    old = transfer_to(stage, "p", "w", 2)
    lose(stage, "p")
    transfer_to(stage, "q", "v")
    lose(stage, "another", old)
    a = stage.hub.graph.names["a"]
    assert (a.state, a.attempt, a.holder) == (State.ASSIGNED, 2, "v")


def test_what_follows_an_older_attempt_in_the_transfer_is_taken_back(stage: Stage) -> None:
    stage.create("a", "b")
    transfer = transfer_to(stage, "p", "w", 2)
    stage.say("p", complete("w", 2, Result(0, 1), slots=2))
    stage.take()
    lose(stage, "another", transfer)
    assert stage.states("a", "b") == "done ready"
    assert not stage.hub.workers["w"].held


def test_a_task_that_runs_too_early_is_interrupted_as_by_sigterm(stage: Stage) -> None:
    stage.create("a", task("b", "a"))
    transfer_to(stage, "p", "w")
    stage.say("p", complete("w", 2, Result(0, 1), n=1))
    stage.take()
    stage.heard()
    stage.say("p", m.GiveBack("w", (Returned(0),), m.Native(1, sequence=3)))
    assert ("p", m.Cancel((1,))) in stage.take()
    (interrupted,) = [event for event in stage.heard() if isinstance(event, e.Interrupted)]
    result = interrupted.task.result
    assert (result.task, result.attempt, result.exit_status, result.signal) == (1, 1, 143, 15)
    assert (result.cause, result.started) == (Cause.REVOKED, stage.now)
    assert stage.states("a", "b") == "ready waiting"


def test_the_tasks_that_a_worker_has_ended_add_up(stage: Stage) -> None:
    stage.create("a", "b", "c")
    transfer_to(stage, "p", "w", 3)
    stage.say("p", complete("w", 2, Result(0, 1), Result(1, 1), slots=3))
    stage.say("p", complete("w", 3, Result(2, 1), slots=3))
    stage.take()
    assert stage.hub.workers["w"].ended == 3
