"""How a hub stops: what is still started, what is interrupted, and what is left for the next run."""

from __future__ import annotations

import pytest

from dwork.core import events as e
from dwork.core import messages as m
from dwork.core.cause import Cause
from dwork.core.halt import Halt
from dwork.core.messages import Native, Returned, Verb
from dwork.core.min_time import UNKNOWN, MinTime
from dwork.core.task import Result, State, Task
from dwork.hub.policy import Policy
from dwork.hub.shutdown import ENDING
from tests.stage import INF, Stage, complete, fail, finish, steal, task, told


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
    assert stage.hub.stop.reason == "the job ends in 60 s" and stage.hub.deadline > 940.0
    stage.heard()
    stage.say("p", complete("w", 2, Result(0, 1, 143, 15)))
    assert stage.take() == [("p", m.OK(answers=2))]
    (interrupted,) = stage.heard()
    assert isinstance(interrupted, e.Interrupted) and interrupted.reason == "the job ends in 60 s"
    assert interrupted.task.result.cause is Cause.STOPPED
    assert (stage.state("a"), stage.state("b")) == (State.READY, State.READY)
    assert stage.hub.graph.names["a"].failures == 0
    assert stage.hub.over and stage.hub.stop.for_later


def test_a_task_that_would_not_end_in_time_is_not_started_and_others_are(stage: Stage) -> None:
    stage.create(task("long", min_time=500.0), task("short", min_time=10.0), "any")
    stage.took(stage.hub.expect_end(stage.now + 100.0, 20.0, UNKNOWN, stage.now))
    stage.say("p", steal("w", 1, 3, slots=3))
    assert [told(message) for _, message in stage.take()] == [["short", "any"]]
    stage.say("p", complete("w", 2, Result(1, 1), Result(2, 1), slots=3))
    stage.take()
    assert stage.hub.over and stage.hub.stop.for_later
    assert stage.hub.stop.reason == "the remaining tasks would not finish before the job ends (1 too long)"
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
    assert stage.hub.stop.reason == "the remaining tasks would not finish before the job ends (1 too long)"


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


def test_a_task_that_would_not_end_in_time_and_was_cancelled_ends_no_run(stage: Stage) -> None:
    stage.create(task("long", min_time=500.0), "any", "held")
    stage.order(Verb.HOLD, "held")
    stage.took(stage.hub.expect_end(stage.now + 100.0, 20.0, UNKNOWN, stage.now))
    stage.say("p", steal("w", 1, 2, slots=2))
    assert [told(message) for _, message in stage.take()] == [["any"]]
    stage.order(Verb.CANCEL, "long")
    stage.say("p", complete("w", 2, Result(1, 1), slots=2))
    stage.take()
    assert stage.states() == "cancelled done waiting"
    assert not stage.hub.stop.reason and stage.hub.waits_for_release


def test_a_hub_is_drained_on_request(stage: Stage) -> None:
    stage.create("a", "b")
    stage.say("p", steal("w", 1))
    stage.take()
    assert stage.ask("client", m.Drain()) == m.OK()
    assert stage.hub.stop.reason == "drained on request"
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
    stage.took(stage.hub.drain(stage.now, "SIGTERM", running=True))
    stage.say("q", complete("v", 2, Result(1, 1, 143, 15)))
    stage.take()
    stage.wait(ENDING - 1.0)
    assert not stage.hub.over and stage.hub.deadline == stage.now + 1.0
    stage.wait(1.0)
    assert stage.hub.over and stage.states() == "ready ready"
    lost = stage.heard()[-1]
    assert isinstance(lost, e.Requeued) and lost.cause is Cause.STOPPED and lost.reason == "it did not end within 30 s"
    assert stage.take() == []


# -- the batch system ends the job ------------------------------------------------------------------------------------


def end_of_job(stage: Stage) -> None:
    stage.took(stage.hub.end_of_job(stage.now, "SIGTERM"))


