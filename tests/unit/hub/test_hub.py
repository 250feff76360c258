"""The hub: what each message causes. Each test says all that is sent; the fixture proves that nothing else was."""

from __future__ import annotations

import pytest

from dwork.core import events as e
from dwork.core import messages as m
from dwork.core.cause import Cause
from dwork.core.halt import Halt
from dwork.core.messages import Native, Returned
from dwork.core.peer_version import Version
from dwork.core.task import Assigned, Result, State, Task
from dwork.core.version import __version__
from dwork.hub.policy import Policy
from tests.stage import INF, Stage, complete, finish, steal, task, told

# -- the original dialect ---------------------------------------------------------------------------------------------


def test_the_original_dialect_from_create_to_exit(stage: Stage) -> None:
    stage.create(Task("a", "a", origin="vm"), Task("b", "b", ("a",)))
    assert stage.ask("p", m.Steal("vm")) == m.Transfer((Assigned(0, 1, "a", "a", origin="vm"),), time=100.0)
    assert stage.ask("p", m.Steal("vm")) == m.NotFound()
    assert stage.ask("p", m.Complete("vm", (Result("a"),))) == m.OK()
    assert told(stage.ask("q", m.Steal("vm"))) == ["b"]
    assert stage.ask("q", m.Complete("vm", (Result("b"),))) == m.OK()
    assert stage.ask("p", m.Steal("vm")) == m.Exit()


def test_an_original_steal_before_the_first_task_finds_nothing(stage: Stage) -> None:
    assert stage.ask("p", m.Steal("vm")) == m.NotFound()


def test_an_original_steal_gets_as_many_as_it_asks_for(stage: Stage) -> None:
    stage.create(*"abcde")
    assert told(stage.ask("p", m.Steal("vm", 3))) == ["a", "b", "c"]
    assert told(stage.ask("p", m.Steal("vm", 99))) == ["d", "e"]


@pytest.mark.parametrize("n", [0, -1, -(2**31)])
@pytest.mark.parametrize("native", [None, Native(1, INF, 1)])
def test_a_steal_of_nothing_is_an_error_and_changes_nothing(stage: Stage, n: int, native: Native | None) -> None:
    stage.create("a")
    assert isinstance(stage.ask("p", m.Steal("w", n, native)), m.Error)
    assert not stage.hub.workers


def test_status_counts_what_is_active_and_ready(stage: Stage) -> None:
    stage.create("a", "b", task("c", "a"), Task("j", None, ("b",)))
    stage.ask("p", m.Steal("vm"))
    status = stage.ask("p", m.OK())
    assert isinstance(status, m.OK)
    assert (status.name, status.n) == ("dhub: 3 active tasks, 1 ready.", 1)
    assert dict(status.counts) == {
        "waiting": 1, "ready": 1, "assigned": 1, "done": 0, "failed": 0, "skipped": 0, "cancelled": 0,
    }  # fmt: skip


def test_lookup_tells_state_and_holder_by_name_or_number(stage: Stage) -> None:
    stage.create("a", "b")
    stage.ask("p", m.Steal("vm"))
    assert stage.ask("p", m.Lookup("a")) == m.OK("assigned", 0, "vm")
    assert stage.ask("p", m.Lookup("#1")) == m.OK("ready", 1)
    for nothing in ("c", "#2", "#", "#-1", "#" + "9" * 5000, ""):
        assert stage.ask("p", m.Lookup(nothing)) == m.NotFound((nothing,))


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


def test_a_task_given_back_is_ready_again_and_was_not_tried(stage: Stage) -> None:
    stage.create("a", "b")
    stage.ask("p", m.Steal("vm"))
    assert stage.ask("p", m.GiveBack("vm", (Returned("a"), Returned(7), Returned("b")))) == m.NotFound((7, "b"))
    reply = stage.ask("p", m.Steal("w2"))
    assert isinstance(reply, m.Transfer)
    assert reply.tasks == (Assigned(0, 1, "a", "a"),)


def test_a_task_given_back_twice_in_one_message_counts_once(stage: Stage) -> None:
    stage.create("a")
    stage.ask("p", m.Steal("vm"))
    stage.heard()
    assert stage.ask("p", m.GiveBack("vm", (Returned("a"), Returned(0, ("nosuch",))))) == m.NotFound((0,))
    assert stage.heard() == [e.Requeued(100.0, "vm", [(0, "a")], Cause.UNSTARTED, "given back")]
    assert stage.hub.graph.names["a"].attempt == 0


