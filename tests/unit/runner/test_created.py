"""Results that wait for files, on a clock of their own."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from dwork.core.cause import Cause
from dwork.core.task import Assigned, Options, Result
from dwork.runner.created import LATENCY, LATER, NOT_CREATED, SOON, Created, judged

ERROR = "it exited with 0, but did not create out"


@pytest.fixture
def task(tmp_path: Path) -> Assigned:
    return Assigned(7, 3, "a", "a", Options(cwd=str(tmp_path), creates=("out",)))


WELL = Result(7, 3, started=90.0, seconds=10.0)
FAILURE = WELL._replace(exit_status=NOT_CREATED, cause=Cause.NOT_CREATED, error=ERROR)


def test_a_result_is_final_at_once_when_the_files_are_there_or_do_not_matter(task: Assigned, tmp_path: Path) -> None:
    created = Created()
    others = [(Assigned(1, 1, "b", "b"), Result(1, 1)), (task, WELL._replace(exit_status=1))]
    assert created.sift(others, 100.0) == others
    (tmp_path / "out").touch()
    assert created.sift([(task, WELL)], 100.0) == [(task, WELL)]
    assert created.deadline == math.inf


def test_a_file_that_comes_late_is_awaited_and_the_run_time_stays(task: Assigned, tmp_path: Path) -> None:
    created = Created()
    assert created.sift([(task, WELL)], 100.0) == []
    assert created.deadline == 100.0 + SOON
    (tmp_path / "out").touch()
    assert created.sift([], 100.0 + SOON / 2) == [], "not looked for yet"
    assert created.sift([], 100.0 + SOON) == [(task, WELL)]
    assert created.deadline == math.inf


def test_a_file_that_does_not_come_is_a_failure_after_some_seconds_and_few_looks(task: Assigned) -> None:
    created = Created()
    assert created.sift([(task, WELL)], 100.0) == []
    looks = [100.0]
    while not (final := created.sift([], created.deadline)):
        assert looks[-1] < created.deadline <= min(looks[-1] + LATER, 100.0 + LATENCY)
        looks.append(created.deadline)
    assert final == [(task, FAILURE)]
    assert created.deadline == math.inf and len(looks) < 15


def test_other_results_do_not_wait_for_it(task: Assigned) -> None:
    created = Created()
    created.sift([(task, WELL)], 100.0)
    other = (Assigned(1, 1, "b", "b"), Result(1, 1))
    assert created.sift([other], 100.001) == [other]


def test_a_task_that_is_to_end_waits_no_longer(task: Assigned) -> None:
    created = Created()
    created.hurry(7)
    created.sift([(task, WELL)], 100.0)
    created.hurry(7)
    assert created.sift([], 100.0) == [(task, FAILURE)]


def test_what_has_failed_by_itself_stays_as_it_is(task: Assigned) -> None:
    failed = WELL._replace(exit_status=3)
    assert judged(task, failed) is failed


def test_the_time_in_which_this_process_stood_still_does_not_count(task: Assigned, tmp_path: Path) -> None:
    created = Created()
    created.sift([(task, WELL)], 100.0)
    created.postpone(1000.0)
    assert created.sift([], 1000.0 + LATENCY) == []
    (tmp_path / "out").touch()
    assert created.sift([], 1100.0) == [(task, WELL)]
