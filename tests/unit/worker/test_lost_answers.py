"""Answers that do not come: what a worker repeats, and what it adds to that."""

from __future__ import annotations

from dwork.core import messages as m
from dwork.core.messages import Native
from dwork.core.task import Assigned, Result
from dwork.worker.reports import HOLD
from tests.unit.worker.bench import CAREFUL, INF, Bench, with_queue


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