def test_what_ended_in_the_second_before_the_signal_is_to_run_again_and_what_ended_earlier_is_done(
    stage: Stage,
) -> None:
    stage.create("early", "late", "running")
    stage.say("p", steal("w", 1, 3, slots=3))
    stage.say("p", complete("w", 2, Result(0, 1), slots=3))
    stage.now += 2.0
    stage.say("p", complete("w", 3, Result(1, 1), slots=3))
    stage.now += 0.9
    stage.take(), stage.heard()
    end_of_job(stage)
    assert stage.take() == [("p", m.Cancel((2,)))]
    assert stage.states() == "done ready assigned"
    _, revoked = stage.heard()
    assert revoked == e.Revoked(stage.now, [e.Named(1, "late")], [1], State.DONE, "SIGTERM")
    stage.say("p", complete("w", 4, Result(2, 1), slots=3))  # `sim; post`, whose sim got the signal
    assert stage.states() == "done ready ready" and stage.hub.over
    (interrupted,) = stage.heard()
    assert isinstance(interrupted, e.Interrupted)
    stage.take()


def test_a_failure_in_the_second_before_the_signal_is_none_and_what_was_skipped_for_it_is_not(stage: Stage) -> None:
    stage.create("a", task("b", "a"), task("c", "b"))
    stage.say("p", steal("w", 1))
    stage.say("p", complete("w", 2, Result(0, 1, 1)))
    assert stage.states() == "failed skipped skipped"
    end_of_job(stage)
    assert stage.states() == "ready waiting waiting"
    assert stage.hub.graph.names["a"].failures == 0
    stage.take()


def test_a_task_that_is_interrupted_keeps_a_cause_of_its_own() -> None:
    stage = Stage()
    stage.create("a", "b")
    stage.say("p", steal("w", 1, 2, slots=2))
    stage.took(stage.hub.drain(stage.now, "SIGTERM", running=True))
    stage.take(), stage.heard()
    late = Result(0, 1, 143, 15, cause=Cause.TIMEOUT, error="timed out after 2 s")
    killed = Result(1, 1, 143, 15, cause=Cause.CANCELLED, error="cancelled")
    stage.say("p", complete("w", 2, late, killed, slots=2))
    told = [event.task.result.cause for event in stage.heard() if isinstance(event, e.Interrupted)]
    assert told == [Cause.TIMEOUT, Cause.STOPPED]
    stage.take()


def test_what_has_started_on_account_of_an_end_that_proves_nothing_is_taken_back_with_it(stage: Stage) -> None:
    join = Task("join", None, ("a",))
    stage.create("a", "other", join, task("b", "join"), task("c", "b"), task("d", "c"), task("e", "other", "b"))
    stage.say("p", steal("w", 1))
    stage.say("p", complete("w", 2, Result(0, 1), n=1))
    stage.say("p", complete("w", 3, Result(3, 1), n=1))
    stage.say("q", steal("v", 1))
    assert stage.states() == "done assigned done done assigned waiting waiting"
    stage.take(), stage.heard()
    end_of_job(stage)
    assert stage.states() == "ready assigned waiting waiting waiting waiting waiting"
    told = [event for event in stage.heard() if isinstance(event, e.Interrupted | e.Revoked)]
    assert [named.name for event in told if isinstance(event, e.Revoked) for named in event.tasks] == ["a", "b"]
    assert [(event.task.name, event.task.result.cause) for event in told if isinstance(event, e.Interrupted)] == [
        ("c", Cause.REVOKED)
    ]
    stage.take()


def test_a_task_that_was_added_after_the_end_of_one_before_it_waits_for_that_again(stage: Stage) -> None:
    stage.create("a", "z")
    stage.say("p", steal("w", 1))
    stage.say("p", complete("w", 2, Result(0, 1)))
    stage.take()
    stage.create(task("b", "a"), task("c", "a", "z"))
    assert stage.states() == "done ready ready waiting"
    end_of_job(stage)
    assert stage.states() == "ready ready waiting waiting"
    stage.take()


def test_a_worker_that_is_being_ended_takes_back_what_it_has_reported_and_the_run_goes_on(stage: Stage) -> None:
    stage.create("a", task("b", "a"), task("c", "b"))
    stage.say("p", steal("w", 1))
    stage.say("p", complete("w", 2, Result(0, 1)))
    stage.say("q", steal("v", 1))
    assert stage.states() == "done assigned waiting"
    stage.take()
    stage.say("p", m.GiveBack("w", (Returned(0),), Native(1, INF, 3)))
    assert stage.take() == [("q", m.Cancel((1,))), ("p", m.OK(answers=3))]
    assert stage.states() == "ready waiting waiting"
    stage.say("q", complete("v", 2, Result(1, 1, 143, 15), n=1))
    replies = dict(reversed(stage.take()))
    assert [assigned.name for assigned in replies["q"].tasks] == ["a"]


