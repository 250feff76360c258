"""The summary of a run, from what has ended in it."""

from __future__ import annotations

from typing import Any

from dwork.core import events as e
from dwork.core.events import Ended
from dwork.core.task import Assigned, Options, Result, State
from dwork.output.totals import Totals


def counts(**n: int) -> dict[State, int]:
    return {state: n.get(state.value, 0) for state in State}


def ended(id: int, status: int = 0, **more: Any) -> Ended:
    return Ended(id, f"task {id}", Result(id, 1, status, **more))


STOLEN = e.Stolen(10.0, "w", [Assigned(0, 1, "task 0", "x")])


def test_nothing_to_do_is_summed_up() -> None:
    assert Totals().summary(counts()) == "0 done, 0 failed, 0 skipped in 0.00 s"


def test_a_run_is_summed_up_in_one_line() -> None:
    totals = Totals()
    totals.hear([e.Joined(9.0, "w", 2), STOLEN, e.Finished(12.0, "w", [ended(0, seconds=2.0), ended(1, seconds=1.0)])])
    assert totals.summary(counts(done=2)) == "2 done, 0 failed, 0 skipped in 2.00 s; 1.0 tasks/s, workers 75% busy"


def test_tasks_that_left_processes_behind_are_named_up_to_a_limit() -> None:
    totals = Totals()
    totals.hear([STOLEN, e.Finished(12.0, "w", [ended(0, left=2), ended(1)])])
    assert totals.left_behind == "1 task left processes behind, which were ended: #0 task 0"
    totals.hear([e.Failed(12.0, "w", ended(id, 1, left=1)) for id in range(2, 8)])
    names = ", ".join(f"#{id} task {id}" for id in (0, 2, 3, 4, 5))
    assert totals.left_behind == f"7 tasks left processes behind, which were ended: {names} and 2 more"


def test_a_task_of_several_cores_keeps_as_many_busy() -> None:
    totals = Totals()
    wide = Assigned(0, 1, "task 0", "x", Options(cores=3))
    totals.hear([e.Joined(10.0, "w", 4), e.Stolen(10.0, "w", [wide, Assigned(1, 1, "task 1", "x")])])
    totals.hear([e.Finished(12.0, "w", [ended(0, seconds=2.0), ended(1, seconds=1.0)])])
    assert totals.summary(counts(done=2)).endswith("workers 88% busy")


def test_what_did_not_end_is_counted() -> None:
    totals = Totals()
    line = totals.summary(counts(done=1000, waiting=1, ready=2, assigned=3, cancelled=4))
    assert line == "1,000 done (1,000 before), 0 failed, 0 skipped, 4 cancelled, 6 not finished in 0.00 s"


def test_a_worker_that_came_late_and_left_early_counts_for_its_time() -> None:
    totals = Totals()
    totals.hear([e.Joined(0.0, "a", 1), STOLEN, e.Joined(10.0, "b", 0), e.Left(15.0, "b", "gone")])
    totals.hear([e.Finished(20.0, "a", [ended(0, seconds=7.5)])])
    assert totals.summary(counts(done=1)).endswith("in 10.00 s; 0.1 tasks/s, workers 50% busy")


def test_long_runs_are_told_in_hours() -> None:
    totals = Totals()
    totals.hear([STOLEN, e.Finished(10.0 + 3661.4, "w", [ended(0)])])
    assert "in 1:01:01;" in totals.summary(counts(done=1))


def test_what_was_done_before_counts_and_is_no_work_of_this_run() -> None:
    totals = Totals()
    totals.hear([e.Resumed(9.0, [2, 3, 4]), e.Joined(9.0, "w", 1), STOLEN, e.Finished(12.0, "w", [ended(2)])])
    totals.hear([e.Failed(14.0, "w", ended(3, 1))])
    line = totals.summary(counts(done=6, failed=1))
    assert line == "6 done (5 before), 1 failed, 0 skipped in 4.00 s; 0.5 tasks/s, workers 0% busy"


def test_a_killed_task_was_work_and_is_cancelled() -> None:
    totals = Totals()
    killed = e.Killed(20.0, "w", ended(0, 143, seconds=5.0), "on request")
    totals.hear([e.Joined(10.0, "w", 1), STOLEN, killed])
    line = totals.summary(counts(cancelled=1))
    assert line == "0 done, 0 failed, 0 skipped, 1 cancelled in 10.00 s; 0.0 tasks/s, workers 50% busy"
