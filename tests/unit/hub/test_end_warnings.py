"""Tasks are warned before the job ends."""

from __future__ import annotations

from dwork.core import events as e
from dwork.core import messages as m
from dwork.core.cause import Cause
from dwork.core.min_time import UNKNOWN
from dwork.core.task import EndWarning, Result
from dwork.hub.policy import Policy
from tests.stage import Stage, complete, finish, steal, task

USR1, USR2 = 10, 12


def running(stage: Stage, left: float = 100.0, **options: EndWarning | None) -> None:
    """Have one worker run a and b, while so much of the job is left."""
    stage.took(stage.hub.expect_end(stage.now + left, 10.0, UNKNOWN, stage.now))
    stage.create(task("a", **options), "b")
    stage.say("p", steal("w", 1, 2, slots=2))
    stage.take()


def warned(stage: Stage) -> list[tuple[object, m.Message]]:
    return [(peer, message) for peer, message in stage.take() if isinstance(message, m.Warn)]


def test_a_task_is_warned_once_at_its_time_and_others_are_not(stage: Stage) -> None:
    running(stage, warn=EndWarning(USR1, 40.0))
    stage.wait(59.0)
    assert warned(stage) == []
    stage.wait(1.0)
    assert warned(stage) == [("p", m.Warn((0,), USR1))]
    stage.wait(20.0)
    assert warned(stage) == []
    stage.say("p", complete("w", 2, Result(0, 1), n=1, slots=2))
    assert warned(stage) == []


def test_the_warning_of_the_pool_is_for_tasks_that_set_none() -> None:
    stage = Stage(Policy(warn=EndWarning(USR2, 30.0)))
    running(stage, warn=EndWarning(USR1, 40.0))
    stage.wait(60.0)
    assert warned(stage) == [("p", m.Warn((0,), USR1))]
    stage.wait(10.0)
    assert warned(stage) == [("p", m.Warn((1,), USR2))]
    finish(stage)


def test_when_the_end_moves_the_warning_moves_with_it(stage: Stage) -> None:
    running(stage, warn=EndWarning(USR1, 40.0))
    stage.wait(50.0)
    stage.took(stage.hub.expect_end(stage.now + 100.0, 10.0, UNKNOWN, stage.now))
    stage.wait(59.0)
    assert warned(stage) == []
    stage.wait(1.0)
    assert warned(stage) == [("p", m.Warn((0,), USR1))]


def test_a_warned_task_that_succeeds_is_done_and_one_that_fails_is_interrupted(stage: Stage) -> None:
    stage.took(stage.hub.expect_end(stage.now + 100.0, 10.0, UNKNOWN, stage.now))
    warning = EndWarning(USR1, 40.0)
    stage.create(task("a", warn=warning), task("b", warn=warning), task("c", warn=warning))
    stage.say("p", steal("w", 1, 3, slots=3))
    stage.wait(60.0)
    results = (Result(0, 1), Result(1, 1, 138, USR1), Result(2, 1, 143, 15, cause=Cause.TIMEOUT))
    stage.say("p", complete("w", 2, *results, n=1, slots=3))
    assert stage.states() == "done waiting failed", "one is left for the next run, one has failed before its time"
    assert [each.task.result.cause for each in stage.heard() if isinstance(each, e.Interrupted)] == [Cause.STOPPED]
    assert stage.hub.graph.names["b"].failures == 0
    stage.take()


def test_a_task_does_not_start_when_less_of_the_job_is_left_than_its_warning_takes(stage: Stage) -> None:
    stage.took(stage.hub.expect_end(stage.now + 100.0, 10.0, UNKNOWN, stage.now))
    stage.create(task("a", warn=EndWarning(USR1, 101.0)), task("b", warn=EndWarning(USR1, 99.0)))
    stage.say("p", steal("w", 1, 2, slots=2))
    assert stage.states() == "waiting assigned"
    stage.take()


def test_a_task_that_is_asked_to_end_is_warned_no_more(stage: Stage) -> None:
    running(stage, warn=EndWarning(USR1, 40.0))
    stage.took(stage.hub.drain(stage.now, "enough", running=True))
    stage.took(stage.hub.expect_end(stage.now + 5.0, 1.0, UNKNOWN, stage.now))
    stage.wait(1.0)
    assert warned(stage) == []
