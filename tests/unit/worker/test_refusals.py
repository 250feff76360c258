"""Starts that the system refuses: the task is given back, and the worker offers fewer slots or leaves."""

from __future__ import annotations

from dwork.core import messages as m
from dwork.core.messages import Returned
from dwork.core.task import Assigned
from dwork.worker.refusals import PATIENCE, PAUSE, RECOVERY, Refusals
from dwork.worker.worker import Worker
from tests.unit.worker.bench import Bench


def refuse(bench: Bench) -> m.GiveBack:
    """The next task cannot start; what the worker gives back."""
    assigned = bench.worker.next(bench.now)
    assert assigned is not None
    bench.worker.refused(assigned.id, bench.now)
    back, *_ = bench.says()
    assert isinstance(back, m.GiveBack) and back.tasks == (Returned(assigned.id),)
    bench.answers(back)
    return back


def test_a_refused_task_is_given_back_with_the_slots_that_are_left() -> None:
    bench = Bench(4)
    bench.given(4)
    bench.worker.next(bench.now)
    bench.worker.next(bench.now)
    back = refuse(bench)
    assert back.native is not None and back.native.slots == bench.worker.slots == 2
    assert [*bench.worker.running] == [0, 1] and not bench.worker.reports.results


def test_it_starts_no_more_tasks_at_a_time_than_it_could() -> None:
    bench = Bench(4)
    bench.given(4)
    bench.worker.next(bench.now)
    refuse(bench)
    assert bench.starts() == [] and not bench.worker.can_start
    bench.runs(0)
    assert bench.starts() == [2]


def test_it_offers_one_more_slot_after_each_minute_without_a_refusal() -> None:
    bench = Bench(3)
    bench.given(3)
    bench.worker.next(bench.now)
    refuse(bench)
    offered = []
    for _ in range(4):
        bench.now += RECOVERY
        bench.says()
        offered.append(bench.worker.slots)
    assert offered == [2, 3, 3, 3]


def test_with_nothing_running_it_pauses_before_it_asks_again_longer_each_time() -> None:
    bench = Bench()
    for pause in (PAUSE[0], 2 * PAUSE[0], 4 * PAUSE[0]):
        bench.given(1)
        refuse(bench)
        assert bench.says() == [] and bench.worker.deadline(bench.now) == bench.now + pause
        bench.now += pause
        (steal,) = bench.says()
        assert isinstance(steal, m.Steal) and steal.n == 1


def test_a_task_that_runs_ends_the_pauses() -> None:
    bench = Bench()
    bench.given(1)
    refuse(bench)
    bench.now += PAUSE[0]
    bench.says()
    bench.given(1)
    bench.runs(bench.starts()[0])
    bench.says()
    bench.given(1)
    refuse(bench)
    assert bench.worker.deadline(bench.now) == bench.now + PAUSE[0]


def test_it_leaves_when_it_could_start_nothing_for_too_long() -> None:
    bench = Bench(2)
    began = bench.now
    while not bench.worker.leaving:
        bench.given(1)
        refuse(bench)
        bench.now = max(bench.now, bench.worker.deadline(bench.now)) if not bench.worker.leaving else bench.now
        bench.says()
    assert PATIENCE <= bench.now - began < PATIENCE + PAUSE[1]
    assert bench.worker.over


def test_a_worker_of_the_original_hub_keeps_the_task_and_tries_it_again() -> None:
    worker = Worker("w")
    worker.outbox(0.0)
    worker.receive(m.Transfer((Assigned(1, 0, "a", "a"),)), 0.0)
    assigned = worker.next(0.0)
    assert assigned is not None
    worker.refused(assigned.id, 0.0)
    assert worker.outbox(0.0) == [] and worker.next(0.0) is None and not worker.can_start
    assert worker.deadline(0.0) == PAUSE[0]
    worker.outbox(PAUSE[0])
    assert worker.can_start and worker.next(PAUSE[0]) == assigned


def test_a_lost_slot_is_not_offered_again_after_a_refusal() -> None:
    refusals = Refusals(3)
    refusals.add(1, 0.0)
    refusals.lose_slot()
    assert refusals.slots == 1 and refusals.all == 2
    assert [refusals.offered(RECOVERY * n) for n in (1, 2, 3)] == [2, 2, 2]
    refusals.lose_slot()
    assert refusals.slots == refusals.all == 1
