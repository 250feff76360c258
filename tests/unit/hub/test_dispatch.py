"""Which ready task goes to which worker, whose Steal waits, and who is asked to give something back."""

from __future__ import annotations

from dwork.core import messages as m
from dwork.core.messages import Native, Returned
from dwork.core.task import Result
from dwork.hub.policy import Policy
from tests.stage import INF, Stage, complete, finish, steal, task, told


def test_the_first_worker_before_the_first_task_waits(stage: Stage) -> None:
    stage.say("p", steal("w", 1, hello=True))
    assert stage.take() == [("p", m.Welcome("tcp://hub:1"))]
    stage.say("client", m.Create((task("a"),)))
    created, handed = stage.take()
    assert created == ("client", m.OK())
    assert handed[0] == "p" and told(handed[1]) == ["a"]
    assert handed[1].answers == 1  # type: ignore[union-attr]


def test_a_parked_steal_is_answered_when_its_time_is_up(stage: Stage) -> None:
    stage.say("p", steal("w", 1, wait=5.0))
    stage.say("q", steal("w2", 1, wait=7.0))
    assert stage.hub.deadline == 105.0
    stage.took(stage.hub.tick(104.9))
    assert stage.take() == []
    stage.took(stage.hub.tick(105.0))
    assert stage.take() == [("p", m.NotFound(answers=1))]
    stage.took(stage.hub.tick(200.0))
    assert stage.take() == [("q", m.NotFound(answers=1))]
    assert stage.hub.deadline == INF


def test_a_steal_that_was_served_is_not_answered_again_by_time(stage: Stage) -> None:
    stage.say("p", steal("w", 1, wait=5.0))
    stage.say("c", m.Create((task("a"),)))
    assert len(stage.take()) == 2
    stage.took(stage.hub.tick(105.0))
    assert stage.take() == []


def test_a_steal_that_waits_instead_of_another_has_its_own_time(stage: Stage) -> None:
    stage.say("p", steal("w", 1, wait=5.0))
    stage.say("p", steal("w", 2, wait=9.0))
    stage.took(stage.hub.tick(105.0))
    assert stage.take() == []
    stage.took(stage.hub.tick(109.0))
    assert stage.take() == [("p", m.NotFound(answers=2))]


def test_a_steal_that_waited_gets_what_its_worker_can_run_by_now(stage: Stage) -> None:
    stage.create("a", task("b", "a"), task("c", "a"))
    stage.say("p", steal("w", 1, slots=2))
    stage.say("p", steal("w", 2, slots=2))  # for its second slot
    stage.take()
    stage.say("p", complete("w", 3, Result(0, 1), slots=2))
    ok, handed = stage.take()
    assert ok == ("p", m.OK(answers=3))
    assert told(handed[1]) == ["b", "c"]


def test_a_native_steal_that_cannot_wait_is_answered_at_once(stage: Stage) -> None:
    for n, wait in enumerate((0.0, -1.0), 1):
        stage.say("p", steal("w", n, wait=wait))
        assert stage.take() == [("p", m.NotFound(answers=n))]


def test_parked_workers_are_served_in_their_order(stage: Stage) -> None:
    for peer in "pqr":
        stage.say(peer, steal(f"w-{peer}", 1))
    stage.say("c", m.Create((task("a"), task("b"))))
    assert [(peer, told(message)) for peer, message in stage.take()[1:]] == [("p", ["a"]), ("q", ["b"])]


def test_an_idle_worker_goes_before_a_busy_one(stage: Stage) -> None:
    stage.create("a")
    stage.say("busy", steal("busy", 1))
    stage.say("busy", steal("busy", 2))  # a second one ahead of need
    stage.say("idle", steal("idle", 1))
    assert [peer for peer, _ in stage.take()] == ["busy"]
    stage.say("c", m.Create((task("b"),)))
    assert [peer for peer, _ in stage.take()] == ["c", "idle"]


def test_what_a_completion_releases_goes_to_the_idle_before_the_busy(stage: Stage) -> None:
    stage.create("a", "b", task("c", "a"))
    stage.say("p", steal("w", 1, 2, slots=2))
    stage.say("q", steal("idle", 1))
    stage.take()
    stage.say("p", complete("w", 2, Result(0, 1), n=1, slots=1))  # still busy with b in its one slot
    assert [(peer, type(message)) for peer, message in stage.take()] == [("p", m.OK), ("q", m.Transfer)]


