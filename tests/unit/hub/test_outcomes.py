"""What the results of attempts mean: done, retried, failed, cancelled or interrupted."""

from __future__ import annotations

from dwork.core import events as e
from dwork.core import messages as m
from dwork.core.messages import Verb
from dwork.core.task import Result, State
from dwork.hub.policy import Policy
from tests.stage import Stage, complete, fail, finish, steal, task, told


def test_a_task_that_a_worker_has_ended_counts_once_for_it(stage: Stage) -> None:
    stage.create("a", "b")
    stage.say("p", steal("w", 1, 2, slots=2))
    stage.say("p", complete("w", 2, Result(0, 1), Result(1, 1, 1), Result(0, 1), slots=2))
    assert stage.hub.workers["w"].ended == 2
    stage.take()


def test_a_cancelled_task_is_not_retried_while_the_pool_stops(stage: Stage) -> None:
    stage.create("a")
    stage.say("p", steal("w", 1))
    stage.order(Verb.CANCEL, "a")
    stage.took(stage.hub.drain(stage.now, "enough", running=True))
    stage.say("p", complete("w", 2, Result(0, 1, 143, 15)))
    assert stage.states() == "cancelled"
    stage.take()


def test_complete_by_somebody_else_is_not_found(stage: Stage) -> None:
    stage.create("a", "b")
    stage.ask("p", m.Steal("vm"))
    for location, name in (("other", "a"), ("vm", "b"), ("vm", "nosuch")):
        assert stage.ask("p", m.Complete(location, (Result(name),))) == m.NotFound((name,))
    assert stage.state("a") is State.ASSIGNED
    assert stage.ask("p", m.Complete("vm", (Result("nosuch"), Result("a")))) == m.NotFound(("nosuch",))
    assert stage.state("a") is State.DONE
    assert stage.ask("p", m.Complete("vm", (Result("a"),))) == m.NotFound(("a",))


def test_a_task_told_twice_in_one_message_counts_once(stage: Stage) -> None:
    stage.create("a")
    stage.ask("p", m.Steal("vm"))
    assert stage.ask("p", m.Complete("vm", (Result("a"), Result("a", 0, 1)))) == m.NotFound(("a",))
    assert stage.hub.graph.counts[State.DONE] == 1


def test_a_result_of_another_attempt_is_not_found(stage: Stage) -> None:
    stage.create("a")
    stage.ask("p", m.Steal("vm"))
    assert stage.ask("p", m.Complete("vm", (Result("a", 2),))) == m.NotFound(("a",))
    assert stage.ask("p", m.Complete("vm", (Result("a", 1),))) == m.OK()
    assert stage.ask("p", m.Complete("vm", (Result("a", 1),))) == m.OK()  # told again: the answer was lost


def test_a_completion_of_what_is_not_held_is_told_beside_the_transfer(stage: Stage) -> None:
    stage.create("a", "b")
    stage.say("p", complete("w", 1, Result(0, 1), n=1))
    transfer, missing = stage.take()
    assert told(transfer[1]) == ["a"]
    assert missing == ("p", m.NotFound((0,), 1))


def test_a_result_told_again_is_fine(stage: Stage) -> None:
    stage.create("a", "b", "c")
    stage.say("p", steal("w", 1, 3, slots=3))
    stage.take()
    stage.say("p", complete("w", 2, Result(0, 1), Result(1, 1, 1), slots=3))
    stage.say("p", complete("w", 3, Result(0, 1), Result(1, 1, 1), held=((2, 1),), slots=3))
    assert stage.take() == [("p", m.OK(answers=2)), ("p", m.OK(answers=3))]
    assert stage.hub.graph.counts[State.FAILED] == stage.hub.graph.counts[State.DONE] == 1


def test_a_failed_task_is_retried_behind_the_others_and_then_skips_its_successors() -> None:
    stage = Stage(Policy(retries=1, delay=0))
    stage.create("a", "b", task("c", "a"), task("d", "c"))
    fail(stage, "a")
    assert told(stage.ask("p", m.Steal("vm"))) == ["b"]
    stage.heard()
    fail(stage, "a")
    stolen, failed, skipped = stage.heard()
    assert isinstance(stolen, e.Stolen) and stolen.tasks[0].attempt == 2
    assert isinstance(failed, e.Failed) and failed.task.name == "a"
    assert isinstance(skipped, e.Skipped) and skipped.culprit == (0, "a")
    assert sorted(named.name for named in skipped.tasks) == ["c", "d"]
    assert not stage.hub.over
    assert stage.ask("p", m.Complete("vm", (Result("b"),))) == m.OK()
    assert stage.hub.over
    finish(stage)


def test_a_task_may_say_how_often_it_is_retried() -> None:
    stage = Stage(Policy(retries=1, delay=0))
    stage.create(task("never", retries=0))
    fail(stage, "never")
    assert stage.state("never") is State.FAILED
    stage.create(task("twice", retries=2))
    stage.heard()
    for _ in range(3):
        fail(stage, "twice")
    assert [event.attempts_left for event in stage.heard() if isinstance(event, e.Retried)] == [2, 1]
    assert stage.state("twice") is State.FAILED
    finish(stage)


def test_a_completion_and_a_steal_get_one_answer(stage: Stage) -> None:
    stage.create("a", "b")
    stage.say("p", steal("w", 1))
    stage.take()
    stage.say("p", complete("w", 2, Result(0, 1), n=1))
    ((_, reply),) = stage.take()
    assert told(reply) == ["b"]
    assert reply.answers == 2  # type: ignore[union-attr]
    stage.say("p", complete("w", 3, Result(1, 1), n=1))
    assert stage.take() == [("p", m.Exit(answers=3))]


def test_a_completion_whose_steal_must_wait_is_answered_for_itself(stage: Stage) -> None:
    stage.create("a", "b")
    stage.say("p", steal("w", 1))
    stage.say("q", steal("w2", 1))
    stage.take()
    stage.say("p", complete("w", 2, Result(0, 1), n=1))
    assert stage.take() == [("p", m.OK(answers=2))]
    stage.say("q", complete("w2", 2, Result(1, 1), n=1))
    assert stage.take() == [("q", m.Exit(answers=2)), ("p", m.Exit())]