def test_a_task_given_back_with_new_predecessors_waits_for_them(stage: Stage) -> None:
    stage.create("a")
    stage.ask("p", m.Steal("vm"))
    stage.create("sub")
    stage.heard()
    assert stage.ask("p", m.GiveBack("vm", (Returned("a", ("sub",)),))) == m.OK()
    assert stage.state("a") is State.WAITING
    assert [type(event) for event in stage.heard()] == [e.Extended, e.Requeued]
    assert told(stage.ask("p", m.Steal("vm", 9))) == ["sub"]
    stage.ask("p", m.Complete("vm", (Result("sub"),)))
    assert told(stage.ask("p", m.Steal("vm", 9))) == ["a"]


def test_a_return_that_would_be_a_cycle_is_an_error_and_changes_nothing(stage: Stage) -> None:
    stage.create("a", "b", task("c", "b"))
    stage.ask("p", m.Steal("vm", 2))
    stage.heard()
    reply = stage.ask("p", m.GiveBack("vm", (Returned("a"), Returned("b", ("c",)))))
    assert isinstance(reply, m.Error) and "b -> c -> b" in reply.text
    assert stage.state("a") is stage.state("b") is State.ASSIGNED
    assert stage.heard() == []


def test_exit_makes_its_tasks_ready(stage: Stage) -> None:
    stage.create("a", "b")
    stage.ask("p", m.Steal("vm", 2))
    stage.heard()
    assert stage.ask("q", m.Exit("vm")) == m.OK()
    assert stage.ask("q", m.Exit("vm")) == m.NotFound()
    assert stage.hub.graph.ready == 2
    requeued, left = stage.heard()
    assert isinstance(requeued, e.Requeued) and isinstance(left, e.Left)


def test_an_illegal_create_is_an_error_and_says_why(stage: Stage) -> None:
    stage.create("a")
    for bad in (task("b", "nosuch"), Task("a", "other"), task("c", "c")):
        reply = stage.ask("p", m.Create((task("fine"), bad)))
        assert isinstance(reply, m.Error) and reply.text
    assert len(stage.hub.graph) == 1


def test_creating_again_is_ok_and_no_event(stage: Stage) -> None:
    stage.create("a")
    stage.heard()
    stage.create("a")
    assert stage.heard() == []


def test_what_is_no_request_is_an_error(stage: Stage) -> None:
    stage.took(stage.hub.receive("p", m.NotFound(), 0.0))
    ((_, reply),) = stage.take()
    assert isinstance(reply, m.Error)


def test_an_unknown_predecessor_is_done_when_the_policy_says_so() -> None:
    stage = Stage(Policy(unknown_is_done=True))
    stage.create(task("b", "nosuch"))
    assert told(stage.ask("p", m.Steal("vm"))) == ["b"]
    finish(stage)


def test_a_peer_of_the_original_dialect_is_sent_nothing_unasked(stage: Stage) -> None:
    stage.create(*"abcd")
    stage.ask("p", m.Steal("vm", 4))
    stage.say("q", steal("w", 1))  # it idles while vm holds four, and vm cannot be told
    assert stage.take() == []
    stage.took(stage.hub.drain(100.0, "enough", running=True))
    stage.took(stage.hub.dismiss(stage.now))
    assert {peer for peer, _ in stage.take()} == {"q"}


def test_a_pool_that_ends_at_once_waits_for_nobody_who_cannot_be_told(stage: Stage) -> None:
    stage.create("a", "b")
    stage.ask("p", m.Steal("vm", 2))
    stage.took(stage.hub.drain(stage.now, "enough"))
    assert not stage.hub.over  # who holds something may end it
    stage.took(stage.hub.drain(stage.now, "enough", running=True))
    assert stage.hub.over and stage.states() == "ready ready"
    assert stage.ask("p", m.Complete("vm", (Result("a"),))) == m.NotFound(("a",))


# -- versions ---------------------------------------------------------------------------------------------------------

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


def test_a_status_query_shows_what_the_hub_speaks(stage: Stage) -> None:
    status = stage.ask("p", m.OK())
    assert isinstance(status, m.OK) and status.version == m.OURS


# -- the native dialect -----------------------------------------------------------------------------------------------


def test_the_first_worker_before_the_first_task_waits(stage: Stage) -> None:
    stage.say("p", steal("w", 1, hello=True))
    assert stage.take() == [("p", m.Welcome("tcp://hub:1"))]
    stage.say("client", m.Create((task("a"),)))
    created, handed = stage.take()
    assert created == ("client", m.OK())
    assert handed[0] == "p" and told(handed[1]) == ["a"]
    assert handed[1].answers == 1  # type: ignore[union-attr]


def test_welcome_is_said_while_the_worker_says_hello(stage: Stage) -> None:
    stage.say("p", steal("w", 1, hello=True))
    stage.say("p", steal("w", 1, hello=True))
    assert [message for _, message in stage.take()] == [m.Welcome("tcp://hub:1")] * 2
    stage.say("p", steal("w", 2))
    assert stage.take() == []


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


