"""What a worker holds: how many tasks it asks for, and which it gives back."""

from __future__ import annotations

from dwork.core import messages as m
from dwork.core.messages import Native, Returned
from dwork.core.resources import Resources
from dwork.core.task import Assigned, Options, Result
from dwork.worker.reports import HOLD
from dwork.worker.worker import Worker, WorkerPolicy
from tests.unit.worker.bench import INF, Bench, short_tasks, with_queue


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


# -- stealing ahead ---------------------------------------------------------------------------------------------------


def test_it_begins_with_one_task_for_each_slot() -> None:
    bench = Bench(slots=3)
    assert bench.says() == []
    bench.given(3)
    assert bench.starts() == [0, 1, 2]
    assert bench.says() == []


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
