"""The hub: what each message causes. Each test says all that is sent; the fixture proves that nothing else was."""

from __future__ import annotations

from dwork.core import events as e
from dwork.core import messages as m
from dwork.core.messages import Native, Returned
from dwork.core.task import Assigned, Result, State, Task
from tests.stage import INF, Stage, complete, steal


def test_exit_when_all_is_finished_goes_to_all_who_wait(stage: Stage) -> None:
    stage.create("a")
    for peer in "pqr":
        stage.say(peer, steal(peer, 1))
    stage.take()
    stage.say("p", complete("p", 2, Result(0, 1)))
    assert stage.take() == [("p", m.OK(answers=2)), ("q", m.Exit()), ("r", m.Exit())]
    assert stage.hub.over
    stage.say("s", steal("s", 1))
    assert stage.take() == [("s", m.Exit(answers=1))]


def test_a_hub_is_not_over_before_its_first_task_and_again_busy_after_another(stage: Stage) -> None:
    assert not stage.hub.over
    stage.create(Task("j", None))
    assert stage.hub.over
    stage.create("a")
    assert not stage.hub.over


def test_a_repeated_sequence_number_is_ignored(stage: Stage) -> None:
    stage.create("a", "b", "c")
    stage.say("p", steal("w", 1))
    assert len(stage.take()) == 1
    stage.say("p", steal("w", 1))
    stage.say("p", complete("w", 2, Result(0, 1)))
    stage.say("p", complete("w", 2, Result(0, 1), n=1))
    stage.say("p", complete("w", 1, Result(0, 1), n=1))
    assert stage.take() == [("p", m.OK(answers=2))]
    stage.say("p", steal("w", 3))
    stage.say("p", m.GiveBack("w", (Returned(1),), Native(1, INF, 4)))
    stage.say("p", m.GiveBack("w", (Returned(1),), Native(1, INF, 4)))
    assert [type(message) for _, message in stage.take()] == [m.Transfer, m.OK]


def test_every_task_joins_the_stream_of_events_once(stage: Stage) -> None:
    stage.create("a", Task("j", None, ("a",)))
    stage.say("p", steal("w", 1, slots=3))
    stage.say("p", complete("w", 2, Result(0, 1, seconds=2.0)))
    stage.take()
    assert stage.heard() == [
        e.Added(100.0, 0, [Task("a", "a"), Task("j", None, ("a",))]),
        e.Joined(100.0, "w", 3),
        e.Stolen(100.0, "w", [Assigned(0, 1, "a", "a")]),
        e.Finished(100.0, "w", [e.Ended(0, "a", Result(0, 1, seconds=2.0))]),
    ]


def test_a_refused_request_uses_up_no_number_and_the_corrected_one_is_answered(stage: Stage) -> None:
    stage.create("a", "b")
    stage.say("p", steal("w", 1))
    stage.take()
    stage.say("p", m.GiveBack("w", (Returned(0, ("nosuch",)),), Native(1, INF, 2)))
    ((_, refusal),) = stage.take()
    assert isinstance(refusal, m.Error) and refusal.answers == 2 and "nosuch" in refusal.text
    assert stage.state("a") is State.ASSIGNED
    stage.say("p", m.GiveBack("w", (Returned(0, ("b",)),), Native(1, INF, 2)))
    assert stage.take() == [("p", m.OK(answers=2))]
    assert stage.state("a") is State.WAITING
