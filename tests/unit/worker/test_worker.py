"""A worker's decisions: how far ahead it steals, when it reports, what it gives back, how it leaves."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwork.core import messages as m
from dwork.core.cause import Cause
from dwork.core.messages import Native, Returned
from dwork.core.peer_version import Version
from dwork.core.resources import Resources
from dwork.core.task import Assigned, Options, Result
from dwork.transport import wire
from dwork.worker.original import PAUSE
from dwork.worker.reports import HOLD, URGENT
from dwork.worker.worker import Worker, WorkerPolicy

INF = math.inf
CAREFUL = WorkerPolicy(wait=20.0, patience=10.0)


class Bench:
    """A worker, a clock, and a test that plays the hub."""

    def __init__(self, slots: int = 1, policy: WorkerPolicy | None = None, *, greet: bool = True) -> None:
        self.worker = Worker("w", slots, policy)
        self.now = 1000.0
        self._next_id = 0
        if greet:
            assert self.says() == [m.Steal("w", slots, Native(slots, self.worker.policy.wait, 1, None, True))]
            self.hears(m.Welcome())

    def says(self) -> list[Any]:
        """What it sends now, through the codec."""
        said = self.worker.outbox(self.now)
        return [wire.decode_request(wire.encode(message)) for message in said]

    def hears(self, message: m.Message) -> None:
        self.worker.receive(message, self.now)

    def given(self, n: int, *, awaited: bool = False) -> None:
        """The hub answers the Steal that is under way with so many tasks."""
        ids = range(self._next_id, self._next_id + n)
        self._next_id += n
        tasks = tuple(Assigned(id, 1, f"t{id}", f"t{id}") for id in ids)
        self.hears(m.Transfer(tasks, self.worker.reports.steal, awaited=awaited))

    def starts(self) -> list[int]:
        started = []
        while (assigned := self.worker.next(self.now)) is not None:
            started.append(assigned.id)
        return started

    def runs(self, id: int, seconds: float = 1.0, status: int = 0) -> None:
        """So much later the task ends."""
        self.now += seconds
        attempt = self.worker.running[id].attempt
        self.worker.ended(Result(id, attempt, status, seconds=seconds), self.now)

    def answers(self, message: Any) -> None:
        self.hears(m.OK(answers=message.native.sequence))


# -- stealing ---------------------------------------------------------------------------------------------------------


def test_it_begins_with_one_task_for_each_slot() -> None:
    bench = Bench(slots=3)
    assert bench.says() == []
    bench.given(3)
    assert bench.starts() == [0, 1, 2]
    assert bench.says() == []


def short_tasks(bench: Bench, seconds: float, turns: int = 30) -> list[int]:
    """Run tasks of that length; return how many it asked for each time."""
    asked = []
    bench.given(1)
    for _ in range(turns):
        for _ in range(len(bench.worker.queue) + len(bench.worker.running)):
            bench.starts()
            for id in list(bench.worker.running)[:1]:
                bench.runs(id, seconds)
            for message in bench.says():
                bench.answers(message)
                if getattr(message, "steal", 0) or isinstance(message, m.Steal):
                    asked.append(message.steal if isinstance(message, m.Complete) else message.n)
        if bench.worker.reports.steal:
            bench.given(asked[-1])
    return asked


def test_its_appetite_for_short_tasks_doubles_up_to_the_limit() -> None:
    bench = Bench(policy=WorkerPolicy(most=64))
    asked = short_tasks(bench, 0.0)
    assert asked[:5] == [2, 4, 8, 16, 32]
    assert max(asked) <= 64
    assert len(bench.worker.queue) <= 64


def test_its_appetite_is_judged_by_run_times() -> None:
    asked = short_tasks(Bench(), 0.01)
    assert max(asked) <= 11
    assert max(asked) >= 5


def test_it_does_not_ask_before_half_of_what_it_had_is_gone() -> None:
    bench = Bench(policy=WorkerPolicy(most=8))
    short_tasks(bench, 0.0)
    bench.worker.reports.steal = 0
    bench.worker.queue.clear()
    bench.worker.queue.extend(Assigned(100 + id, 1, "x", "x") for id in range(5))
    assert bench.says() == []
    bench.worker.queue.pop()
    assert [message.n for message in bench.says()] == [4]


def test_long_tasks_are_not_stolen_ahead() -> None:
    assert set(short_tasks(Bench(), 2.0)) == {1}


def test_a_task_that_turns_out_long_stops_the_stealing_ahead() -> None:
    bench = Bench()
    short_tasks(bench, 0.001)
    while len(bench.worker.queue) > 1:
        bench.starts()
        bench.runs(next(iter(bench.worker.running)), 0.001)
    bench.now += HOLD
    for message in bench.says():
        bench.answers(message)
    bench.starts()
    bench.now += 5.0
    bench.hears(m.NotFound((), bench.worker.reports.steal))
    assert [type(message) for message in bench.says()] == [m.GiveBack] * bool(bench.worker.holding.returns)
    assert not bench.worker.reports.steal


def test_an_answer_to_another_steal_is_passed_over() -> None:
    bench = Bench()
    bench.hears(m.Transfer((Assigned(7, 1, "x", "x"),), 99))
    assert bench.starts() == []
    bench.given(1)
    bench.hears(m.Transfer((Assigned(7, 1, "x", "x"),), 1))  # it comes twice: by now it answers nothing
    assert bench.starts() == [0]
    assert not bench.worker.queue


def test_when_nothing_was_ready_it_asks_again() -> None:
    bench = Bench()
    bench.hears(m.NotFound(answers=1))
    assert [(message.n, message.native.sequence) for message in bench.says()] == [(1, 2)]


# -- reporting --------------------------------------------------------------------------------------------------------


def with_queue(bench: Bench, n: int = 3, **more: Any) -> None:
    """Tasks that take no time are past, so that more wait in the queue than it can run."""
    bench.worker.holding.mean = 0.01
    bench.given(n, **more)
    bench.starts()
    bench.says()
    bench.hears(m.NotFound((), bench.worker.reports.steal))
    bench.worker.reports.steal = bench.worker.reports.steal or 99  # it has asked for more, and is kept waiting
    bench.worker.reports.steal_time = bench.now


def test_a_result_goes_out_at_once_with_a_steal_when_nothing_is_left() -> None:
    bench = Bench()
    bench.given(1)
    bench.starts()
    bench.runs(0)
    assert bench.says() == [
        m.Complete("w", (Result(0, 1, seconds=1.0),), 1, Native(1, INF, 2)),
    ]
    assert bench.says() == []


@pytest.mark.parametrize(("awaited", "hold"), [(True, URGENT), (False, HOLD)])
def test_a_result_waits_for_others_but_not_for_long(awaited: bool, hold: float) -> None:
    bench = Bench()
    with_queue(bench, awaited=awaited)
    bench.runs(0, 0.01)
    bench.starts()
    assert bench.says() == []
    assert bench.now < bench.worker.deadline(bench.now) <= bench.now + 2 * hold
    bench.runs(1, hold * 0.9)
    bench.starts()
    if bench.worker.queue:
        assert bench.says() == []
    bench.now = bench.worker.deadline(bench.now) if bench.worker.queue else bench.now
    ((complete),) = [message for message in bench.says() if isinstance(message, m.Complete)]
    assert [result.task for result in complete.results] == [0, 1]
    assert not bench.worker.reports.results


def test_a_result_may_have_to_be_told_again_until_it_is_answered() -> None:
    bench = Bench()
    bench.given(1)
    bench.starts()
    assert not bench.worker.unanswered
    bench.runs(0)
    assert bench.worker.unanswered == {(0, 1)}
    (first,) = bench.says()
    assert bench.worker.unanswered == {(0, 1)}
    bench.hears(m.Welcome(output=True, again=True))
    assert bench.worker.unanswered == {(0, 1)}
    (second,) = bench.says()
    assert second.results == first.results and second.native.held == ()
    bench.hears(m.OK(answers=second.native.sequence))
    assert not bench.worker.unanswered


def test_with_many_slots_one_report_is_under_way_at_a_time() -> None:
    """A hub that is slow to answer gets no more messages for that."""
    bench = Bench(slots=8)
    bench.given(8)
    bench.starts()
    bench.runs(0)
    (first,) = bench.says()
    for id in range(1, 5):
        bench.runs(id, 0.001)
        assert bench.says() == []
    bench.hears(m.OK(answers=first.native.sequence))
    (second,) = bench.says()
    assert [result.task for result in second.results] == [1, 2, 3, 4]


def test_a_report_that_is_not_answered_keeps_the_next_one_for_a_moment_only() -> None:
    bench = Bench(slots=3)
    bench.given(3)
    bench.starts()
    bench.runs(0)
    bench.says()
    bench.runs(1, 0.001)
    assert bench.says() == []
    bench.now = bench.worker.deadline(bench.now)
    assert [[result.task for result in complete.results] for complete in bench.says()] == [[1]]
    bench.runs(2)
    assert [[result.task for result in complete.results] for complete in bench.says()] == [[2]], "the last goes at once"


def test_a_result_that_others_wait_for_makes_the_ones_before_it_urgent_too() -> None:
    bench = Bench()
    with_queue(bench, 2)
    bench.worker.reports.awaited.add(1)
    bench.runs(0, 0.01)
    bench.starts()
    bench.worker.queue.append(Assigned(5, 1, "t5", "t5"))
    bench.runs(1, 0.0)
    assert bench.worker.deadline(bench.now) == bench.now + 2 * URGENT
    bench.now += 2 * URGENT
    assert [type(message) for message in bench.says()] == [m.Complete]


# -- giving back ------------------------------------------------------------------------------------------------------


def test_what_it_cannot_start_for_long_it_gives_back() -> None:
    bench = Bench()
    with_queue(bench)
    assert bench.worker.deadline(bench.now) == bench.now + 1.0
    bench.now += 0.99
    assert bench.says() == []
    bench.now += 0.01
    ((returned),) = bench.says()
    assert returned == m.GiveBack("w", (Returned(1), Returned(2)), Native(1, INF, returned.native.sequence))
    assert bench.says() == []


def test_what_large_tasks_leave_no_cores_for_is_given_back_though_a_slot_is_free() -> None:
    worker = Worker("w", 3, has=Resources(cores=4, memory=0, gpus=0))
    (steal,) = worker.outbox(1000.0)
    worker.receive(m.Welcome(), 1000.0)
    large, small = Assigned(0, 1, "large", "large", Options(cores=4)), Assigned(1, 1, "small", "small")
    worker.receive(m.Transfer((large, small), steal.native.sequence), 1000.0)
    assert worker.next(1000.0) == large and worker.next(1000.0) is None
    worker.outbox(1000.0)
    due = worker.deadline(1000.0)
    assert due == 1000.0 + worker.policy.stale
    (returned,) = worker.outbox(due)  # and asks for no other, which it could not start either
    assert returned == m.GiveBack("w", (Returned(1),), returned.native)
    assert worker.deadline(due) > due, "else it would spin until the large one ends"


def test_the_fewer_tasks_large_ones_let_run_the_fewer_are_wanted_ahead() -> None:
    worker = Worker("w", 64, has=Resources(cores=64, memory=0, gpus=0))
    (steal,) = worker.outbox(1000.0)
    worker.receive(m.Welcome(), 1000.0)
    short, large = Assigned(0, 1, "short", "short"), Assigned(1, 1, "large", "large", Options(cores=64))
    worker.receive(m.Transfer((short,), steal.native.sequence), 1000.0)
    assert worker.next(1000.0) == short
    worker.ended(Result(0, 1, seconds=0.01), 1000.01)
    (report,) = worker.outbox(1000.01)
    worker.receive(m.Transfer((large,), report.native.sequence), 1000.01)
    assert worker.next(1000.01) == large
    assert worker.outbox(1002.0) == []


def test_a_recall_takes_what_would_run_last_and_no_more_than_there_is() -> None:
    bench = Bench()
    with_queue(bench, 4)
    bench.hears(m.Recall(2))
    ((first),) = bench.says()
    assert first.tasks == (Returned(3), Returned(2))
    bench.hears(m.Recall(100))
    ((second),) = bench.says()
    assert second.tasks == (Returned(1),)
    bench.hears(m.Recall(100))
    bench.hears(m.Recall(-1))
    assert bench.says() == []
    assert list(bench.worker.running) == [0]


def test_cancel_ends_what_runs_once_and_gives_back_what_has_not_started() -> None:
    bench = Bench()
    with_queue(bench)
    bench.hears(m.Cancel((0, 2, 77)))
    assert bench.worker.kills() == [0]
    assert bench.worker.kills() == []
    returned, compared = bench.says()
    assert returned.tasks == (Returned(2),)
    assert compared.native.held == ((0, 1), (1, 1))  # it does not hold 77
    assert [assigned.id for assigned in bench.worker.queue] == [1]


# -- leaving ----------------------------------------------------------------------------------------------------------


def test_when_all_is_finished_it_leaves() -> None:
    bench = Bench()
    bench.hears(m.Exit(answers=1))
    assert bench.says() == []
    assert bench.worker.over


def test_told_to_leave_it_gives_back_finishes_reports_and_says_goodbye() -> None:
    bench = Bench()
    with_queue(bench)
    bench.worker.leave()
    ((returned),) = bench.says()
    assert returned.tasks == (Returned(1), Returned(2))
    assert not bench.worker.over
    assert bench.worker.kills() == bench.starts() == []
    bench.runs(0)
    ((complete),) = bench.says()
    assert (complete.steal, [result.task for result in complete.results]) == (0, [0])
    bench.answers(returned)
    assert bench.says() == []
    bench.answers(complete)
    assert bench.says() == [m.Exit("w")]
    assert bench.worker.over


def test_told_to_leave_at_once_it_ends_what_runs() -> None:
    bench = Bench()
    bench.given(1)
    bench.starts()
    bench.worker.leave(running=True)
    assert bench.worker.kills() == [0]


def test_what_it_ends_to_leave_has_not_failed_but_runs_elsewhere() -> None:
    """It says goodbye with the task in hand, and so the hub gives it to another."""
    bench = Bench(slots=2)
    bench.given(2)
    bench.starts()
    bench.worker.leave(running=True)
    bench.runs(0, status=143)
    assert bench.says() == []
    bench.runs(1, status=0)  # this one was quicker than the signal
    ((complete),) = bench.says()
    assert [result.task for result in complete.results] == [1]
    bench.answers(complete)
    assert bench.says() == [m.Exit("w")]
    assert bench.worker.over


def test_a_batch_system_that_ends_worker_and_task_together_does_not_fail_the_task() -> None:
    bench = Bench(slots=3)
    bench.given(3)
    bench.starts()
    bench.worker.leave()
    bench.worker.ended(Result(0, 1, 143, signal=15), bench.now)
    assert bench.says() == []
    bench.worker.ended(Result(1, 1, 143, signal=15, cause=Cause.TIMEOUT), bench.now)
    bench.runs(2, status=7)
    told = [result.task for message in bench.says() for result in message.results]
    assert told == [1, 2]


def test_what_arrives_while_it_leaves_goes_back() -> None:
    bench = Bench()
    bench.given(1)
    bench.starts()
    bench.runs(0)
    ((complete),) = bench.says()
    bench.worker.leave()
    assert bench.says() == []
    bench.given(1)
    bench.answers(complete)
    ((returned),) = bench.says()
    assert returned.tasks == (Returned(1),)
    bench.answers(returned)
    assert bench.says() == [m.Exit("w")]


# -- lost answers -----------------------------------------------------------------------------------------------------


def test_a_steal_whose_answer_is_lost_is_repeated_with_what_is_in_hand() -> None:
    bench = Bench(policy=CAREFUL)
    assert bench.worker.deadline(bench.now) == 1030.0
    bench.now = 1029.9
    assert bench.says() == []
    bench.now = 1030.0
    assert bench.says() == [m.Steal("w", 1, Native(1, 20.0, 2, ()))]
    bench.hears(m.Transfer((Assigned(5, 1, "late", "late"),), 1))
    assert bench.starts() == [], "it was counted as lost, so the hub has taken it back"


def test_results_whose_answer_is_lost_are_told_again_with_what_is_in_hand() -> None:
    bench = Bench(slots=2, policy=CAREFUL)
    bench.given(2)
    bench.starts()
    bench.runs(0)
    ((complete),) = bench.says()
    assert bench.worker.deadline(bench.now) == bench.now + 10.0
    bench.now += 10.0
    ((again),) = bench.says()
    assert again.results == complete.results
    assert again.native.held == ((1, 1),)
    assert again.native.sequence == complete.native.sequence + 1
    bench.answers(complete)  # too late, and no harm
    bench.answers(again)
    assert not bench.worker.reports.unanswered
    assert bench.worker.reports.steal == again.native.sequence


def test_a_lost_answer_to_a_return_is_made_good_though_all_slots_are_busy() -> None:
    """What is in hand travels with a Steal, which asks for one at least: a Steal of nothing is an error."""
    bench = Bench(policy=CAREFUL)
    with_queue(bench, 2)
    bench.worker.reports.steal = 0
    bench.hears(m.Recall(1))
    bench.worker.holding.mean = 100.0
    ((returned),) = bench.says()
    assert isinstance(returned, m.GiveBack)
    bench.now += 10.0
    ((steal),) = bench.says()
    assert steal == m.Steal("w", 1, Native(1, 20.0, returned.native.sequence + 1, ((0, 1),)))


def test_what_is_in_hand_is_told_with_the_results_and_not_with_a_return_before_them() -> None:
    """The hub would take the tasks whose results are still to come for lost."""
    bench = Bench(policy=CAREFUL)
    with_queue(bench)
    bench.runs(0, 0.01)
    bench.starts()
    bench.now += 2 * HOLD
    ((complete),) = bench.says()
    assert isinstance(complete, m.Complete)
    bench.now += 10.0
    bench.hears(m.Recall(1))
    returned, again = bench.says()
    assert isinstance(returned, m.GiveBack) and returned.native is not None and returned.native.held is None
    assert again.results == complete.results
    assert again.native.held == ((1, 1),)


def test_a_worker_that_waits_for_ever_never_repeats() -> None:
    bench = Bench()
    assert bench.worker.deadline(bench.now) == INF
    bench.now += 1e9
    assert bench.says() == []


def test_it_says_hello_until_it_is_welcome() -> None:
    bench = Bench(policy=CAREFUL, greet=False)
    bench.says()
    bench.given(1)
    bench.starts()
    bench.runs(0)
    ((complete),) = bench.says()
    assert complete.native.hello
    bench.hears(m.Welcome("tcp://hub:1", True))
    bench.answers(complete)
    assert bench.worker.welcome == m.Welcome("tcp://hub:1", True)
    bench.hears(m.NotFound(answers=complete.native.sequence))
    ((steal),) = bench.says()
    assert not steal.native.hello


def test_a_task_that_runs_already_is_not_started_again() -> None:
    """The hub has taken us for lost, and gives out again what runs here still."""
    bench = Bench(slots=2)
    bench.given(1)
    assert bench.starts() == [0]
    bench.says()
    bench.worker.reports.steal = 9
    bench.hears(m.Transfer((Assigned(0, 2, "t0", "t0"), Assigned(1, 1, "t1", "t1")), 9))
    assert bench.starts() == [1]
    bench.now += 1.0
    bench.worker.ended(Result(0, 1, 0, seconds=1.0), bench.now)
    ((complete),) = bench.says()
    assert complete.results == (Result(0, 2, 0, seconds=1.0),)


# -- the original dialect ---------------------------------------------------------------------------------------------


def original(name: str) -> m.Transfer:
    return m.Transfer((Assigned(0, 0, name, name, origin="vm"),))


def test_a_cpp_hub_is_spoken_to_in_lockstep_and_by_name() -> None:
    bench = Bench(greet=False)
    ((steal),) = bench.says()
    assert (steal.location, steal.n) == ("w", 1)
    assert bench.says() == []
    assert bench.worker.asks
    bench.hears(original("a"))
    ((assigned),) = [bench.worker.next(bench.now)]
    assert assigned is not None
    bench.runs(assigned.id)
    assert bench.says() == [m.Complete("w", (Result("a", 0, seconds=1.0),))]
    assert bench.says() == []
    bench.hears(m.OK())
    assert [message.n for message in bench.says()] == [1]
    bench.hears(m.Exit())
    assert bench.says() == []
    assert bench.worker.over


def test_two_tasks_of_a_cpp_hub_are_told_apart_though_it_gives_no_numbers() -> None:
    bench = Bench(slots=2, greet=False)
    bench.says()
    bench.hears(m.Transfer((*original("a").tasks, *original("b").tasks)))
    first, second = bench.worker.next(bench.now), bench.worker.next(bench.now)
    assert first is not None and second is not None and first.id != second.id
    bench.runs(second.id)
    ((complete),) = bench.says()
    assert complete.results[0].task == "b"


def test_a_cpp_hub_with_nothing_ready_is_asked_again_after_a_pause() -> None:
    bench = Bench(greet=False)
    bench.says()
    bench.hears(m.NotFound())
    assert bench.says() == []
    assert bench.worker.deadline(bench.now) == bench.now + PAUSE
    bench.now += PAUSE
    assert [message.n for message in bench.says()] == [1]


def test_while_all_slots_are_busy_there_is_nothing_to_wake_up_for() -> None:
    bench = Bench(greet=False)
    bench.says()
    bench.hears(original("a"))
    bench.starts()
    assert bench.says() == []
    assert bench.worker.deadline(bench.now) == INF


def test_a_first_word_that_is_lost_is_said_again() -> None:
    bench = Bench(policy=CAREFUL, greet=False)
    bench.says()
    assert bench.worker.deadline(bench.now) == bench.now + 10.0
    bench.now += 10.0
    assert [type(message) for message in bench.says()] == [m.Steal]


def test_a_cpp_hub_is_told_goodbye() -> None:
    bench = Bench(greet=False)
    bench.says()
    bench.hears(original("a"))
    bench.starts()
    bench.worker.leave()
    assert bench.says() == []
    bench.runs(1)
    assert [type(message) for message in bench.says()] == [m.Complete]
    bench.hears(m.OK())
    assert bench.says() == [m.Exit("w")]
    assert bench.worker.over


def test_a_cpp_hub_takes_back_what_is_in_hand_at_the_goodbye() -> None:
    bench = Bench(greet=False)
    bench.says()
    bench.hears(original("a"))
    bench.starts()
    bench.worker.leave(running=True)
    bench.runs(1, status=143)
    assert bench.says() == [m.Exit("w")]
    assert bench.worker.over


# -- what holds whatever happens --------------------------------------------------------------------------------------

MOVES = st.lists(
    st.tuples(
        st.sampled_from(["wait", "give", "end", "ok", "nothing", "recall", "cancel", "welcome", "leave", "late"]),
        st.integers(0, 6),
    ),
    max_size=40,
)


@given(
    MOVES, st.integers(1, 3), st.sampled_from([WorkerPolicy(), CAREFUL, WorkerPolicy(wait=0.0, patience=1.0, most=4)])
)
def test_whatever_happens_it_neither_spins_nor_oversleeps_nor_steals_nothing(
    moves: list[tuple[str, int]], slots: int, policy: WorkerPolicy
) -> None:
    bench = Bench(slots, policy, greet=False)
    worker = bench.worker
    known: list[m.Message] = []
    for move, k in moves:
        match move:
            case "wait":
                bench.now += (0.0, 0.0005, 0.003, 0.1, 1.0, 15.0, 40.0)[k]
            case "give" if worker.reports.steal:
                bench.given(k, awaited=k == 2)
            case "end" if worker.running:
                bench.runs(next(iter(worker.running)), (0.0, 0.001, 0.01, 1.0)[k % 4], k % 2)
            case "ok" if worker.reports.unanswered:
                bench.hears(m.OK(answers=next(iter(worker.reports.unanswered))))
            case "nothing" if worker.reports.steal:
                bench.hears(m.NotFound(answers=worker.reports.steal))
            case "recall":
                bench.hears(m.Recall(k))
            case "cancel":
                bench.hears(m.Cancel(tuple(worker.running)[:k]))
            case "welcome":
                bench.hears(m.Welcome())
            case "leave" if k == 0:
                worker.leave()
            case "late" if known:
                bench.hears(known[k % len(known)])
        bench.starts()
        said = bench.says()
        for message in said:
            assert not isinstance(message, m.Steal) or message.n >= 1
            assert not isinstance(message, m.Complete) or message.steal >= 0
            if getattr(message, "native", None) and message.native.sequence > 1:
                known.append(m.Transfer((Assigned(1000 + k, 1, "x", "x"),), message.native.sequence - 1))
        assert len(worker.running) <= slots
        if worker.native and not worker.reports.unanswered:
            assert worker.queue or not worker.reports.results, "nobody has heard of these"
        deadline = worker.deadline(bench.now)
        assert deadline > bench.now, "it would spin"
        # Nothing is said before the deadline, but for results that a task's end may take along earlier.
        if deadline < INF:
            quiet = (
                deadline
                if not worker.reports.results or worker.native is False
                else worker.reports._oldest + worker.reports._hold
            )
            for part in (0.3, 0.7, 0.99):
                now = bench.now + part * (min(deadline, quiet) - bench.now)
                if bench.now < now < min(deadline, quiet):
                    assert worker.outbox(now) == []
            if not worker.leaving and move == "wait":
                bench.now = deadline
                bench.starts()
                assert bench.says(), "it has said that it would have something to say"


# -- what got lost before the first answer, and what the hub believes --------------------------------------------------


def test_a_steal_that_is_repeated_before_any_answer_says_that_nothing_is_in_hand() -> None:
    bench = Bench(policy=CAREFUL, greet=False)
    (first,) = bench.says()
    assert first.native.held is None
    for n in (2, 3):
        bench.now += CAREFUL.patience
        (again,) = bench.says()
        assert again.native.sequence == n and again.native.held == () and again.native.hello


def test_a_worker_that_is_to_end_what_it_does_not_hold_tells_what_it_holds() -> None:
    bench = Bench(slots=2)
    bench.given(1)
    bench.starts()
    bench.says()
    bench.hears(m.Cancel((0, 17)))
    assert bench.worker.kills() == [0]
    (message,) = bench.says()
    assert message.native.held == ((0, 1),)


def test_a_refused_report_makes_the_worker_tell_what_it_holds() -> None:
    bench = Bench()
    bench.given(1)
    bench.starts()
    bench.runs(0)
    (report,) = bench.says()
    bench.hears(m.Error("no", report.native.sequence))
    (message,) = bench.says()
    assert message.native.held == ()


# -- versions ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("again", [False, True])
def test_a_welcome_of_another_protocol_is_kept_for_the_caller_and_not_followed(again: bool) -> None:
    bench = Bench(greet=False)
    bench.says()
    bench.hears(m.Welcome(again=again, version=Version(m.PROTOCOL + 1, "9.9")))
    assert bench.worker.other == Version(m.PROTOCOL + 1, "9.9")
    assert bench.worker.welcome is None and bench.says() == []


def test_an_error_of_another_protocol_is_kept_for_the_caller() -> None:
    bench = Bench(greet=False)
    bench.says()
    bench.hears(m.Error("no", 1, Version(m.PROTOCOL + 1)))
    assert bench.worker.other == Version(m.PROTOCOL + 1, "")


def test_another_dwork_of_the_same_protocol_is_as_good_as_ours() -> None:
    bench = Bench(greet=False)
    bench.says()
    bench.hears(m.Welcome(version=Version(m.PROTOCOL, "9.9")))
    assert bench.worker.other is None and bench.worker.welcome is not None


# -- the batch system ends the job of a worker -------------------------------------------------------------------------


def test_what_ended_in_the_second_around_the_end_of_its_job_is_given_back_or_never_told() -> None:
    bench = Bench(slots=4)
    bench.given(4)
    bench.starts()
    for id in (0, 1):
        bench.now += 1.0
        bench.runs(id, 0.5)
        bench.now += HOLD
        for message in bench.says():
            bench.answers(message)
    bench.worker.ended(Result(2, 1), bench.now)  # not yet
    bench.worker.end_of_job(bench.now)
    bench.worker.leave()
    bench.runs(3, 0.5)
    said = bench.says()
    assert [message.tasks for message in said if isinstance(message, m.GiveBack)] == [(Returned(1),)]
    assert not any(isinstance(message, m.Complete) for message in said)


def test_what_ends_well_long_after_the_signal_counts() -> None:
    bench = Bench()
    bench.given(1)
    bench.starts()
    bench.worker.end_of_job(bench.now)
    bench.worker.leave()
    bench.runs(0, 5.0)
    (report,) = bench.says()
    assert [result.task for result in report.results] == [0]


def test_a_hub_that_is_through_wants_nothing_of_what_still_runs_here() -> None:
    """The hub had taken this worker for lost, and its task has ended elsewhere or is for another run."""
    bench = Bench()
    bench.given(1)
    assert bench.starts() == [0]
    bench.hears(m.Exit())
    assert bench.worker.kills() == [0]
    bench.worker.ended(Result(0, 1, 143, 15), bench.now)
    assert bench.says() == [] and bench.worker.over