def test_only_who_has_ended_a_task_can_take_that_back(stage: Stage) -> None:
    stage.create("a")
    stage.say("p", steal("w", 1))
    stage.say("q", steal("v", 1))
    stage.say("p", complete("w", 2, Result(0, 1)))
    stage.take()
    stage.say("q", m.GiveBack("v", (Returned(0),), Native(1, INF, 2)))
    assert stage.take() == [("q", m.NotFound((0,), answers=2))]
    assert stage.states() == "done"


def test_a_signal_that_may_tell_of_a_dead_rank_is_the_end_of_the_job_when_tasks_die_of_it(stage: Stage) -> None:
    stage.create("a", "b", "c")
    stage.say("p", steal("w", 1, 2, slots=2))
    stage.hub.suspect_deaths(stage.now)
    stage.say("p", complete("w", 2, Result(0, 1, 138, 10), slots=2))
    assert stage.states() == "ready assigned ready" and stage.hub.stop.in_doubt
    assert stage.hub.graph.names["a"].failures == 0
    stage.take()


def test_another_stop_does_not_put_off_when_killed_tasks_must_have_ended(stage: Stage) -> None:
    stage.create("a")
    stage.say("p", steal("w", 1))
    stage.took(stage.hub.drain(stage.now, "once", running=True))
    stage.wait(20.0)
    stage.took(stage.hub.drain(stage.now, "again", running=True))
    stage.wait(10.0)
    assert stage.states() == "ready"
    stage.take()


@pytest.mark.parametrize(("default", "own"), [(None, 50.0), (50.0, None), (10.0, 50.0), (1000.0, 50.0)])
def test_killed_tasks_must_have_ended_some_seconds_after_their_grace(default: float | None, own: float | None) -> None:
    stage = Stage(Policy(grace=default))
    stage.create(task("a", grace=own))
    stage.say("p", steal("w", 1))
    stage.took(stage.hub.drain(stage.now, "once", running=True))
    stage.wait(79.0)
    assert stage.states() == "assigned"
    stage.wait(1.0)
    assert stage.states() == "ready"
    stage.take()


def test_a_pool_that_stops_already_does_not_stop_for_failures() -> None:
    stage = Stage(Policy(halt=Halt(True, 1)))
    stage.create("a", "b")
    stage.say("p", steal("w", 1, 2, slots=2))
    stage.took(stage.hub.drain(stage.now, "enough"))
    stage.heard()
    stage.say("p", complete("w", 2, Result(0, 1, 1), slots=2))
    assert not any(isinstance(event, e.Stopping) for event in stage.heard())
    stage.take()


def test_a_rank_that_may_have_died_is_a_warning_for_two_seconds(stage: Stage) -> None:
    stage.create("a", "b")
    stage.say("p", steal("w", 1, 2, slots=2))
    stage.hub.suspect_deaths(stage.now)
    stage.now += 1.9
    stage.say("p", complete("w", 2, Result(0, 1, 138, 10), slots=2))
    assert stage.hub.stop.in_doubt
    stage.take()


# -- on request, and after failures ------------------------------------------------------------------------------------


def test_halt_soon_lets_running_tasks_end() -> None:
    stage = Stage(Policy(halt=Halt(limit=2)))
    stage.create(*"abcdef")
    stage.say("q", steal("w", 1, 2, slots=2))
    stage.take()
    for name in "cd":
        fail(stage, name)
    assert isinstance(stage.heard()[-1], e.Stopping)
    assert stage.ask("p", m.Steal("vm")) == m.NotFound()
    stage.say("q", complete("w", 2, Result(0, 1), n=1, slots=2))
    assert stage.take() == [("q", m.OK(answers=2))]
    stage.say("q", complete("w", 3, Result(1, 1, 1), slots=2))
    assert stage.take() == [("q", m.OK(answers=3)), ("q", m.Exit())]
    assert stage.ask("p", m.Steal("vm")) == m.Exit()
    assert stage.hub.over and stage.hub.graph.ready == 2
    finish(stage)


