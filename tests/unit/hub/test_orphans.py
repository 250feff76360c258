"""Copies of tasks whose workers were taken for lost: which of them count, and which are killed."""

from __future__ import annotations

import pytest

from dwork.core import events as e
from dwork.core import messages as m
from dwork.core.cause import Cause
from dwork.core.messages import Native, Returned, Verb
from dwork.core.task import Assigned, Result, State
from dwork.hub.orphans import Orphans
from dwork.hub.policy import Policy
from tests.stage import INF, Stage, complete, finish, steal, task, told
from tests.unit.hub.graphs import graph_of, held


def test_a_copy_that_still_runs_is_assigned_to_its_worker_again_and_is_no_suspect(stage: Stage) -> None:
    stage.create("a")
    stage.say("p", steal("w", 1))
    stage.lose("p")
    stage.say("p", steal("w", 2, held=((0, 1),)))
    node = stage.hub.graph.names["a"]
    assert (node.state, node.holder, node.attempt) == (State.ASSIGNED, "w", 1)
    assert not stage.hub.retries.lost and not stage.hub._state.orphans
    stage.take()


def test_a_copy_is_not_assigned_again_after_a_stop(stage: Stage) -> None:
    stage.create("a")
    stage.say("p", steal("w", 1))
    stage.lose("p")
    stage.took(stage.hub.drain(stage.now, "enough"))
    stage.say("p", steal("w", 2, held=((0, 1),)))
    assert stage.states() == "ready"
    stage.take()


def test_a_copy_that_failed_is_forgotten(stage: Stage) -> None:
    stage.create("a")
    stage.say("p", steal("w", 1))
    stage.lose("p")
    stage.say("p", complete("w", 2, Result(0, 1, 1), held=()))
    assert stage.states() == "ready"
    assert not stage.hub._state.orphans
    stage.take()


def test_a_task_that_another_worker_has_finished_is_killed_where_it_runs(stage: Stage) -> None:
    stage.create("a")
    stage.say("p", steal("w", 1))
    stage.lose("p")
    stage.say("q", steal("v", 1))
    stage.take(), stage.heard()
    stage.say("p", complete("w", 2, Result(0, 1), held=()))
    assert stage.take()[0] == ("q", m.Cancel((0,)))
    assert [event.cause for event in stage.heard() if isinstance(event, e.Requeued)] == [Cause.ELSEWHERE]


def test_the_copy_of_a_task_that_was_lost_too_often_is_not_kept() -> None:
    stage = Stage(Policy(losses=1))
    stage.create("a")
    stage.say("p", steal("w", 1))
    stage.lose("p")
    assert stage.states() == "failed"
    assert not stage.hub._state.orphans
    stage.take()
    finish(stage)


def test_the_copy_of_a_cancelled_task_is_not_kept(stage: Stage) -> None:
    stage.create("a")
    stage.say("p", steal("w", 1))
    stage.order(Verb.CANCEL, "a")
    stage.take()
    stage.lose("p")
    assert stage.states() == "cancelled"
    assert not stage.hub._state.orphans


def test_a_copy_is_known_by_worker_and_attempt_until_it_is_dropped() -> None:
    orphans, (node,) = Orphans(), held(graph_of("a"))
    orphans.add([node], "w")
    orphans.add([node], "v")
    assert (orphans.attempt(node, "w"), orphans.attempt(node, "u")) == (1, 0)
    orphans.drop(node, "w")
    assert (orphans.attempt(node, "w"), orphans.attempt(node, "v")) == (0, 1)


def test_all_copies_of_an_ended_task_are_to_be_killed() -> None:
    orphans, (node,) = Orphans(), held(graph_of("a"))
    orphans.add([node], "w")
    orphans.add([node], "v")
    assert orphans.end([node]) == {"w": [0], "v": [0]}
    assert not orphans


def test_a_task_cancelled_at_its_second_worker_that_the_first_has_done_is_done() -> None:
    stage = Stage()
    stage.create("a", task("b", "a"))
    stage.say("p", steal("w", 1))
    stage.lose("p")
    stage.say("q", steal("w2", 1))
    stage.order(Verb.CANCEL, "a")
    stage.take()
    stage.say("p", complete("w", 2, Result(0, 1), held=()))
    assert stage.take() == [("q", m.Cancel((0,))), ("p", m.OK(answers=2))]
    assert stage.states() == "done ready"
    stage.say("q", complete("w2", 2, Result(0, 2, 143, 15)))
    assert stage.take() == [("q", m.NotFound((0,), 2))]
    finish(stage)


def test_a_copy_of_a_task_that_is_skipped_is_to_be_dropped() -> None:
    stage = Stage()
    stage.create("a")
    stage.say("p", steal("w", 1))
    stage.lose("p")
    stage.take()
    assert told(stage.ask("q", m.Steal("vm"))) == ["a"]
    stage.create("bad")
    stage.say("p", steal("w", 2, held=((0, 1),)))
    assert stage.take()[0][1].answers == 2  # type: ignore[union-attr]
    stage.say("p", complete("w", 3, Result(1, 1, 1)))
    stage.take()
    assert stage.states() == "assigned failed"
    stage.say("q", m.GiveBack("vm", (Returned("a", ("bad",)),)))
    assert stage.take() == [("p", m.Cancel((0,))), ("q", m.OK())]
    assert stage.states() == "skipped failed"
    finish(stage)


@pytest.mark.parametrize("has_ended", [True, False], ids=["and has ended", "and still runs"])
def test_a_copy_that_began_before_its_predecessor_ran_again_does_not_count(has_ended: bool) -> None:
    stage = Stage()
    stage.create("a", task("b", "a"))
    stage.say("p", steal("w", 1))
    stage.say("p", complete("w", 2, Result(0, 1)))
    stage.say("q", steal("w2", 1))
    stage.lose("q")
    stage.say("p", m.GiveBack("w", (Returned(0),), Native(1, INF, 3)))  # a is done no more
    stage.say("p", steal("w", 4))
    stage.say("p", complete("w", 5, Result(0, 2)))
    assert stage.states() == "done ready"
    stage.take()
    if has_ended:
        stage.say("q", complete("w2", 2, Result(1, 1), held=()))
        assert stage.take() == [("q", m.NotFound((1,), answers=2))]
    else:
        stage.say("q", steal("w2", 2, held=((1, 1),), wait=0.0))
        cancel, handed = stage.take()
        assert cancel == ("q", m.Cancel((1,)))
        assert handed[1] == m.Transfer((Assigned(1, 2, "b", "b"),), answers=2)
    assert stage.state("b") is not State.DONE
    finish(stage)


def test_a_copy_of_a_task_that_has_got_another_predecessor_does_not_count() -> None:
    stage = Stage()
    stage.create("a", "b")
    stage.say("p", steal("w", 1))
    stage.lose("p")
    stage.say("q", steal("w2", 1, slots=2))
    stage.say("q", steal("w2", 2, slots=2))  # the suspect goes last
    stage.say("q", m.GiveBack("w2", (Returned(0, ("b",)),), Native(2, INF, 3)))
    assert stage.states() == "waiting assigned"
    stage.say("q", complete("w2", 4, Result(1, 1), slots=2))
    assert stage.states() == "ready done"
    stage.take()
    stage.say("p", complete("w", 2, Result(0, 1), held=()))
    assert stage.take() == [("p", m.NotFound((0,), answers=2))]
    assert stage.states() == "ready done"
    finish(stage)
