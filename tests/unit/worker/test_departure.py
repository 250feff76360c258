"""How a worker leaves: at the end, on request, or with its batch job."""

from __future__ import annotations

from dwork.core import messages as m
from dwork.core.cause import Cause
from dwork.core.messages import Returned
from dwork.core.task import Result
from dwork.worker.reports import HOLD
from tests.unit.worker.bench import Bench, with_queue


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
