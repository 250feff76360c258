"""The end of the job that a hub is in: what is still started, what is interrupted, what is left for the next run."""

from __future__ import annotations

from dwork import events as e
from dwork import messages as m
from dwork.hub import ENDING
from dwork.mintime import UNKNOWN, MinTime
from dwork.task import Result, State
from tests.core.stage import Stage, complete, steal, task, told


def test_some_seconds_before_the_end_nothing_more_is_started_and_what_runs_is_ended(stage: Stage) -> None:
    stage.create(task("a", retries=0), "b")
    stage.took(stage.hub.expect_end(1000.0, 60.0, UNKNOWN, stage.now))
    stage.say("p", steal("w", 1))
    assert [told(message) for _, message in stage.take()] == [["a"]]
    assert stage.hub.deadline == 940.0
    stage.now = 939.0
    stage.took(stage.hub.tick(939.0))
    assert stage.take() == []
    stage.now = 940.0
    stage.took(stage.hub.tick(940.0))
    assert stage.take() == [("p", m.Cancel((0,)))]
    assert stage.hub.stopping == "the job ends in 60 s" and stage.hub.deadline > 940.0
    stage.heard()
    stage.say("p", complete("w", 2, Result(0, 1, 143, 15)))
    assert stage.take() == [("p", m.OK(answers=2))]
    (interrupted,) = stage.heard()
    assert isinstance(interrupted, e.Interrupted) and interrupted.reason == "the job ends in 60 s"
    assert (stage.state("a"), stage.state("b")) == (State.READY, State.READY)
    assert stage.hub.graph.names["a"].failures == 0
    assert stage.hub.over and stage.hub.is_drained


def test_a_task_that_would_not_end_in_time_is_not_started_and_others_are(stage: Stage) -> None:
    stage.create(task("long", min_time=500.0), task("short", min_time=10.0), "any")
    stage.took(stage.hub.expect_end(stage.now + 100.0, 20.0, UNKNOWN, stage.now))
    stage.say("p", steal("w", 1, 3, slots=3))
    assert [told(message) for _, message in stage.take()] == [["short", "any"]]
    stage.say("p", complete("w", 2, Result(1, 1), Result(2, 1), slots=3))
    stage.take()
    assert stage.hub.over and stage.hub.is_drained
    assert stage.hub.stopping == "what is left would not end before the job does (1 say so)"
    assert stage.state("long") is State.WAITING


def test_what_tasks_do_not_say_themselves_is_taken_from_the_pool(stage: Stage) -> None:
    stage.create("any", task("quick", min_time=5.0))
    stage.took(stage.hub.expect_end(stage.now + 100.0, 20.0, MinTime(200.0), stage.now))
    stage.say("p", steal("w", 1, 2, slots=2))
    assert [told(message) for _, message in stage.take()] == [["quick"]]


def test_what_is_left_can_be_compared_with_the_run_times_seen(stage: Stage) -> None:
    stage.create("a", "b", "c")
    stage.took(stage.hub.expect_end(stage.now + 100.0, 20.0, MinTime(part=1.5), stage.now))
    stage.say("p", steal("w", 1))
    stage.say("p", complete("w", 2, Result(0, 1, seconds=60.0), n=1))
    stage.say("p", complete("w", 3, Result(1, 1, seconds=80.0), n=1))
    assert [told(message) for _, message in stage.take() if isinstance(message, m.Transfer)] == [["a"], ["b"]]
    assert stage.hub.stopping == "what is left would not end before the job does (1 say so)"


def test_an_end_that_is_put_off_lets_them_start(stage: Stage) -> None:
    stage.create(task("long", min_time=500.0), "any")
    stage.took(stage.hub.expect_end(stage.now + 100.0, 20.0, UNKNOWN, stage.now))
    stage.say("p", steal("w", 1))
    stage.say("q", steal("w2", 1))
    assert [told(message) for _, message in stage.take()] == [["any"]]
    stage.took(stage.hub.expect_end(stage.now + 1000.0, 20.0, UNKNOWN, stage.now))
    ((peer, reply),) = stage.take()
    assert (peer, told(reply)) == ("q", ["long"])
    assert reply.tasks[0].attempt == 1  # type: ignore[union-attr]


def test_a_hub_is_drained_on_request(stage: Stage) -> None:
    stage.create("a", "b")
    stage.say("p", steal("w", 1))
    stage.take()
    assert stage.ask("client", m.Drain()) == m.OK()
    assert stage.hub.stopping == "drained on request"
    stage.say("client", m.Drain(now=True))
    assert stage.take() == [("p", m.Cancel((0,))), ("client", m.OK())]
    stage.say("p", complete("w", 2, Result(0, 1)))  # it ended well before the word came
    stage.take()
    assert (stage.state("a"), stage.state("b")) == (State.DONE, State.READY)
    assert stage.hub.over


def test_a_worker_that_does_not_end_its_tasks_keeps_no_pool_from_ending(stage: Stage) -> None:
    stage.create("a", "b")
    stage.say("p", steal("w", 1))
    stage.say("q", steal("v", 1))
    stage.took(stage.hub.stop(stage.now, "SIGTERM", running=True))
    stage.say("q", complete("v", 2, Result(1, 1, 143, 15)))
    stage.take()
    stage.wait(ENDING - 1.0)
    assert not stage.hub.over and stage.hub.deadline == stage.now + 1.0
    stage.wait(1.0)
    assert stage.hub.over and stage.states() == "ready ready"
    lost = stage.heard()[-1]
    assert isinstance(lost, e.Requeued) and lost.lost and lost.reason == "it did not end in 30 s"
    assert stage.take() == []
