"""A hub that goes on from a record: what it knows, and how workers come back to it."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from dwork.core import events as e
from dwork.core import messages as m
from dwork.core.errors import GraphError
from dwork.core.messages import Native, Returned, Verb
from dwork.core.peer_version import Version
from dwork.core.task import Assigned, Result, State, Task
from dwork.hub.graph import Restored
from dwork.hub.hub import Hub
from dwork.hub.membership import RETURN
from dwork.hub.policy import Policy
from tests.stage import INF, Stage, complete, finish, steal, task, told

DONE, FAILED, CANCELLED, ASSIGNED = State.DONE, State.FAILED, State.CANCELLED, State.ASSIGNED
WELCOME_AGAIN = m.Welcome("tcp://hub:1", again=True)


def restored(*entries: Restored, slots: Mapping[str, int] | None = None, policy: Policy | None = None) -> Stage:
    stage = Stage(policy)
    stage.took(stage.hub.restore(entries, stage.now, slots))
    assert not stage.sent
    return stage


def at_work(slots: Mapping[str, int] | None = None, policy: Policy | None = None) -> Stage:
    """w runs a in its second attempt and b; c is ready, and d comes after a."""
    stage = restored(
        Restored(0, task("a"), ASSIGNED, 2, "w"),
        Restored(1, task("b"), ASSIGNED, 1, "w"),
        Restored(2, task("c")),
        Restored(3, task("d", "a")),
        slots=slots,
        policy=policy,
    )
    assert stage.states() == "assigned assigned ready waiting"
    stage.heard()
    return stage


# -- what it knows ----------------------------------------------------------------------------------------------------


def test_what_is_left_is_told_in_the_order_of_the_record_and_without_joins() -> None:
    stage = restored(
        Restored(7, task("late", "j")),
        Restored(2, task("done"), DONE, 1, "w"),
        Restored(3, Task("j", None, ("done", "on its way"))),
        Restored(4, task("on its way"), ASSIGNED, 1, "w"),
        Restored(5, task("failed"), FAILED, 3, "w"),
        Restored(6, task("behind", "failed")),
        Restored(1, task("ready", "done")),
    )
    assert stage.heard() == [e.Resumed(100.0, [7, 4, 1])]
    assert stage.states() == "waiting done waiting assigned failed skipped ready"
    finish(stage)


def test_new_tasks_are_numbered_after_all_of_the_record() -> None:
    stage = restored(Restored(4, task("a")), Restored(2, task("b")))
    assert stage.ask("p", m.Lookup("#3")) == m.NotFound(("#3",))
    stage.create("a", task("c", "b"))
    assert stage.ask("p", m.Lookup("c")) == m.OK("waiting", 5)
    assert told(stage.ask("p", m.Steal("vm", 9))) == ["a", "b"]
    finish(stage)


def test_an_empty_record_is_not_over() -> None:
    stage = restored()
    assert stage.heard() == [e.Resumed(100.0, [])]
    assert not stage.hub.over
    stage.create("a")
    finish(stage)


def test_a_record_of_what_is_done_is_over() -> None:
    stage = restored(Restored(0, task("a"), DONE, 1, "w"), Restored(1, Task("j", None, ("a",))))
    assert stage.hub.over
    assert stage.states() == "done done"
    finish(stage)


def test_attempts_and_failures_go_on_where_they_were() -> None:
    stage = restored(Restored(0, task("a"), attempt=2, holder="w", failures=2), policy=Policy(retries=2))
    assert stage.ask("q", m.Lookup("a")) == m.OK("ready", 0)  # and is nobody's
    assert stage.ask("p", m.Steal("vm")) == m.Transfer((Assigned(0, 3, "a", "a"),), time=100.0)
    stage.ask("p", m.Complete("vm", (Result("a", 0, 1),)))
    assert stage.states() == "failed"
    finish(stage)


def test_what_was_held_is_held_and_what_was_cancelled_while_it_was_held_too() -> None:
    stage = restored(
        Restored(0, task("a"), suspended=True),
        Restored(1, task("b"), CANCELLED, suspended=True),
        Restored(2, task("c", "a", "b"), suspended=True),
    )
    assert stage.states() == "waiting cancelled skipped"
    assert stage.ask("p", m.Steal("vm")) == m.NotFound()
    assert "only a waiting or ready task can be held" in stage.refused(Verb.HOLD, "a")
    assert stage.order(Verb.RETRY, "b") == m.OK(n=1)
    assert stage.states() == "waiting waiting waiting"
    assert stage.order(Verb.RELEASE, "*") == m.OK(n=3)
    assert stage.states() == "ready ready waiting"
    finish(stage)


def test_what_was_skipped_can_be_revived() -> None:
    stage = restored(
        Restored(0, task("a"), FAILED, 1, "w"),
        Restored(1, task("b"), CANCELLED),
        Restored(2, task("c", "a", "b")),
    )
    assert stage.states() == "failed cancelled skipped"
    stage.order(Verb.RETRY, "a")
    assert stage.states() == "ready cancelled skipped"
    stage.order(Verb.RETRY, "b")
    assert stage.states() == "ready ready waiting"
    finish(stage)


def test_each_task_of_a_record_may_stand_before_those_that_it_comes_after() -> None:
    stage = restored(Restored(2, task("c", "b")), Restored(1, task("b", "a")), Restored(0, task("a"), FAILED))
    assert stage.states() == "skipped skipped failed"
    finish(stage)


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ([Restored(0, task("a", "b")), Restored(1, task("b", "a"))], "wait for one another: a -> b -> a|b -> a -> b"),
        ([Restored(0, task("a")), Restored(1, task("a"))], "the same name or id"),
        ([Restored(0, task("a")), Restored(0, task("b"))], "the same name or id"),
        ([Restored(0, task("a", "nosuch"))], "'nosuch', which does not exist"),
    ],
)
def test_a_record_that_makes_no_graph_is_refused(entries: list[Restored], reason: str) -> None:
    with pytest.raises(GraphError, match=reason):
        Hub().restore(entries, 100.0)


# -- workers come back ------------------------------------------------------------------------------------------------


def test_a_worker_that_comes_back_is_asked_what_it_has_and_goes_on() -> None:
    stage = at_work({"w": 2})
    stage.say("p", complete("w", 41, Result(0, 2), n=1, slots=2))
    assert stage.take() == [("p", WELCOME_AGAIN)]
    assert stage.heard() == []
    stage.say("p", complete("w", 42, Result(0, 2), n=1, slots=2, held=((1, 1),)))
    ((peer, reply),) = stage.take()
    assert (peer, told(reply)) == ("p", ["d"])
    assert [type(event) for event in stage.heard()] == [e.Joined, e.Finished, e.Stolen]
    stage.say("p", complete("w", 43, Result(0, 2), Result(1, 1), slots=2))  # the first once more
    assert stage.take() == [("p", m.OK(answers=43))]
    (finished,) = stage.heard()
    assert isinstance(finished, e.Finished) and [ended.name for ended in finished.tasks] == ["b"]
    finish(stage)


def test_a_worker_that_comes_back_with_another_protocol_is_refused_and_its_exit_frees_its_tasks() -> None:
    stage = at_work({"w": 2})
    other = Version(m.PROTOCOL + 1, "9.9")
    stage.say("p", complete("w", 42, Result(0, 2), slots=2, held=((1, 1),), version=other))
    ((_, refusal),) = stage.take()
    assert isinstance(refusal, m.Error) and (refusal.answers, refusal.version) == (42, m.OURS)
    assert stage.states() == "assigned assigned ready waiting" and stage.heard() == []
    assert stage.ask("p", m.Exit("w")) == m.OK()
    assert stage.states() == "ready ready ready waiting"
    finish(stage)


def test_what_a_worker_that_comes_back_has_no_more_is_ready_again() -> None:
    stage = at_work({"w": 2}, Policy(losses=1))
    stage.say("p", steal("w", 1, 2, slots=2, hello=True, held=()))
    welcome, handed = stage.take()
    assert welcome == ("p", m.Welcome("tcp://hub:1"))
    assert told(handed[1]) == ["a", "b"]
    finish(stage)


def test_a_result_that_the_record_has_already_is_answered_ok_and_counts_once() -> None:
    stage = restored(
        Restored(0, task("good"), DONE, 1, "w"),
        Restored(1, task("bad"), FAILED, 2, "w"),
        Restored(2, task("other's"), DONE, 1, "w2"),
        Restored(3, task("left")),
    )
    stage.heard()
    stage.say("p", complete("w", 9, Result(0, 1), Result(1, 2, 1), held=()))
    assert stage.take() == [("p", m.OK(answers=9))]
    stage.say("p", complete("w", 10, Result(0, 1), Result(2, 1)))
    assert stage.take() == [("p", m.NotFound((2,), 10))]
    assert [type(event) for event in stage.heard()] == [e.Joined]
    assert stage.states() == "done failed done ready"
    finish(stage)


def test_a_result_of_an_attempt_before_the_one_that_runs_does_not_count() -> None:
    stage = at_work({"w": 2})
    stage.say("p", complete("w", 9, Result(0, 1), slots=2, held=((0, 2), (1, 1))))
    assert stage.take() == [("p", m.NotFound((0,), 9))]
    stage.say("p", complete("w", 10, Result(0, 2), slots=2))
    assert stage.take() == [("p", m.OK(answers=10))]
    stage.say("p", complete("w", 11, Result(0, 1, 1), slots=2))  # it ended since: told again
    assert stage.take() == [("p", m.OK(answers=11))]
    assert stage.states() == "done assigned ready ready"
    finish(stage)


def test_a_holder_of_the_original_dialect_completes_by_name_and_gives_back() -> None:
    stage = at_work()
    assert stage.ask("p", m.Complete("w", (Result("a"),))) == m.OK()
    assert stage.ask("p", m.GiveBack("w", (Returned("b"),))) == m.OK()
    assert stage.states() == "done ready ready ready"
    assert stage.ask("p", m.Complete("w", (Result("a"),))) == m.NotFound(("a",))
    finish(stage)


def test_a_holder_can_be_said_goodbye_for() -> None:
    stage = at_work()
    assert stage.ask("p", m.Exit("w")) == m.OK()
    assert stage.states() == "ready ready ready waiting"
    finish(stage)


def test_a_holder_that_does_not_come_back_is_lost_in_time_and_may_come_still() -> None:
    stage = at_work({"w": 2}, Policy(silence=60.0))
    while stage.hub.deadline - stage.now <= 60.0 and stage.state("a") is ASSIGNED:
        stage.wait(stage.hub.deadline - stage.now)
    assert stage.now == 160.0
    assert stage.states() == "ready ready ready waiting"
    assert [type(event) for event in stage.heard()] == [e.Requeued, e.Left]
    stage.say("p", complete("w", 9, Result(0, 2), slots=2, held=((1, 1),)))
    assert stage.take() == [("p", m.OK(answers=9))]
    assert stage.states() == "done assigned ready ready"
    finish(stage)


def test_a_hub_that_stood_still_gives_all_another_while_to_be_heard() -> None:
    stage = at_work({"w": 2}, Policy(silence=60.0))
    stage.wait(500.0)  # its job was suspended, and what came meanwhile is still to be read
    assert stage.state("a") is ASSIGNED
    while stage.state("a") is ASSIGNED:
        stage.wait(stage.hub.deadline - stage.now)
    assert stage.now == 660.0
    finish(stage)


def test_a_worker_that_passes_on_what_a_task_prints_is_not_silent() -> None:
    stage = at_work({"w": 2}, Policy(silence=60.0))
    for _ in range(20):
        stage.wait(10.0)
        stage.say("p", m.Output("w", 0, 1, b"more"))
    assert stage.state("a") is ASSIGNED
    finish(stage)


def test_a_holder_of_the_original_dialect_is_waited_for_for_ever() -> None:
    stage = at_work()
    assert stage.hub.workers["w"].beat == 0.0 != RETURN
    stage.wait(1e6)
    assert stage.states() == "assigned assigned ready waiting"
    finish(stage)


def test_nothing_is_sent_to_a_holder_that_was_not_heard_of() -> None:
    stage = at_work({"w": 1})  # it holds more than it can run
    stage.say("q", steal("idle", 1, slots=3))
    assert [(peer, told(reply)) for peer, reply in stage.take()] == [("q", ["c"])]
    stage.say("q", steal("idle", 2, slots=3))  # which would have some called back
    stage.order(Verb.CANCEL, "a")
    stage.took(stage.hub.drain(100.0, "enough"))
    stage.took(stage.hub.drain(100.0, "now", running=True))
    stage.took(stage.hub.dismiss(stage.now))
    assert stage.take() == [("q", m.Cancel((2,))), ("q", m.Exit())]
    finish(stage)


def test_a_holder_that_comes_back_hears_what_was_cancelled_meanwhile() -> None:
    stage = at_work({"w": 2})
    assert stage.order(Verb.CANCEL, "a") == m.OK(n=1)
    assert stage.state("a") is ASSIGNED
    stage.say("p", steal("w", 9, slots=2, held=((0, 2), (1, 1)), wait=0.0))
    cancel, handed = stage.take()
    assert cancel == ("p", m.Cancel((0,)))
    assert told(handed[1]) == ["c"]
    stage.say("p", complete("w", 10, Result(0, 2, 143, 15), slots=2))
    stage.take()
    assert stage.states() == "cancelled assigned assigned skipped"
    finish(stage)


def test_a_holder_that_comes_back_to_a_hub_that_ends_all_is_told_to_end_what_it_has() -> None:
    stage = at_work({"w": 2})
    stage.took(stage.hub.drain(100.0, "enough", running=True))
    stage.say("p", steal("w", 9, slots=2, held=((0, 2), (1, 1))))
    assert stage.take() == [("p", m.Cancel((0, 1)))]
    finish(stage)


def test_a_holder_that_has_come_back_is_called_on_for_what_it_cannot_run() -> None:
    stage = at_work({"w": 1})
    stage.say("q", steal("idle", 1, slots=2))
    stage.say("q", steal("idle", 2, slots=2))
    assert [(peer, told(reply)) for peer, reply in stage.take()] == [("q", ["c"])]
    stage.say("p", steal("w", 9, held=((0, 2), (1, 1))))
    assert stage.take() == [("p", m.Recall(1))]
    finish(stage)


# -- workers that were taken for lost ---------------------------------------------------------------------------------


def test_a_task_cancelled_at_its_second_worker_that_the_first_has_done_is_done() -> None:
    stage = Stage()
    stage.create("a", task("b", "a"))
    stage.say("p", steal("w", 1))
    stage.lose("p")
    stage.say("q", steal("w2", 1))
    stage.order(Verb.CANCEL, "a")
    stage.take()
    stage.say("p", complete("w", 2, Result(0, 1), held=()))
    assert stage.take() == [("q", m.Cancel((0,))), ("p", m.OK(answers=2))]
    assert stage.states() == "done ready"
    stage.say("q", complete("w2", 2, Result(0, 2, 143, 15)))
    assert stage.take() == [("q", m.NotFound((0,), 2))]
    finish(stage)


def test_a_task_that_nobody_has_run_is_not_adopted() -> None:
    stage = Stage()
    stage.create("a", "b")
    stage.say("p", steal("w", 1, held=((1, 0), (7, 0)), wait=0.0))
    cancel, handed = stage.take()
    assert cancel == ("p", m.Cancel((1, 7)))
    assert told(handed[1]) == ["a"]
    assert stage.states() == "assigned ready"
    finish(stage)


def test_what_was_lost_in_earlier_runs_goes_last_and_alone_when_that_was_more_than_once() -> None:
    stage = restored(
        Restored(0, task("lost", priority=5), attempt=2, losses=2, last=2),
        Restored(1, task("failed", priority=5), attempt=1, last=1),
        Restored(2, task("fresh")),
    )
    stage.say("p", steal("w", 1, 9, slots=2))
    assert [told(message) for _, message in stage.take() if isinstance(message, m.Transfer)] == [["fresh", "failed"]]
    stage.say("q", steal("w2", 1))
    assert stage.take() == []
    stage.say("p", complete("w", 2, Result(1, 2), Result(2, 1), slots=2))
    assert [told(message) for _, message in stage.take() if isinstance(message, m.Transfer)] == [["lost"]]
    finish(stage)


def test_after_one_death_which_is_seldom_a_task_s_fault_no_slot_is_left_idle() -> None:
    lost = [Restored(id, task(f"t{id}"), attempt=1, losses=1, last=id + 1) for id in range(3)]
    stage = restored(*lost)
    for id in range(3):
        stage.say(f"p{id}", steal(f"w{id}", 1))
    assert stage.states() == "assigned assigned assigned"
    stage.take()


def test_what_was_lost_too_often_in_earlier_runs_has_failed_once_and_is_tried_once_more_then() -> None:
    policy = Policy(losses=3)
    entry = Restored(0, task("a"), attempt=3, holder="w", losses=3, last=1)
    stage = restored(entry, Restored(1, task("b", "a")), policy=policy)
    assert stage.states() == "failed skipped"
    (failed,) = [event for event in stage.heard() if isinstance(event, e.Failed)]
    assert (failed.location, failed.task.result.attempt) == ("w", 3)
    assert "died 3 times while it ran" in failed.task.result.error
    assert stage.hub.over
    finish(stage)
    stage = restored(entry._replace(spared=True), policy=policy)
    assert stage.states() == "ready"
    stage.say("q", steal("w2", 1))
    stage.lose("q")
    stage.take()
    assert stage.states() == "failed"
    finish(stage)


def test_a_copy_of_a_task_that_is_skipped_is_to_be_dropped() -> None:
    stage = Stage()
    stage.create("a")
    stage.say("p", steal("w", 1))
    stage.lose("p")
    stage.take()
    assert told(stage.ask("q", m.Steal("vm"))) == ["a"]
    stage.create("bad")
    stage.say("p", steal("w", 2, held=((0, 1),)))
    assert stage.take()[0][1].answers == 2  # type: ignore[union-attr]
    stage.say("p", complete("w", 3, Result(1, 1, 1)))
    stage.take()
    assert stage.states() == "assigned failed"
    stage.say("q", m.GiveBack("vm", (Returned("a", ("bad",)),)))
    assert stage.take() == [("p", m.Cancel((0,))), ("q", m.OK())]
    assert stage.states() == "skipped failed"
    finish(stage)


@pytest.mark.parametrize("has_ended", [True, False], ids=["and has ended", "and still runs"])
def test_a_copy_that_began_before_its_predecessor_ran_again_does_not_count(has_ended: bool) -> None:
    stage = Stage()
    stage.create("a", task("b", "a"))
    stage.say("p", steal("w", 1))
    stage.say("p", complete("w", 2, Result(0, 1)))
    stage.say("q", steal("w2", 1))
    stage.lose("q")
    stage.say("p", m.GiveBack("w", (Returned(0),), Native(1, INF, 3)))  # a is done no more
    stage.say("p", steal("w", 4))
    stage.say("p", complete("w", 5, Result(0, 2)))
    assert stage.states() == "done ready"
    stage.take()
    if has_ended:
        stage.say("q", complete("w2", 2, Result(1, 1), held=()))
        assert stage.take() == [("q", m.NotFound((1,), answers=2))]
    else:
        stage.say("q", steal("w2", 2, held=((1, 1),), wait=0.0))
        cancel, handed = stage.take()
        assert cancel == ("q", m.Cancel((1,)))
        assert handed[1] == m.Transfer((Assigned(1, 2, "b", "b"),), answers=2)
    assert stage.state("b") is not DONE
    finish(stage)


def test_a_copy_of_a_task_that_has_got_another_predecessor_does_not_count() -> None:
    stage = Stage()
    stage.create("a", "b")
    stage.say("p", steal("w", 1))
    stage.lose("p")
    stage.say("q", steal("w2", 1, slots=2))
    stage.say("q", steal("w2", 2, slots=2))  # the suspect goes last
    stage.say("q", m.GiveBack("w2", (Returned(0, ("b",)),), Native(2, INF, 3)))
    assert stage.states() == "waiting assigned"
    stage.say("q", complete("w2", 4, Result(1, 1), slots=2))
    assert stage.states() == "ready done"
    stage.take()
    stage.say("p", complete("w", 2, Result(0, 1), held=()))
    assert stage.take() == [("p", m.NotFound((0,), answers=2))]
    assert stage.states() == "ready done"
    finish(stage)


def test_a_worker_that_is_to_come_back_with_a_task_of_many_cores_holds_no_more_than_it_runs() -> None:
    big = Restored(0, task("big", cores=8), ASSIGNED, 1, "w")
    stage = restored(big, Restored(1, task("small"), ASSIGNED, 1, "w"), slots={"w": 1})
    worker = stage.hub.workers["w"]
    assert (worker.running, worker.surplus, worker.free) == (1, 1, 0)
    assert worker.busy >= 0