def test_near_the_end_one_worker_does_not_get_all(stage: Stage) -> None:
    stage.create(*map(str, range(12)))
    for peer in "pqr":
        stage.say(peer, steal(f"w-{peer}", 1))
    stage.take()
    stage.say("p", complete("w-p", 2, Result(0, 1), n=512))
    ((_, reply),) = stage.take()
    assert len(told(reply)) == 1  # nine are left, which is one and a half for each of three slots
    stage.create(*map(str, range(12, 120)))
    stage.say("p", complete("w-p", 3, Result(3, 1), n=512))
    ((_, reply),) = stage.take()
    assert len(told(reply)) == 116 // 6
    stage.say("q", complete("w-q", 2, Result(1, 1), n=5))
    ((_, reply),) = stage.take()
    assert len(told(reply)) == 5


def test_each_free_slot_gets_a_task_at_once(stage: Stage) -> None:
    stage.create(*map(str, range(8)))
    stage.say("p", steal("w", 1, 8, slots=8))
    ((_, reply),) = stage.take()
    assert len(told(reply)) == 8


def test_surplus_is_called_back_when_somebody_idles_and_goes_to_the_idle(stage: Stage) -> None:
    stage.create(*map(str, range(16)))
    stage.say("p", steal("w", 1, 512))
    ((_, reply),) = stage.take()
    assert len(told(reply)) == 8
    stage.say("q", steal("w2", 1, 512))
    assert len(told(stage.take()[0][1])) == 2
    for id, peer in enumerate("rstuvx", 10):
        stage.say(peer, steal(peer, 1))
        ((_, reply),) = stage.take()
        assert [assigned.id for assigned in reply.tasks] == [id]  # type: ignore[union-attr]
    stage.say("y", steal("y", 1))
    assert stage.take() == [("p", m.Recall(1))]
    stage.say("z", steal("z", 1))
    assert stage.take() == []  # p has more, and was asked already
    stage.say("p", m.GiveBack("w", (Returned(7),), Native(1, INF, 2)))
    ok, handed, again = stage.take()
    assert ok == ("p", m.OK(answers=2))
    assert handed[0] == "y" and told(handed[1]) == ["7"]
    assert again == ("p", m.Recall(1))


def test_a_worker_that_has_nothing_left_to_give_is_asked_again_after_its_next_word(stage: Stage) -> None:
    stage.create("a", "b", "c")
    for sequence in (1, 2, 3):
        stage.say("p", steal("w", sequence))
    stage.take()
    stage.say("q", steal("w2", 1))
    assert stage.take() == [("p", m.Recall(1))]
    stage.say("p", complete("w", 4, Result(0, 1)))
    assert stage.take() == [("p", m.OK(answers=4)), ("p", m.Recall(1))]


def test_the_steal_that_waits_moves_with_its_worker(stage: Stage) -> None:
    stage.say("p", steal("w", 1))
    stage.say("p2", steal("w", 1))
    stage.say("c", m.Create((task("a"), task("b"))))
    assert [peer for peer, _ in stage.take()] == ["c", "p2"]


def test_a_lost_worker_waits_no_longer(stage: Stage) -> None:
    stage.say("p", steal("w", 1))
    stage.took(stage.hub.lose({"p": ()}, 101.0, "gone"))
    stage.create("a")


def test_a_task_without_a_grace_gets_that_of_the_pool() -> None:
    stage = Stage(Policy(grace=9.0))
    stage.create("a", task("b", grace=0.0))
    reply = stage.ask("p", m.Steal("vm", 2))
    assert isinstance(reply, m.Transfer)
    assert [(t.name, t.options.grace) for t in reply.tasks] == [("a", 9.0), ("b", 0.0)]
    finish(stage)


def test_a_task_without_a_timeout_gets_that_of_the_pool() -> None:
    stage = Stage(Policy(timeout=9.0))
    stage.create("a", task("b", timeout=1.0), task("c", cores=2))
    reply = stage.ask("p", m.Steal("vm", 3))
    assert isinstance(reply, m.Transfer)
    assert [(t.name, t.options.timeout) for t in reply.tasks] == [("c", 9.0), ("a", 9.0), ("b", 1.0)]
    finish(stage)