def test_halt_soon_calls_back_what_has_not_started() -> None:
    stage = Stage(Policy(halt=Halt(limit=1)))
    stage.create(*map(str, range(16)))
    stage.say("q", steal("w", 1, 8))
    stage.take()
    stage.say("q", complete("w", 2, Result(0, 1, 1)))
    assert stage.take() == [("q", m.Recall(6)), ("q", m.OK(answers=2))]
    finish(stage)


def test_halt_now_ends_running_tasks_which_count_as_cancelled() -> None:
    stage = Stage(Policy(halt=Halt(now=True, limit=1)))
    stage.create("a", "b", task("b1", "b"), "c")
    stage.say("q", steal("w", 1, 2, slots=2))
    stage.take()
    stage.heard()
    stage.say("q", complete("w", 2, Result(0, 1, 1), slots=2))
    assert stage.take() == [("q", m.Cancel((1,))), ("q", m.OK(answers=2))]
    assert [type(event) for event in stage.heard()] == [e.Failed, e.Stopping]
    stage.say("q", complete("w", 3, Result(1, 1, 143, 15), n=1, slots=2))
    assert stage.take() == [("q", m.Exit(answers=3))]
    cancelled, skipped = stage.heard()
    assert isinstance(cancelled, e.Killed) and isinstance(skipped, e.Skipped)
    assert skipped.culprit.name == "b"
    finish(stage)


def test_halt_by_percent_counts_all_tasks() -> None:
    stage = Stage(Policy(halt=Halt(limit=50, percent=True)))
    stage.create(*"abcd")
    fail(stage, "a")
    assert not stage.hub.stop.reason
    fail(stage, "b")
    assert stage.hub.stop.reason == "2 failed"
    finish(stage)


def test_a_retried_failure_does_not_halt() -> None:
    stage = Stage(Policy(retries=1, delay=0, halt=Halt(limit=1)))
    stage.create("a")
    fail(stage, "a")
    assert not stage.hub.stop.reason
    finish(stage)


def test_stop_lets_run_and_then_interrupts(stage: Stage) -> None:
    stage.create("a", "b", "c")
    stage.say("p", steal("w", 1))
    stage.say("p", steal("w", 2))
    stage.say("q", steal("idle", 1))
    stage.take()
    stage.took(stage.hub.drain(101.0, "interrupted"))
    assert stage.take() == [("p", m.Recall(1))]
    stage.took(stage.hub.drain(102.0, "again", running=True))
    assert stage.take() == [("p", m.Cancel((0, 1))), ("q", m.Cancel((2,)))]
    assert stage.hub.stop.reason == "interrupted"
    stage.say("p", m.GiveBack("w", (Returned(1),), Native(1, INF, 3)))
    stage.say("p", complete("w", 4, Result(0, 1, 143, 15)))
    stage.say("q", complete("idle", 2, Result(2, 1)))  # it ended well before the word came
    assert [message for _, message in stage.take()] == [m.OK(answers=3), m.OK(answers=4), m.OK(answers=2)]
    assert {name: stage.state(name) for name in "abc"} == {
        "a": State.READY, "b": State.READY, "c": State.DONE,
    }  # fmt: skip
    assert stage.hub.over


def test_stop_with_nothing_running_sends_the_waiting_home(stage: Stage) -> None:
    stage.create("a")
    stage.say("p", steal("w", 1, 1))
    stage.say("q", steal("w2", 1))
    stage.say("p", complete("w", 2, Result(0, 1, 1)))
    stage.take()
    stage.took(stage.hub.drain(101.0, "interrupted"))
    assert stage.take() == []


def test_dismiss_tells_the_native_workers_alone(stage: Stage) -> None:
    stage.create("a", "b")
    stage.ask("o", m.Steal("vm"))
    stage.say("p", steal("w", 1))
    stage.take()
    stage.took(stage.hub.dismiss(stage.now))
    assert stage.take() == [("p", m.Exit())]
