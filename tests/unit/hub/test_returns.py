"""Tasks that workers do not finish: given back, lost, or never arrived."""

from __future__ import annotations

import pytest

from dwork.core import events as e
from dwork.core import messages as m
from dwork.core.cause import Cause
from dwork.core.messages import Native, Returned
from dwork.core.task import Assigned, Result, State
from tests.stage import INF, Stage, complete, steal, task, told
from tests.unit.hub.graphs import order


def test_the_output_of_an_attempt_that_was_taken_back_does_not_count() -> None:
    stage = Stage(output=True)
    stage.create("a")
    stage.say("p", steal("w", 1))
    stage.say("p", m.Output("w", 0, 1, b"old", 1, 0))
    stage.say("p", m.GiveBack("w", (Returned(0),), Native(1, INF, 2)))
    stage.say("p", steal("w", 3))
    stage.heard()
    stage.say("p", m.Output("w", 0, 1, b"new", 1, 0))
    assert [event.data for event in stage.heard() if isinstance(event, e.Printed)] == [b"new"]
    stage.take()


def test_a_peer_of_the_original_dialect_cannot_take_back_an_end(stage: Stage) -> None:
    stage.create("a")
    assert told(stage.ask("p", m.Steal("vm"))) == ["a"]
    stage.ask("p", m.Complete("vm", (Result("a"),)))
    assert stage.ask("p", m.GiveBack("vm", (Returned("a"),))) == m.NotFound(("a",))
    assert stage.states() == "done"


def test_a_transfer_of_an_earlier_attempt_that_never_arrived_takes_nothing_back(stage: Stage) -> None:
    stage.create("a")
    stage.say("p", steal("w", 1))
    ((_, transfer),) = stage.take()
    assert stage.ask("q", m.Exit("w")) == m.OK()
    stage.say("q", steal("v", 1))
    stage.took(stage.hub.lose({"p": [transfer]}, stage.now, "gone"))
    assert stage.states() == "assigned"
    stage.take()


def test_the_task_of_a_lost_worker_goes_last(stage: Stage) -> None:
    stage.create("a", "b")
    stage.say("p", steal("w", 1))
    stage.lose("p")
    stage.take()
    assert order(stage.hub.graph) == ["b", "a"]


def test_a_task_given_back_is_ready_again_and_was_not_tried(stage: Stage) -> None:
    stage.create("a", "b")
    stage.ask("p", m.Steal("vm"))
    assert stage.ask("p", m.GiveBack("vm", (Returned("a"), Returned(7), Returned("b")))) == m.NotFound((7, "b"))
    reply = stage.ask("p", m.Steal("w2"))
    assert isinstance(reply, m.Transfer)
    assert reply.tasks == (Assigned(0, 1, "a", "a"),)


def test_a_task_given_back_twice_in_one_message_counts_once(stage: Stage) -> None:
    stage.create("a")
    stage.ask("p", m.Steal("vm"))
    stage.heard()
    assert stage.ask("p", m.GiveBack("vm", (Returned("a"), Returned(0, ("nosuch",))))) == m.NotFound((0,))
    assert stage.heard() == [e.Requeued(100.0, "vm", [(0, "a")], Cause.UNSTARTED, "given back")]
    assert stage.hub.graph.names["a"].attempt == 0


def test_a_task_given_back_with_new_predecessors_waits_for_them(stage: Stage) -> None:
    stage.create("a")
    stage.ask("p", m.Steal("vm"))
    stage.create("sub")
    stage.heard()
    assert stage.ask("p", m.GiveBack("vm", (Returned("a", ("sub",)),))) == m.OK()
    assert stage.state("a") is State.WAITING
    assert [type(event) for event in stage.heard()] == [e.Extended, e.Requeued]
    assert told(stage.ask("p", m.Steal("vm", 9))) == ["sub"]
    stage.ask("p", m.Complete("vm", (Result("sub"),)))
    assert told(stage.ask("p", m.Steal("vm", 9))) == ["a"]


def test_a_return_that_would_be_a_cycle_is_an_error_and_changes_nothing(stage: Stage) -> None:
    stage.create("a", "b", task("c", "b"))
    stage.ask("p", m.Steal("vm", 2))
    stage.heard()
    reply = stage.ask("p", m.GiveBack("vm", (Returned("a"), Returned("b", ("c",)))))
    assert isinstance(reply, m.Error) and "b -> c -> b" in reply.text
    assert stage.state("a") is stage.state("b") is State.ASSIGNED
    assert stage.heard() == []


def test_a_lost_worker_has_its_tasks_given_to_who_waits(stage: Stage) -> None:
    stage.create("a", "b")
    stage.say("p", steal("w", 1))
    stage.say("q", steal("w2", 1))
    stage.say("r", steal("w3", 1))
    stage.take()
    stage.heard()
    stage.took(stage.hub.lose({"p": ()}, 101.0, "gone"))
    ((peer, reply),) = stage.take()
    assert peer == "r" and isinstance(reply, m.Transfer)
    assert reply.tasks == (Assigned(0, 2, "a", "a"),)
    assert [type(event) for event in stage.heard()] == [e.Requeued, e.Left, e.Stolen]
    stage.took(stage.hub.lose({"p": ()}, 101.0, "gone"))
    stage.say("p", complete("w", 2, Result(0, 1)))  # it was not gone after all, and is asked what it has
    assert stage.take() == [("p", m.Welcome("tcp://hub:1", again=True))]
    stage.say("p", complete("w", 3, Result(0, 1), held=()))  # and was first to end it
    assert stage.take() == [("r", m.Cancel((0,))), ("p", m.OK(answers=3))]
    assert stage.state("a") is State.DONE


@pytest.mark.parametrize("location", ["vm", ""])
def test_a_lost_peer_of_the_original_dialect_loses_only_what_did_not_reach_it(stage: Stage, location: str) -> None:
    stage.create("a", "b")
    arrived = stage.ask("p", m.Steal(location))
    lost = stage.ask("p", m.Steal(location))
    stage.heard()
    stage.took(stage.hub.lose({"p": [m.OK(), lost]}, 101.0, "gone"))
    assert stage.heard() == [e.Requeued(101.0, location, [(1, "b")], Cause.UNSTARTED, "gone")]
    assert stage.hub.graph.names["b"].attempt == 0
    assert told(arrived) == ["a"] and stage.state("a") is State.ASSIGNED
    assert stage.ask("q", m.Complete(location, (Result("a"),))) == m.OK()  # another peer of that location
    stage.took(stage.hub.lose({"p": [arrived, lost]}, 102.0, "gone"))
    assert stage.heard()[1:] == []


def test_a_lost_worker_costs_no_retry(stage: Stage) -> None:
    stage.create("a")
    for _ in range(3):
        stage.say("p", steal("w", 1))
        stage.take()
        stage.took(stage.hub.lose({"p": ()}, 100.0, "gone"))
    assert stage.state("a") is State.READY
