"""What people do to tasks: cancel, retry, hold and release them."""

from __future__ import annotations

import pytest

from dwork.core import events as e
from dwork.core import messages as m
from dwork.core.cause import Cause
from dwork.core.messages import Returned, Verb
from dwork.core.task import Result, State, Task
from dwork.hub.policy import Policy
from tests.stage import Stage, complete, fail, finish, one_of_each, steal, succeed, task, told

MANY = 3_000  # three times what recursion could bear


def named(event: e.Event) -> list[str]:
    return [task.name for task in event.tasks]  # type: ignore[union-attr]


def culprit(stage: Stage, name: str) -> str:
    node = stage.hub.graph.names[name].culprit
    assert node is not None
    return node.name


# -- cancel -----------------------------------------------------------------------------------------------------------


def test_a_ready_or_waiting_task_is_taken_out_at_once_and_its_successors_are_skipped(stage: Stage) -> None:
    stage.create("a", "b", task("c", "b"), task("d", "c"), task("e", "a"))
    stage.heard()
    assert stage.order(Verb.CANCEL, "a", "c") == m.OK(n=2)
    cancelled, *skipped = stage.heard()
    assert cancelled == e.Cancelled(100.0, [(0, "a"), (2, "c")], "on request")
    assert skipped == [e.Skipped(100.0, [(4, "e")], (0, "a")), e.Skipped(100.0, [(3, "d")], (2, "c"))]
    assert stage.states() == "cancelled ready cancelled skipped skipped"
    succeed(stage, "b")
    assert stage.hub.over


def test_what_was_skipped_for_one_of_those_that_are_cancelled_is_not_cancelled(stage: Stage) -> None:
    stage.create("a", task("b", "a"), Task("j", None, ("b",)), task("c", "j"))
    stage.heard()
    assert stage.order(Verb.CANCEL, "*") == m.OK(n=3)
    cancelled, skipped = stage.heard()
    assert (named(cancelled), sorted(named(skipped))) == (["a"], ["b", "c"])
    assert stage.states() == "cancelled skipped skipped skipped"


def running(stage: Stage) -> None:
    """a and b are in the hands of w, a native worker; c comes after both."""
    stage.create("a", "b", task("c", "a", "b"))
    stage.say("p", steal("w", 1, 2, slots=2))
    stage.take()
    stage.heard()


def test_a_native_worker_is_asked_for_what_it_holds_and_done_is_done(stage: Stage) -> None:
    running(stage)
    assert stage.order(Verb.CANCEL, "b", "a") == m.OK(n=2)
    assert stage.take() == [("p", m.Cancel((1, 0)))]
    assert stage.heard() == []
    assert stage.states() == "assigned assigned waiting"
    stage.say("p", complete("w", 2, Result(0, 1), Result(1, 1), slots=2))
    assert stage.take() == [("p", m.OK(answers=2))]
    assert stage.states() == "done done ready"


def test_a_cancelled_task_that_ends_badly_is_killed_and_not_tried_again() -> None:
    stage = Stage(Policy(retries=3))
    running(stage)
    stage.order(Verb.CANCEL, "a")
    stage.take()
    ended = Result(0, 1, 143, 15, cause=Cause.CANCELLED, error="cancelled")
    stage.say("p", complete("w", 2, ended, Result(1, 1, 1), slots=2))
    stage.take()
    killed, skipped, retried = stage.heard()
    assert killed == e.Killed(100.0, "w", e.Ended(0, "a", ended), "on request")
    assert (named(skipped), skipped.culprit) == (["c"], (0, "a"))  # type: ignore[union-attr]
    assert isinstance(retried, e.Retried)
    assert stage.states() == "cancelled waiting skipped"
    finish(stage)


