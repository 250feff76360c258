"""What is handed out near the end of the job, in place of tasks that would not end before it."""

from __future__ import annotations

from dwork.core.min_time import UNKNOWN, MinTime
from dwork.core.resources import Resources
from dwork.core.task import Result
from tests.stage import Stage, complete, steal, task, told


def end_in(stage: Stage, seconds: float, min_time: MinTime = UNKNOWN) -> None:
    stage.took(stage.hub.expect_end(stage.now + seconds, 1.0, min_time, stage.now))


def test_each_task_counts_the_same_in_the_mean_run_time(stage: Stage) -> None:
    stage.create("a", "b", "c", "d")
    end_in(stage, 40.0, MinTime(part=1.0))
    stage.say("p", steal("w", 1, 2, slots=2))
    stage.say("p", complete("w", 2, Result(0, 1, seconds=10.0), Result(1, 1, seconds=20.0), n=1, slots=2))
    stage.say("p", complete("w", 3, Result(2, 1, seconds=60.0), n=1, slots=2))
    assert [told(message) for _, message in stage.take()] == [["a", "b"], ["c"], ["d"]]


def test_a_worker_gets_as_many_others_as_it_lacks(stage: Stage) -> None:
    stage.create(task("long", min_time=500.0), "a", "b", "c")
    end_in(stage, 100.0)
    stage.say("p", steal("w", 1, 2, slots=2))
    assert [told(message) for _, message in stage.take()] == [["a", "b"]]


def test_a_task_that_is_not_started_leaves_room_for_one_other_of_its_size(stage: Stage) -> None:
    stage.create(task("long", cores=4, min_time=500.0), task("a", cores=4), task("b", cores=4))
    end_in(stage, 100.0)
    stage.say("p", steal("w", 1, 4, slots=4, has=Resources(4)))
    assert [told(message) for _, message in stage.take()] == [["a"]]


def test_a_task_that_takes_as_long_as_there_is_time_is_started(stage: Stage) -> None:
    stage.create(task("exact", min_time=100.0))
    end_in(stage, 100.0)
    stage.say("p", steal("w", 1))
    assert [told(message) for _, message in stage.take()] == [["exact"]]


def test_a_minimum_of_the_task_goes_before_the_mean(stage: Stage) -> None:
    stage.create("a", task("quick", min_time=1.0))
    end_in(stage, 40.0, MinTime(part=1.0))
    stage.say("p", steal("w", 1))
    stage.say("p", complete("w", 2, Result(0, 1, seconds=60.0), n=1))
    assert [told(message) for _, message in stage.take()] == [["a"], ["quick"]]


def test_a_worker_gets_one_suspect_at_a_time_near_the_end_too(stage: Stage) -> None:
    stage.create("a", "b")
    end_in(stage, 100.0)
    stage.say("p", steal("w", 1, 2, slots=2))
    stage.lose("p")
    stage.take()
    stage.say("q", steal("v", 1, 2, slots=2))
    assert [told(message) for _, message in stage.take()] == [["a"]]
