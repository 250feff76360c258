"""When results go out, and which of them go together."""

from __future__ import annotations

import pytest

from dwork.core import messages as m
from dwork.core.messages import Native
from dwork.core.task import Assigned, Result
from dwork.worker.reports import HOLD, URGENT
from tests.unit.worker.bench import INF, Bench, with_queue


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
