"""Workers that come, prove that they are alive, compare what they hold with the graph, and go."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from dwork.core import events as e
from dwork.core import messages as m
from dwork.core.messages import Native, Returned, Verb
from dwork.core.peer_version import Version
from dwork.core.task import Result, State
from dwork.core.version import __version__
from dwork.hub.graph import Restored
from dwork.hub.membership import RETURN
from dwork.hub.policy import Policy
from dwork.worker.worker import OVER_TCP, Worker
from tests.stage import INF, Stage, complete, finish, restored, steal, task, told

DONE, FAILED, ASSIGNED = State.DONE, State.FAILED, State.ASSIGNED
WELCOME_AGAIN = m.Welcome("tcp://hub:1", again=True)


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


def test_each_message_of_a_worker_shows_that_it_is_alive(stage: Stage) -> None:
    stage.create("a")
    stage.say("p", steal("w", 1, beat=5.0))
    for sequence in range(2, 30):
        stage.now += 5.0
        stage.say("p", m.Beat("w", Native(1, INF, sequence, beat=5.0)))
        stage.took(stage.hub.tick(stage.now))
    assert stage.states() == "assigned"
    stage.take()


def test_a_silent_worker_is_lost_and_its_peer_dropped(stage: Stage) -> None:
    stage.create("a")
    stage.say("p", steal("w", 1, beat=5.0))
    stage.take()
    for _ in range(4):
        stage.now += 15.0
        step = stage.hub.tick(stage.now)
        stage.took(step)
    assert step.dropped == ["p"]
    assert stage.states() == "ready"


def test_a_silent_worker_is_lost_sooner_when_a_rank_may_have_died(stage: Stage) -> None:
    stage.create("a")
    stage.say("p", steal("w", 1, beat=2.0))
    stage.hub.suspect_deaths(stage.now)
    for _ in range(6):
        stage.wait(0.9)
    assert stage.states() == "ready"
    stage.take()


def test_a_worker_joins_once_however_many_messages_it_sends(stage: Stage) -> None:
    for sequence in (1, 2, 3):
        stage.say("p", steal("w", sequence))
    assert [event.location for event in stage.heard() if isinstance(event, e.Joined)] == ["w"]
    stage.take()


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


def test_a_worker_that_is_to_come_back_with_a_task_of_many_cores_holds_no_more_than_it_runs() -> None:
    big = Restored(0, task("big", cores=8), ASSIGNED, 1, "w")
    stage = restored(big, Restored(1, task("small"), ASSIGNED, 1, "w"), slots={"w": 1})
    worker = stage.hub.workers["w"]
    assert (worker.running, worker.surplus, worker.free) == (1, 1, 0)
    assert worker.busy >= 0


# -- workers and what they hold ---------------------------------------------------------------------------------------
OTHER = Version(m.PROTOCOL + 1, "9.9")


@pytest.mark.parametrize("request_", [m.Steal, m.Beat, m.Complete])
def test_a_worker_of_another_protocol_is_refused_and_leaves_no_trace(stage: Stage, request_: type) -> None:
    stage.create("a")
    stage.heard()
    native = Native(1, INF, 1, hello=True, version=OTHER)
    more = {m.Steal: (1,), m.Beat: (), m.Complete: ((Result(0, 1),), 1)}[request_]
    stage.say("p", request_("w", *more, native))
    assert stage.take() == [
        (
            "p",
            m.Error(
                f"the hub speaks protocol {m.PROTOCOL} (dwork {__version__}), worker w protocol {OTHER.protocol} "
                "(dwork 9.9): use the same dwork on both",
                1,
                m.OURS,
            ),
        )
    ]
    assert not stage.hub.workers and not stage.heard() and stage.state("a") is State.READY
    stage.say("p", steal("w", 1, hello=True))  # the number was not used up
    assert [type(message) for _, message in stage.take()] == [m.Welcome, m.Transfer]


def test_a_worker_of_an_older_dwork_that_speaks_the_same_protocol_may_work(stage: Stage) -> None:
    stage.create("a")
    stage.say("p", steal("w", 1, hello=True, version=Version(m.PROTOCOL, "0.0.1")))
    assert [type(message) for _, message in stage.take()] == [m.Welcome, m.Transfer]


def test_a_worker_of_the_original_dialect_has_no_version(stage: Stage) -> None:
    stage.create("a")
    assert told(stage.ask("p", m.Steal("vm"))) == ["a"]


def test_welcome_is_said_while_the_worker_says_hello(stage: Stage) -> None:
    stage.say("p", steal("w", 1, hello=True))
    stage.say("p", steal("w", 1, hello=True))
    assert [message for _, message in stage.take()] == [m.Welcome("tcp://hub:1")] * 2
    stage.say("p", steal("w", 2))
    assert stage.take() == []


def test_a_worker_that_comes_over_another_peer_starts_to_number_anew(stage: Stage) -> None:
    stage.create("a", "b")
    stage.say("p", steal("w", 1))
    stage.say("p2", steal("w", 1))
    assert [peer for peer, _ in stage.take()] == ["p", "p2"]
    stage.took(stage.hub.lose({"p": ()}, 100.0, "gone"))  # nobody is there any more
    assert stage.take() == []
    assert len(stage.hub.workers["w"].held) == 2


def test_what_never_arrived_is_taken_back(stage: Stage) -> None:
    stage.create("a", "b", task("c", priority=1), "d")
    stage.say("p", steal("w", 1, 2, slots=2))
    stage.say("p", steal("w", 2, 2, slots=2))
    assert [told(message) for _, message in stage.take()] == [["c", "a"], ["b"]]
    stage.heard()
    stage.say("p", steal("w", 3, 1, slots=2, held=((0, 1),)))
    ((_, reply),) = stage.take()
    assert told(reply) == ["c"]
    assert reply.tasks[0].attempt == 2  # type: ignore[union-attr]
    requeued = stage.heard()[0]
    assert isinstance(requeued, e.Requeued)
    assert [named.name for named in requeued.tasks] == ["c", "b"]


def test_results_told_together_with_what_is_held_count_first(stage: Stage) -> None:
    stage.create("a", "b")
    stage.say("p", steal("w", 1, 2, slots=2))
    stage.take()
    stage.say("p", complete("w", 2, Result(0, 1), held=(), slots=2))
    assert stage.take() == [("p", m.OK(answers=2))]
    assert stage.state("a") is State.DONE
    assert stage.state("b") is State.READY


def test_a_steal_that_waits_is_void_when_its_worker_compares(stage: Stage) -> None:
    """An answer to it would be passed over by its worker, and its tasks would be lost until the end."""
    stage.create("a")
    stage.say("p", steal("w", 1))
    stage.say("p", steal("w", 2))
    stage.take()
    stage.say("p", complete("w", 3, Result(0, 1, 1), held=()))
    assert [type(message) for _, message in stage.take()] == [m.OK]
    stage.say("c", m.Create((task("b"),)))
    assert stage.take() == [("c", m.OK())]


@pytest.mark.parametrize("repeats", [0, 1, 4])
@pytest.mark.parametrize("slots", [1, 3])
def test_no_task_is_lost_between_a_worker_that_asks_again_and_a_hub_that_answers_each_time(
    stage: Stage, repeats: int, slots: int
) -> None:
    names = [f"t{i}" for i in range(12)]
    stage.create(*names)
    worker = Worker("w:1", slots, OVER_TCP)
    unheard = [message for n in range(repeats + 1) for message in worker.outbox(stage.now + n * OVER_TCP.patience)]
    assert len(unheard) == repeats + 1
    stage.now += repeats * OVER_TCP.patience
    for _ in range(100):
        for message in unheard:
            stage.say("p", message)
        for _, answer in stage.take():
            worker.receive(answer, stage.now)
        while (assigned := worker.next(stage.now)) is not None:
            worker.ended(Result(assigned.id, assigned.attempt, seconds=0.01), stage.now)
        stage.now += 0.05
        unheard = worker.outbox(stage.now)
    assert {stage.state(name) for name in names} == {State.DONE}
    assert worker.over
    assert not stage.hub.workers["w:1"].held


def test_a_hub_that_wants_a_task_ended_which_its_worker_lacks_is_set_right(stage: Stage) -> None:
    stage.create("a")
    worker = Worker("w:1", 1, OVER_TCP)
    for message in worker.outbox(stage.now):
        stage.say("p", message)
    welcome, transfer = (message for _, message in stage.take())
    assert isinstance(welcome, m.Welcome) and isinstance(transfer, m.Transfer)
    worker.receive(welcome, stage.now)  # the Transfer is lost
    stage.took(stage.hub.drain(stage.now, "SIGTERM", running=True))
    for _ in range(3):
        for _, message in stage.take():
            worker.receive(message, stage.now)
        for message in worker.outbox(stage.now):
            stage.say("p", message)
    assert stage.hub.over and stage.state("a") is State.READY
    stage.take()


def test_a_worker_that_offers_fewer_slots_keeps_its_waiting_steal(stage: Stage) -> None:
    stage.create("a", "b", "c")
    stage.say("p", steal("w", 1, 2, slots=2))
    assert told(stage.take()[-1][1]) == ["a", "b"]
    stage.say("p", steal("w", 2, 1, slots=2))
    assert told(stage.take()[-1][1]) == ["c"]
    stage.say("p", steal("w", 3, 1, slots=2))  # it waits
    stage.say("p", m.GiveBack("w", (Returned(1), Returned(2)), Native(1, INF, 4)))  # its system refused to start them
    (_, ok), (_, transfer) = stage.take()
    assert ok == m.OK(answers=4) and isinstance(transfer, m.Transfer) and transfer.answers == 3
    assert [(each.name, each.attempt) for each in transfer.tasks] == [("b", 1)]  # the first one does not count
    assert stage.hub.workers.slots == 1 and stage.states() == "assigned assigned ready"
