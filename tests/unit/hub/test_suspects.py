"""Tasks whose workers died with them: suspects go last, one at a time, and fail after too many deaths."""

from __future__ import annotations

import pytest

from dwork.core import events as e
from dwork.core import messages as m
from dwork.core.cause import Cause
from dwork.core.halt import Halt
from dwork.core.messages import Returned
from dwork.core.task import Result, State
from dwork.hub.graph import Restored
from dwork.hub.policy import Policy
from dwork.hub.returns import LOST_TOO_OFTEN
from tests.stage import Stage, complete, fail, finish, served, steal, task, told


def die(stage: Stage, location: str = "w", n: int = 1) -> None:
    """A worker takes up to n tasks and is lost."""
    stage.say(location, steal(location, 1, n, slots=n))
    stage.lose(location)
    stage.take()


def test_a_task_with_which_five_workers_died_has_failed_and_says_so() -> None:
    stage = Stage(Policy(retries=3))
    stage.create("a", task("b", "a"), task("c", "b"))
    for n in range(5):
        assert stage.state("a") is State.READY
        stage.heard()
        die(stage, f"w{n}")
    stolen, *happened = stage.heard()[-5:]
    assert isinstance(stolen, e.Stolen)
    requeued, left, failed, skipped = happened
    assert isinstance(requeued, e.Requeued) and isinstance(left, e.Left)
    assert isinstance(failed, e.Failed) and (failed.location, failed.task.name) == ("w4", "a")
    result = failed.task.result
    assert (result.attempt, result.exit_status) == (5, LOST_TOO_OFTEN)
    assert result.error == "5 workers died while running it; the last: gone"
    assert isinstance(skipped, e.Skipped)
    assert (skipped.culprit.name, sorted(named.name for named in skipped.tasks)) == ("a", ["b", "c"])
    assert stage.hub.over
    finish(stage)


def test_the_policy_says_how_many_deaths_are_too_many_and_each_counts_for_the_halt() -> None:
    stage = Stage(Policy(losses=1, halt=Halt(limit=1)))
    stage.create("a", "b")
    die(stage)
    failed = next(event for event in stage.heard() if isinstance(event, e.Failed))
    assert failed.task.result.cause is Cause.DIED
    assert failed.task.result.error == "its worker died: gone"
    assert stage.hub.stop.reason == "1 failed"
    finish(stage)


def test_a_worker_that_says_goodbye_has_not_died() -> None:
    stage = Stage(Policy(losses=1))
    stage.create("a", "b")
    for n in range(3):
        stage.say("p", steal(f"w{n}", 1, 2, slots=2))
        assert served(stage) == [("p", ["a", "b"])]  # both at once: they are no suspects
        assert stage.ask("p", m.Exit(f"w{n}")) == m.OK()
    assert stage.states() == "ready ready"
    finish(stage)


def test_a_task_that_never_arrived_has_killed_nobody() -> None:
    stage = Stage(Policy(losses=1))
    stage.create("a", "b", "c")
    stage.say("p", steal("w", 1))
    stage.say("p", steal("w", 2))
    _, (_, lost) = stage.take()
    stage.heard()
    stage.took(stage.hub.lose({"p": [lost]}, 101.0, "gone"))
    assert stage.states() == "failed ready ready"
    assert [stage.hub.graph.names[name].attempt for name in "abc"] == [1, 0, 0]
    assert [(event.cause, event.tasks[0].name) for event in stage.heard() if isinstance(event, e.Requeued)] == [
        (Cause.UNSTARTED, "b"), (Cause.DIED, "a"),
    ]  # fmt: skip
    stage.say("q", steal("w2", 1, 2, slots=2))
    stage.say("q", steal("w2", 2, 2, slots=2, held=((1, 1),)))  # what w2 never got is no suspect either
    assert served(stage) == [("q", ["b", "c"]), ("q", ["c"])]
    finish(stage)


def test_suspects_go_out_singly_and_the_rest_together() -> None:
    stage = Stage()
    stage.create("a", "b", "c")
    die(stage, n=3)
    stage.create(task("first", priority=1), task("second", priority=1))
    for sequence, handed in enumerate([["first", "second"], ["a"], ["b"], ["c"]], 1):
        stage.say("q", steal("w2", sequence, 9, slots=9))
        assert served(stage) == [("q", handed)]
    finish(stage)


def test_suspects_go_last_whatever_their_priority_and_those_lost_least_often_first() -> None:
    stage = Stage()
    stage.create(task("twice", priority=9))
    die(stage)
    die(stage, "w2")
    stage.create(task("once", priority=9))
    die(stage, "w3")
    stage.create(task("low", priority=-9), "plain", task("high", priority=1))
    for sequence, handed in enumerate([["high", "plain", "low"], ["once"]], 1):
        stage.say("q", steal("v", sequence, 9, slots=9))
        assert served(stage) == [("q", handed)]
    stage.say("q", complete("v", 3, *(Result(id, 1) for id in (2, 3, 4)), Result(1, 2), slots=9, n=9))
    assert served(stage) == [("q", ["twice"])]
    finish(stage)