def test_a_cancelled_task_that_was_not_started_is_gone_when_it_is_given_back(stage: Stage) -> None:
    running(stage)
    stage.order(Verb.CANCEL, "a")
    stage.take()
    stage.say("p", m.GiveBack("w", (Returned(0), Returned(1))))
    assert stage.take() == [("p", m.OK())]
    requeued, cancelled, skipped = stage.heard()
    assert (named(requeued), named(cancelled), named(skipped)) == (["a", "b"], ["a"], ["c"])
    assert stage.states() == "cancelled ready skipped"


def test_a_cancelled_task_whose_worker_dies_is_gone_and_no_suspect() -> None:
    stage = Stage(Policy(losses=1))
    running(stage)
    stage.order(Verb.CANCEL, "a")
    stage.take()
    stage.lose("p")
    assert stage.states() == "cancelled failed skipped"
    assert not stage.hub.retries.lost
    finish(stage)


def test_a_cancelled_task_given_back_behind_a_failed_one_is_skipped(stage: Stage) -> None:
    running(stage)
    stage.create("sub")
    fail(stage, "sub")
    stage.order(Verb.CANCEL, "a")
    stage.take()
    stage.say("p", m.GiveBack("w", (Returned(0, ("sub",)),)))
    stage.take()
    assert stage.states() == "skipped assigned skipped failed"
    assert culprit(stage, "a") == "sub"


def test_of_two_cancelled_tasks_given_back_one_behind_the_other_the_second_is_skipped(stage: Stage) -> None:
    stage.create("a", "b")
    stage.say("p", steal("w", 1, 2, slots=2))
    stage.order(Verb.CANCEL, "*")
    stage.say("p", m.GiveBack("w", (Returned(0), Returned(1, ("a",)))))
    assert stage.states("a", "b") == "cancelled skipped"
    assert not any(isinstance(reply, m.Error) for _, reply in stage.take())


def test_whoever_cancels_again_asks_again(stage: Stage) -> None:
    running(stage)
    for _ in range(2):
        assert stage.order(Verb.CANCEL, "a") == m.OK(n=1)
        assert stage.take() == [("p", m.Cancel((0,)))]
    stage.say("p", complete("w", 2, Result(0, 1, 143, 15), slots=2))
    stage.take()
    assert "'a' is cancelled" in stage.refused(Verb.CANCEL, "a")


def test_a_worker_that_tells_what_it_has_is_told_again_what_to_end(stage: Stage) -> None:
    running(stage)
    stage.order(Verb.CANCEL, "a")
    stage.take()  # and is lost
    stage.say("p", steal("w", 2, slots=2, held=((0, 1), (1, 1))))
    assert stage.take() == [("p", m.Cancel((0,)))]


@pytest.mark.parametrize("location", ["vm", ""])
def test_a_task_held_in_the_original_dialect_is_cancelled_at_once(stage: Stage, location: str) -> None:
    stage.create("a", "b", task("c", "a"))
    stage.ask("p", m.Steal(location, 2))
    stage.heard()
    assert stage.order(Verb.CANCEL, "a") == m.OK(n=1)
    assert [type(event) for event in stage.heard()] == [e.Cancelled, e.Skipped]
    assert stage.states() == "cancelled assigned skipped"
    assert stage.ask("p", m.Complete(location, (Result("a"),))) == m.NotFound(("a",))
    assert stage.ask("p", m.Complete(location, (Result("b"),))) == m.OK()
    assert stage.hub.over


def test_when_the_last_task_is_cancelled_all_who_wait_may_go(stage: Stage) -> None:
    stage.create("a")
    stage.order(Verb.HOLD, "a")
    stage.say("p", steal("w", 1))
    assert stage.take() == []
    stage.order(Verb.CANCEL, "a")
    assert stage.take() == [("p", m.Exit())]


@pytest.mark.parametrize("state", ["done", "failed", "cancelled", "skipped"])
def test_what_has_ended_cannot_be_cancelled(stage: Stage, state: str) -> None:
    one_of_each(stage)
    assert f"'{state}' is {state}: only a task that has not ended" in stage.refused(Verb.CANCEL, state)
    assert stage.order(Verb.CANCEL, "*") == m.OK(n=1)


