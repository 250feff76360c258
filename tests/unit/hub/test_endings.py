"""What goes with a task that has ended for good: requests to cancel it, its suspicion, copies of it, its successors."""

from __future__ import annotations

from dwork.core import events as e
from dwork.core import messages as m
from dwork.core.messages import Verb
from dwork.core.task import Result
from tests.stage import Stage, complete, steal, task


def test_a_cancelled_task_that_is_done_all_the_same_is_to_be_cancelled_no_more(stage: Stage) -> None:
    stage.create("a")
    stage.say("p", steal("w", 1))
    stage.order(Verb.CANCEL, "a")
    stage.say("p", complete("w", 2, Result(0, 1)))
    assert stage.states() == "done"
    assert not stage.hub._endings.to_cancel
    stage.take()


def test_a_cancelled_task_that_was_killed_is_to_be_cancelled_no_more(stage: Stage) -> None:
    stage.create("a")
    stage.say("p", steal("w", 1))
    stage.order(Verb.CANCEL, "a")
    stage.say("p", complete("w", 2, Result(0, 1, 143, 15)))
    assert stage.states() == "cancelled"
    assert not stage.hub._endings.to_cancel
    stage.take()


def test_a_task_that_failed_for_good_is_no_suspect(stage: Stage) -> None:
    stage.create("a")
    stage.say("p", steal("w", 1))
    stage.lose("p")
    stage.say("q", steal("v", 1))
    stage.say("q", complete("v", 2, Result(0, 2, 1)))
    assert stage.states() == "failed"
    assert not stage.hub.retries.lost
    stage.take()


def test_skipped_tasks_are_reported_by_culprit(stage: Stage) -> None:
    stage.create("a", "b", task("c", "a"), task("d", "b"))
    stage.order(Verb.CANCEL, "a", "b")
    skipped = [event for event in stage.heard() if isinstance(event, e.Skipped)]
    assert sorted([named.name for named in event.tasks] for event in skipped) == [["c"], ["d"]]


def test_an_end_more_than_a_second_before_the_end_of_the_job_counts(stage: Stage) -> None:
    stage.create("a", "b")
    stage.say("p", steal("w", 1, 2, slots=2))
    stage.say("p", complete("w", 2, Result(0, 1), slots=2))
    stage.wait(0.6)
    stage.say("p", complete("w", 3, Result(1, 1), slots=2))
    stage.wait(0.6)
    stage.took(stage.hub.end_of_job(stage.now, "SIGTERM"))
    assert stage.states() == "done ready"
    stage.take()


def test_the_copy_of_a_task_that_has_ended_elsewhere_is_killed(stage: Stage) -> None:
    stage.create("a")
    stage.say("p", steal("w", 1))
    stage.lose("p")
    stage.say("q", steal("v", 1))
    stage.say("p", steal("w", 2, held=((0, 1),)))
    stage.take()
    stage.say("q", complete("v", 2, Result(0, 2)))
    assert stage.take()[0] == ("p", m.Cancel((0,)))