def test_a_completion_of_what_is_not_held_is_told_beside_the_transfer(stage: Stage) -> None:
    stage.create("a", "b")
    stage.say("p", complete("w", 1, Result(0, 1), n=1))
    transfer, missing = stage.take()
    assert told(transfer[1]) == ["a"]
    assert missing == ("p", m.NotFound((0,), 1))


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


def test_exit_when_all_is_finished_goes_to_all_who_wait(stage: Stage) -> None:
    stage.create("a")
    for peer in "pqr":
        stage.say(peer, steal(peer, 1))
    stage.take()
    stage.say("p", complete("p", 2, Result(0, 1)))
    assert stage.take() == [("p", m.OK(answers=2)), ("q", m.Exit()), ("r", m.Exit())]
    assert stage.hub.over
    stage.say("s", steal("s", 1))
    assert stage.take() == [("s", m.Exit(answers=1))]


def test_a_hub_is_not_over_before_its_first_task_and_again_busy_after_another(stage: Stage) -> None:
    assert not stage.hub.over
    stage.create(Task("j", None))
    assert stage.hub.over
    stage.create("a")
    assert not stage.hub.over


def test_a_repeated_sequence_number_is_ignored(stage: Stage) -> None:
    stage.create("a", "b", "c")
    stage.say("p", steal("w", 1))
    assert len(stage.take()) == 1
    stage.say("p", steal("w", 1))
    stage.say("p", complete("w", 2, Result(0, 1)))
    stage.say("p", complete("w", 2, Result(0, 1), n=1))
    stage.say("p", complete("w", 1, Result(0, 1), n=1))
    assert stage.take() == [("p", m.OK(answers=2))]
    stage.say("p", steal("w", 3))
    stage.say("p", m.GiveBack("w", (Returned(1),), Native(1, INF, 4)))
    stage.say("p", m.GiveBack("w", (Returned(1),), Native(1, INF, 4)))
    assert [type(message) for _, message in stage.take()] == [m.Transfer, m.OK]


def test_a_worker_that_comes_over_another_peer_starts_to_number_anew(stage: Stage) -> None:
    stage.create("a", "b")
    stage.say("p", steal("w", 1))
    stage.say("p2", steal("w", 1))
    assert [peer for peer, _ in stage.take()] == ["p", "p2"]
    stage.took(stage.hub.lose({"p": ()}, 100.0, "gone"))  # nobody is there any more
    assert stage.take() == []
    assert len(stage.hub.workers["w"].held) == 2


def test_the_steal_that_waits_moves_with_its_worker(stage: Stage) -> None:
    stage.say("p", steal("w", 1))
    stage.say("p2", steal("w", 1))
    stage.say("c", m.Create((task("a"), task("b"))))
    assert [peer for peer, _ in stage.take()] == ["c", "p2"]


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


def test_a_result_told_again_is_fine(stage: Stage) -> None:
    stage.create("a", "b", "c")
    stage.say("p", steal("w", 1, 3, slots=3))
    stage.take()
    stage.say("p", complete("w", 2, Result(0, 1), Result(1, 1, 1), slots=3))
    stage.say("p", complete("w", 3, Result(0, 1), Result(1, 1, 1), held=((2, 1),), slots=3))
    assert stage.take() == [("p", m.OK(answers=2)), ("p", m.OK(answers=3))]
    assert stage.hub.graph.counts[State.FAILED] == stage.hub.graph.counts[State.DONE] == 1


def test_a_lost_worker_has_its_tasks_given_to_who_waits(stage: Stage) -> None:
    stage.create("a", "b")
    stage.say("p", steal("w", 1))
    stage.say("q", steal("w2", 1))
    stage.say("r", steal("w3", 1))
    stage.take()
    stage.heard()
    stage.took(stage.hub.lose({"p": ()}, 101.0, "gone"))
    ((peer, reply),) = stage.take()
    assert peer == "r" and isinstance(reply, m.Transfer)
    assert reply.tasks == (Assigned(0, 2, "a", "a"),)
    assert [type(event) for event in stage.heard()] == [e.Requeued, e.Left, e.Stolen]
    stage.took(stage.hub.lose({"p": ()}, 101.0, "gone"))
    stage.say("p", complete("w", 2, Result(0, 1)))  # it was not gone after all, and is asked what it has
    assert stage.take() == [("p", m.Welcome("tcp://hub:1", again=True))]
    stage.say("p", complete("w", 3, Result(0, 1), held=()))  # and was first to end it
    assert stage.take() == [("r", m.Cancel((0,))), ("p", m.OK(answers=3))]
    assert stage.state("a") is State.DONE