# -- retry ------------------------------------------------------------------------------------------------------------


def test_a_failed_task_runs_again_and_with_it_what_was_skipped_for_it() -> None:
    stage = Stage(Policy(retries=1, delay=0.0))
    stage.create("a", task("b", "a"), Task("j", None, ("b",)), task("c", "j"), task("d", "a", "c"))
    fail(stage, "a")
    fail(stage, "a")
    stage.heard()
    assert stage.hub.over
    assert stage.order(Verb.RETRY, "a") == m.OK(n=1)
    (revived,) = stage.heard()
    assert isinstance(revived, e.Revived)
    assert (named(revived)[0], sorted(named(revived))) == ("a", ["a", "b", "c", "d"])
    assert stage.states() == "ready waiting waiting waiting waiting"
    assert stage.ask("q", m.Lookup("a")) == m.OK("ready", 0)  # and nobody's any more
    fail(stage, "a")  # which may fail as often as before
    assert stage.hub.graph.names["a"].attempt == 3
    for name in "abcd":
        succeed(stage, name)
    assert stage.hub.over
    finish(stage)


def test_a_cancelled_task_runs_again_and_waits_for_what_it_waited_for(stage: Stage) -> None:
    stage.create("a", task("b", "a"), task("c", "b"))
    stage.order(Verb.CANCEL, "b")
    assert stage.order(Verb.RETRY, "b") == m.OK(n=1)
    assert stage.states() == "ready waiting waiting"
    stage.order(Verb.CANCEL, "b")
    succeed(stage, "a")
    stage.order(Verb.RETRY, "b")
    succeed(stage, "b")
    succeed(stage, "c")


def test_who_waits_is_handed_what_is_tried_again(stage: Stage) -> None:
    stage.create("a", "b")
    fail(stage, "a")
    stage.say("p", steal("w", 1))
    stage.say("q", steal("w2", 1))
    stage.take()
    assert stage.order(Verb.RETRY, "a") == m.OK(n=1)
    ((peer, handed),) = stage.take()
    assert (peer, told(handed)) == ("q", ["a"])
    assert handed.tasks[0].attempt == 2  # type: ignore[union-attr]


def test_what_another_lost_predecessor_keeps_skipped_is_skipped_for_that_one(stage: Stage) -> None:
    stage.create("a", "b", task("c", "a"), task("d", "c", "b"), task("e", "d"), task("f", "c"))
    fail(stage, "a", "b")
    assert {culprit(stage, name) for name in "cdef"} == {"a"}
    stage.heard()
    assert stage.order(Verb.RETRY, "a") == m.OK(n=1)
    revived, skipped = stage.heard()
    assert sorted(named(revived)) == ["a", "c", "d", "e", "f"]
    assert skipped == e.Skipped(100.0, [(3, "d"), (4, "e")], (1, "b"))
    assert stage.states() == "ready failed waiting skipped skipped waiting"
    assert {culprit(stage, name) for name in "de"} == {"b"}
    stage.order(Verb.RETRY, "b")
    assert sorted(named(stage.heard()[-1])) == ["b", "d", "e"]
    succeed(stage, "a", "b")


def test_a_cancelled_task_behind_a_failed_one_is_skipped_until_that_is_tried_again(stage: Stage) -> None:
    stage.create("a", task("b", "a"), task("c", "b"))
    stage.order(Verb.CANCEL, "b")
    fail(stage, "a")
    stage.heard()
    assert culprit(stage, "c") == "b"
    assert stage.order(Verb.RETRY, "b") == m.OK(n=1)
    both = [(1, "b"), (2, "c")]
    assert stage.heard() == [e.Revived(100.0, both), e.Skipped(100.0, both, (0, "a"))]
    assert stage.states() == "failed skipped skipped"
    assert culprit(stage, "c") == "a"
    assert "'b' is skipped: only a failed or cancelled task" in stage.refused(Verb.RETRY, "b")
    stage.order(Verb.RETRY, "a")
    assert sorted(named(stage.heard()[-1])) == ["a", "b", "c"]
    for name in "abc":
        succeed(stage, name)


