"""Which ends of tasks mean that the batch system ends the job, and which workers a stop reaches."""

from __future__ import annotations

import pytest

from dwork.core import messages as m
from dwork.core.cause import Cause
from dwork.core.task import Result
from tests.stage import Stage, complete, steal, task

USR1 = Result(0, 1, 138, 10)
OTHERS = [
    Result(0, 1),
    Result(0, 1, 1),
    Result(0, 1, 143, 15),
    Result(0, 1, 138, 10, cause=Cause.TIMEOUT),
    Result(0, 1, 143, 15, cause=Cause.TIMEOUT),
]


def after_a_warning(stage: Stage, result: Result, later: float = 0.0) -> None:
    """A rank may have died, and then a task ends."""
    stage.create(task("a", retries=0), "b")
    stage.say("p", steal("w", 1, 2, slots=2))
    stage.hub.suspect_deaths(stage.now)
    stage.now += later
    stage.say("p", complete("w", 2, result, slots=2))
    stage.take()


@pytest.mark.parametrize("later", [0.0, 1.9])
def test_a_task_that_sigusr1_killed_while_a_rank_may_have_died_means_the_end_of_the_job(
    stage: Stage, later: float
) -> None:
    after_a_warning(stage, USR1, later)
    assert (stage.hub.stop.in_doubt, stage.hub.stop.reason) == (True, "SIGUSR1")


@pytest.mark.parametrize("result", OTHERS)
def test_any_other_end_does_not(stage: Stage, result: Result) -> None:
    after_a_warning(stage, result)
    assert not stage.hub.stop.reason


def test_long_after_the_warning_sigusr1_fails_the_task_alone(stage: Stage) -> None:
    after_a_warning(stage, USR1, 2.5)
    assert (stage.hub.stop.reason, stage.state("a").value) == ("", "failed")


def test_a_stop_reaches_the_workers_behind_one_without_tasks(stage: Stage) -> None:
    stage.create("a", "b")
    stage.say("p", steal("w", 1))
    stage.say("p", complete("w", 2, Result(0, 1)))
    stage.say("q", steal("v", 1))
    stage.take()
    stage.say("boss", m.Drain(now=True))
    assert ("q", m.Cancel((1,))) in stage.take()