@pytest.mark.parametrize("location", ["vm", ""])
def test_a_lost_peer_of_the_original_dialect_loses_only_what_did_not_reach_it(stage: Stage, location: str) -> None:
    stage.create("a", "b")
    arrived = stage.ask("p", m.Steal(location))
    lost = stage.ask("p", m.Steal(location))
    stage.heard()
    stage.took(stage.hub.lose({"p": [m.OK(), lost]}, 101.0, "gone"))
    assert stage.heard() == [e.Requeued(101.0, location, [(1, "b")], Cause.UNSTARTED, "gone")]
    assert stage.hub.graph.names["b"].attempt == 0
    assert told(arrived) == ["a"] and stage.state("a") is State.ASSIGNED
    assert stage.ask("q", m.Complete(location, (Result("a"),))) == m.OK()  # another peer of that location
    stage.took(stage.hub.lose({"p": [arrived, lost]}, 102.0, "gone"))
    assert stage.heard()[1:] == []


def test_a_lost_worker_waits_no_longer(stage: Stage) -> None:
    stage.say("p", steal("w", 1))
    stage.took(stage.hub.lose({"p": ()}, 101.0, "gone"))
    stage.create("a")


def test_output_is_heard_from_the_holder_alone_and_not_answered(stage: Stage) -> None:
    stage.create("a")
    stage.say("p", steal("w", 1))
    stage.take()
    stage.heard()
    stage.say("p", m.Output("w", 0, 1, b"x"))
    stage.say("q", m.Output("other", 0, 1, b"y"))
    stage.say("p", m.Output("w", 7, 1, b"z"))
    assert stage.heard() == [e.Printed(100.0, 0, 1, b"x")]


def test_a_task_without_a_timeout_gets_that_of_the_pool() -> None:
    stage = Stage(Policy(timeout=9.0))
    stage.create("a", task("b", timeout=1.0), task("c", cores=2))
    reply = stage.ask("p", m.Steal("vm", 3))
    assert isinstance(reply, m.Transfer)
    assert [(t.name, t.options.timeout) for t in reply.tasks] == [("c", 9.0), ("a", 9.0), ("b", 1.0)]
    finish(stage)


# -- failing and stopping ---------------------------------------------------------------------------------------------


def fail(stage: Stage, name: str) -> m.Message:
    """The task runs, and badly."""
    assert told(stage.ask("p", m.Steal("vm"))) == [name]
    return stage.ask("p", m.Complete("vm", (Result(name, 0, 1),)))


def test_a_failed_task_is_retried_behind_the_others_and_then_skips_its_successors() -> None:
    stage = Stage(Policy(retries=1, delay=0))
    stage.create("a", "b", task("c", "a"), task("d", "c"))
    assert fail(stage, "a") == m.OK()
    assert told(stage.ask("p", m.Steal("vm"))) == ["b"]
    stage.heard()
    assert fail(stage, "a") == m.OK()
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


def test_a_lost_worker_costs_no_retry(stage: Stage) -> None:
    stage.create("a")
    for _ in range(3):
        stage.say("p", steal("w", 1))
        stage.take()
        stage.took(stage.hub.lose({"p": ()}, 100.0, "gone"))
    assert stage.state("a") is State.READY


def test_halt_soon_lets_running_tasks_end() -> None:
    stage = Stage(Policy(halt=Halt(limit=2)))
    stage.create(*"abcdef")
    stage.say("q", steal("w", 1, 2, slots=2))
    stage.take()
    for name in "cd":
        assert fail(stage, name) == m.OK()
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


def test_every_task_joins_the_stream_of_events_once(stage: Stage) -> None:
    stage.create("a", Task("j", None, ("a",)))
    stage.say("p", steal("w", 1, slots=3))
    stage.say("p", complete("w", 2, Result(0, 1, seconds=2.0)))
    stage.take()
    assert stage.heard() == [
        e.Added(100.0, 0, [Task("a", "a"), Task("j", None, ("a",))]),
        e.Joined(100.0, "w", 3),
        e.Stolen(100.0, "w", [Assigned(0, 1, "a", "a")]),
        e.Finished(100.0, "w", [e.Ended(0, "a", Result(0, 1, seconds=2.0))]),
    ]


# -- refusals ---------------------------------------------------------------------------------------------------------


def test_a_refused_request_uses_up_no_number_and_the_corrected_one_is_answered(stage: Stage) -> None:
    stage.create("a", "b")
    stage.say("p", steal("w", 1))
    stage.take()
    stage.say("p", m.GiveBack("w", (Returned(0, ("nosuch",)),), Native(1, INF, 2)))
    ((_, refusal),) = stage.take()
    assert isinstance(refusal, m.Error) and refusal.answers == 2 and "nosuch" in refusal.text
    assert stage.state("a") is State.ASSIGNED
    stage.say("p", m.GiveBack("w", (Returned(0, ("b",)),), Native(1, INF, 2)))
    assert stage.take() == [("p", m.OK(answers=2))]
    assert stage.state("a") is State.WAITING