def test_lost_tasks_that_come_after_one_another_can_be_tried_again_together(stage: Stage) -> None:
    stage.create("a", task("b", "a"), task("c", "b"), task("d", "c"))
    stage.order(Verb.CANCEL, "c")
    stage.order(Verb.CANCEL, "b")
    fail(stage, "a")
    assert stage.order(Verb.RETRY, "*") == m.OK(n=3)
    assert stage.states() == "ready waiting waiting waiting"


def test_a_way_through_a_lost_task_may_come_back_and_so_must_be_no_circle(stage: Stage) -> None:
    stage.create("a", task("b", "a"), task("c", "b"))
    stage.order(Verb.CANCEL, "b")
    stage.ask("p", m.Steal("vm"))
    for name, circle in (("b", "a -> b -> a"), ("c", "a -> b -> c -> a")):
        reply = stage.ask("p", m.GiveBack("vm", (Returned("a", (name,)),)))
        assert isinstance(reply, m.Error) and circle in reply.text


@pytest.mark.parametrize("state", ["done", "skipped", "ready"])
def test_only_what_failed_or_was_cancelled_can_be_tried_again(stage: Stage, state: str) -> None:
    one_of_each(stage)
    assert f"'{state}' is {state}: only a failed or cancelled" in stage.refused(Verb.RETRY, state)
    assert stage.order(Verb.RETRY, "*") == m.OK(n=2)
    assert stage.states() == "done ready waiting ready ready"


def test_very_many_failed_before_one_join_are_tried_again(stage: Stage) -> None:
    names = [f"t{i}" for i in range(MANY)]
    stage.create(*names, Task("all", None, tuple(names)), task("last", "all"), Task("end", None, (*names, "last")))
    fail(stage, *names)
    assert stage.states("last", "end") == "skipped skipped"
    assert stage.order(Verb.RETRY, "t0", "t1") == m.OK(n=2)
    assert stage.states("last", "end") == "skipped skipped"
    assert stage.order(Verb.RETRY, "*") == m.OK(n=MANY - 2)
    assert stage.states("last", "end") == "waiting waiting"
    assert stage.hub.graph.ready == MANY


def test_a_task_that_stays_skipped_gets_the_other_culprit(stage: Stage) -> None:
    stage.create("a", "b", task("c", "a", "b"), task("d", "c"))
    stage.order(Verb.CANCEL, "a", "b")
    stage.heard()
    stage.order(Verb.RETRY, "a")
    revived, skipped = stage.heard()
    assert isinstance(revived, e.Revived) and named(revived) == ["a", "c", "d"]
    assert skipped == e.Skipped(100.0, [(2, "c"), (3, "d")], (1, "b"))


def test_very_many_behind_one_another_are_revived_without_recursion(stage: Stage) -> None:
    chain = [task(str(i), str(i - 1)) for i in range(1, MANY)]
    stage.create("0", "other", *chain, task("last", str(MANY - 1), "other"))
    fail(stage, "0", "other")
    assert stage.order(Verb.RETRY, "0") == m.OK(n=1)
    assert stage.hub.graph.counts[State.WAITING] == MANY - 1
    assert culprit(stage, "last") == "other"


# -- hold and release -------------------------------------------------------------------------------------------------