def test_what_was_lost_twice_waits_until_few_tasks_run_and_what_was_lost_once_does_not() -> None:
    stage = Stage()
    stage.create("once")
    die(stage)
    stage.create("long")
    stage.say("p", steal("v1", 1))
    assert served(stage) == [("p", ["long"])]
    stage.say("q", steal("v2", 1))
    assert served(stage) == [("q", ["once"])]
    stage.lose("q")
    stage.take()
    for n in range(2, 5):  # idle: not even with four of them may it run beside another
        stage.say(f"q{n}", steal(f"v{n}", 1))
        assert stage.take() == []
    stage.say("p", complete("v1", 2, Result(1, 1)))
    assert served(stage) == [("q2", ["once"])]
    stage.take()
    finish(stage)


def test_a_suspect_that_has_to_wait_is_in_the_way_of_nothing_else() -> None:
    stage = Stage()
    stage.create(task("wide", cores=2))
    for n in range(2):
        die(stage, f"w{n}", 2)
    stage.create("long")
    stage.say("p", steal("v1", 1, slots=2))
    assert served(stage) == [("p", ["long"])]
    stage.say("q", steal("v2", 1, 2, slots=2))
    assert stage.take() == []
    stage.say("client", m.Create((task("fresh"),)))
    assert served(stage) == [("q", ["fresh"])]
    stage.say("q", complete("v2", 2, Result(2, 1), slots=2, n=2))
    stage.take()
    stage.say("p", complete("v1", 2, Result(1, 1), slots=2))
    assert served(stage) == [("q", ["wide"])]
    stage.take()
    finish(stage)


def test_a_suspect_that_has_to_wait_does_not_keep_a_retry_from_the_worker_that_idles() -> None:
    stage = Stage(Policy(retries=1, delay=0.0))
    stage.create("suspect")
    for n in range(2):
        die(stage, f"w{n}")
    stage.create("long", "again")
    stage.say("p", steal("v1", 1))
    stage.say("q", steal("v2", 1))
    assert served(stage) == [("p", ["long"]), ("q", ["again"])]
    stage.say("q", complete("v2", 2, Result(2, 1, 1), n=1))
    assert served(stage) == [("q", ["again"])]
    stage.take()
    finish(stage)


def test_suspects_go_out_singly_in_the_original_dialect_too() -> None:
    stage = Stage()
    stage.create("a", "b")
    die(stage, n=2)
    assert told(stage.ask("q", m.Steal("vm", 9))) == ["a"]
    assert told(stage.ask("q", m.Steal("vm", 9))) == ["b"]
    finish(stage)


def test_a_full_worker_with_a_suspect_gets_nothing_further() -> None:
    stage = Stage()
    stage.create("a")
    die(stage)
    stage.say("q", steal("w2", 1, 512))
    assert served(stage) == [("q", ["a"])]
    stage.create("b", "c")
    stage.say("q", steal("w2", 2, 512))  # ahead of need
    assert stage.take() == []
    stage.say("q", steal("w2", 3, 512, wait=0.0))
    assert stage.take() == [("q", m.NotFound(answers=3))]
    stage.say("q", steal("w2", 4, 512))
    stage.say("r", steal("w3", 1))  # it has no suspect, and is idle
    assert served(stage) == [("r", ["b"])]
    stage.say("r", complete("w3", 2, Result(1, 1)))
    stage.take()
    stage.say("q", complete("w2", 5, Result(0, 2), n=512))
    assert served(stage) == [("q", ["c"])]
    finish(stage)


def test_a_worker_with_a_suspect_and_a_free_slot_gets_more() -> None:
    stage = Stage()
    stage.create("a")
    die(stage)
    stage.say("q", steal("w2", 1, 1, slots=2))
    assert served(stage) == [("q", ["a"])]
    stage.create("b", "c", "d")
    stage.say("q", steal("w2", 2, 1, slots=2))
    assert served(stage) == [("q", ["b"])]
    stage.say("q", steal("w2", 3, 1, slots=2))
    assert stage.take() == []
    finish(stage)


def test_a_suspect_that_ended_well_is_none_any_more() -> None:
    stage = Stage(Policy(losses=2))
    stage.create("a", "b")
    die(stage, n=2)
    stage.say("q", steal("w2", 1, 9, slots=9))
    stage.say("q", complete("w2", 2, Result(0, 2), slots=9))
    stage.take()
    assert [node.name for node in stage.hub.retries.lost] == ["b"]
    die(stage, "w3")
    assert stage.states() == "done failed"
    assert not stage.hub.retries.lost
    finish(stage)


def test_a_suspect_that_fails_is_one_still() -> None:
    stage = Stage(Policy(losses=2, retries=1, delay=0.0))
    stage.create("a")
    die(stage)
    fail(stage, "a")
    die(stage, "w2")
    assert stage.state("a") is State.FAILED
    finish(stage)


@pytest.mark.parametrize("before", [True, False], ids=["that has failed", "that fails later"])
def test_a_suspect_given_back_behind_a_task_is_skipped_with_it(before: bool) -> None:
    stage = Stage()
    stage.create("a")
    die(stage)
    stage.say("q", steal("w2", 1))
    stage.take()
    stage.create("sub")
    if before:
        fail(stage, "sub")
    stage.say("q", m.GiveBack("w2", (Returned(0, ("sub",)),)))
    stage.take()
    if not before:
        fail(stage, "sub")
    assert stage.states() == "skipped failed"
    assert not stage.hub.retries.lost
    finish(stage)


def test_the_losses_of_earlier_runs_count() -> None:
    stage = Stage(Policy(losses=2))
    stage.took(stage.hub.restore([Restored(0, task("a"), attempt=1, losses=1)], stage.now))
    stage.say("p", steal("w", 1))
    stage.lose("p")
    assert stage.states() == "failed"
    stage.take()
