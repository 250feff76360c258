"""How long a worker stays: until it is idle, or its own batch job is about to end."""

from __future__ import annotations

import math

from dwork.worker.stay import Stay
from dwork.worker.worker import Worker
from tests.unit.worker.bench import busy, waiting


def test_a_worker_leaves_when_it_had_no_task_for_so_long() -> None:
    worker = Worker("w:1")
    stay = Stay(worker, 0.0, 10.0)
    stay.check(9.9, math.inf)
    assert not worker.leaving and stay.deadline(math.inf) == 10.0
    stay.check(10.0, math.inf)
    assert worker.leaving and stay.deadline(math.inf) == math.inf


def test_a_task_that_runs_or_waits_begins_the_wait_for_work_again() -> None:
    worker = busy(waiting())
    stay = Stay(worker, 0.0, 10.0)
    stay.check(50.0, math.inf)
    assert not worker.leaving and stay.deadline(math.inf) == 60.0


def test_at_the_last_call_its_tasks_are_killed_once() -> None:
    worker = busy(waiting())
    stay = Stay(worker, 0.0)
    assert not stay.check(99.0, 100.0) and stay.deadline(100.0) == 100.0
    assert stay.check(100.0, 100.0)
    assert worker.leaving and worker.kills() == [1] and stay.deadline(100.0) == math.inf
    assert not stay.check(101.0, 100.0) and worker.kills() == []


def test_a_worker_that_leaves_already_still_kills_its_tasks_at_the_last_call() -> None:
    worker = busy(waiting())
    worker.leave()
    assert Stay(worker, 0.0).check(100.0, 100.0) and worker.kills() == [1]


def test_the_time_in_which_this_process_stood_still_is_no_idleness() -> None:
    worker = Worker("w:1")
    stay = Stay(worker, 0.0, 10.0)
    stay.postpone(100.0)
    stay.check(109.9, math.inf)
    assert not worker.leaving
    stay.check(110.0, math.inf)
    assert worker.leaving