def test_what_is_held_does_not_start_until_it_is_released(stage: Stage) -> None:
    stage.create("a", "b", task("c", "b"))
    stage.heard()
    assert stage.order(Verb.HOLD, "a", "c") == m.OK(n=2)
    assert stage.heard() == [e.Held(100.0, [(0, "a"), (2, "c")])]
    succeed(stage, "b")
    assert stage.states() == "waiting done waiting"
    assert not stage.hub.over
    stage.say("p", steal("w", 1))
    stage.heard()
    assert stage.take() == []
    assert stage.order(Verb.RELEASE, "c") == m.OK(n=1)
    assert [(peer, told(message)) for peer, message in stage.take()] == [("p", ["c"])]
    assert stage.heard()[0] == e.Released(100.0, [(2, "c")])
    assert [stage.hub.is_held(stage.hub.graph.names[name]) for name in "abc"] == [True, False, False]


def test_a_held_task_waits_for_its_predecessors_and_its_release_in_any_order(stage: Stage) -> None:
    stage.create("a", task("b", "a"))
    stage.order(Verb.HOLD, "b")
    stage.order(Verb.RELEASE, "b")
    assert stage.states() == "ready waiting"
    stage.order(Verb.HOLD, "b")
    succeed(stage, "a")
    assert stage.states() == "done waiting"
    stage.order(Verb.RELEASE, "b")
    assert stage.states() == "done ready"


def test_a_task_that_was_held_or_cancelled_for_a_while_is_handed_out_once(stage: Stage) -> None:
    stage.create("a", "b", "c")
    for there, back in ((Verb.HOLD, Verb.RELEASE), (Verb.CANCEL, Verb.RETRY)):
        stage.order(there, "a", "b")
        stage.order(back, "b", "a")
    assert sorted(told(stage.ask("p", m.Steal("vm", 9)))) == ["a", "b", "c"]
    assert stage.ask("p", m.Steal("vm", 9)) == m.NotFound()


def test_a_held_task_that_waits_for_its_retry_needs_both() -> None:
    stage = Stage(Policy(retries=1))
    stage.create("a")
    fail(stage, "a")
    assert stage.order(Verb.HOLD, "a") == m.OK(n=1)
    stage.wait(1.0)
    assert stage.states() == "waiting"
    stage.order(Verb.RELEASE, "a")
    assert stage.states() == "ready"
    finish(stage)


def test_a_held_task_can_be_cancelled_and_is_held_when_it_is_tried_again(stage: Stage) -> None:
    stage.create("a", task("b", "a"))
    stage.order(Verb.HOLD, "*")
    stage.order(Verb.CANCEL, "a")
    stage.order(Verb.RETRY, "a")
    assert stage.states() == "waiting waiting"
    stage.order(Verb.CANCEL, "a")
    assert stage.order(Verb.RELEASE, "a") == m.OK(n=1)
    assert stage.states() == "cancelled skipped"
    stage.order(Verb.RETRY, "a")
    succeed(stage, "a")
    assert stage.states() == "done waiting"


@pytest.mark.parametrize("state", ["done", "failed", "skipped", "cancelled", "assigned"])
def test_only_what_nobody_holds_can_be_held(stage: Stage, state: str) -> None:
    one_of_each(stage)
    stage.create("assigned")
    stage.order(Verb.HOLD, "ready")
    assert told(stage.ask("p", m.Steal("vm"))) == ["assigned"]
    assert f"'{state}' is {state}: only a waiting or ready task can be held" in stage.refused(Verb.HOLD, state)
    assert "'ready' is waiting: only a waiting or ready task can be held" in stage.refused(Verb.HOLD, "ready")
    assert f"'{state}' is {state}: it is not held" in stage.refused(Verb.RELEASE, state)
    assert stage.order(Verb.RELEASE, "*") == m.OK(n=1)


def test_a_task_of_a_peer_of_the_original_dialect_leaves_it_when_it_is_cancelled(stage: Stage) -> None:
    stage.create("a")
    stage.ask("p", m.Steal("vm"))
    stage.order(Verb.CANCEL, "a")
    assert not stage.hub.workers["vm"].held
