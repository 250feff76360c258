"""When the job ends, by the answers of batch systems."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dwork.host.batch_system import of
from dwork.host.walltime import AGAIN, SOON, Walltime
from tests.waiting import wait_until

#: The first moment of the hour that Berlin had twice, on 29 October 2023 from 02:00; an hour later it began again.
TWICE = 1_698_537_600.0


def by_slurm(answer: str, job: str) -> float | None:
    environ = {"SLURM_JOB_ID": job}
    return of(environ).end(answer, environ, 0.0)


def by_pbs(answer: str, now: float) -> float | None:
    environ = {"PBS_JOBID": "4711.cluster"}
    return of(environ).end(answer, environ, now)


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_of_a_job_array_the_line_of_the_own_element_counts() -> None:
    answer = "5 4711_0 1700000100\n6 4711_1 1700000200\n4711 4711_2 1700000300\n"
    assert by_slurm(answer, "4711") == 1_700_000_300.0
    assert by_slurm("6 4711_1 1700000200\n", "6") == 1_700_000_200.0


def test_a_heterogeneous_job_ends_with_the_first_of_its_components() -> None:
    answer = "4711 4711+0 1700000540\n4712 4711+1 1700000360\n"
    assert by_slurm(answer, "4711") == 1_700_000_360.0
    assert by_slurm(answer, "4712") == 1_700_000_360.0


@pytest.mark.parametrize("answer", ["", "4711 4711 N/A\n", "4711 4711 NONE\n", "6 4711_1 1700000200\n", "error\n"])
def test_without_an_end_in_its_answer_slurm_has_told_none(answer: str) -> None:
    assert by_slurm(answer, "4711") is None


def qstat(begin: str, key: str = "stime") -> str:
    return (
        "Job Id: 4711.cluster\n    Job_Name = dwork\n    estimated.start_time = Thu Jan  1 00:00:00 1970\n"
        f"    Resource_List.walltime = 26:00:05\n    {key} = {begin}\n"
    )


@pytest.mark.parametrize("key", ["stime", "start_time"])
def test_pbs_and_torque_tell_when_the_job_has_started_and_how_long_it_may_run(key: str) -> None:
    started = 1_700_000_000.0
    assert by_pbs(qstat(time.ctime(started), key), started + 1) == started + 26 * 3600 + 5
    assert by_pbs("qstat: Unknown Job Id 4711\n", started) is None
    assert by_pbs(qstat("soon", key), started) is None


@pytest.mark.usefixtures("berlin")
@pytest.mark.parametrize(
    ("started", "asked", "expected"),
    [
        (TWICE + 60, TWICE + 70, TWICE + 60),
        (TWICE + 3660, TWICE + 3670, TWICE + 3660),
        (TWICE - 60, TWICE + 10, TWICE - 60),
        (TWICE + 7200, TWICE + 7210, TWICE + 7200),
    ],
)
def test_in_the_repeated_hour_a_job_has_started_at_the_last_such_time_before_now(
    started: float, asked: float, expected: float
) -> None:
    assert by_pbs(qstat(time.ctime(started)), asked) == expected + 26 * 3600 + 5


class Squeue:
    """A stand-in for squeue in PATH, which prints what the file `answer` has. asked: how often it was started."""

    def __init__(self, directory: Path) -> None:
        self._answer, self._log = directory / "answer", directory / "log"
        program = directory / "squeue"
        program.write_text(f"#!/bin/sh\necho asked >> {self._log}\ncat {self._answer}\n")
        program.chmod(0o755)

    @property
    def asked(self) -> int:
        return len(self._log.read_text().splitlines()) if self._log.exists() else 0

    def answer(self, walltime: Walltime, now: float, end: str) -> None:
        self._answer.write_text(f"4711 4711 {end}\n")
        walltime.poll(now)
        wait_until(lambda: walltime.poll(now) or not walltime.is_asking)


@pytest.fixture
def squeue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Squeue:
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    monkeypatch.delenv("SLURM_JOB_END_TIME", raising=False)
    return Squeue(tmp_path)


def test_after_a_standstill_the_end_is_asked_for_again_and_meanwhile_assumed_to_have_moved(squeue: Squeue) -> None:
    walltime = Walltime(None, 1000.0, 60.0)
    squeue.answer(walltime, 1000.0, "2000")
    assert walltime.end == 2000.0 and walltime.is_known and walltime.next == 1000.0 + AGAIN
    walltime.stood_still(900.0, 1950.0)
    assert walltime.last_call == 2840.0 and not walltime.is_known and walltime.next == 1950.0
    squeue.answer(walltime, 1950.0, "2895")
    assert walltime.end == 2895.0 and walltime.is_known and squeue.asked == 2


def test_when_the_end_cannot_be_asked_for_again_it_is_the_one_that_was_known(squeue: Squeue) -> None:
    walltime = Walltime(None, 1000.0)
    squeue.answer(walltime, 1000.0, "2000")
    walltime.stood_still(900.0, 1950.0)
    squeue.answer(walltime, 1950.0, "N/A")
    assert walltime.end == 2000.0


def test_a_process_that_often_stands_still_does_not_ask_each_time(squeue: Squeue) -> None:
    walltime = Walltime(None, 1000.0)
    squeue.answer(walltime, 1000.0, "2000")
    walltime.stood_still(1.5, 1003.0)
    walltime.poll(1003.0)
    assert walltime.next == 1000.0 + SOON and not walltime.is_asking and squeue.asked == 1


def test_an_end_that_the_user_has_given_stays(squeue: Squeue) -> None:
    walltime = Walltime(100.0, 1000.0)
    walltime.stood_still(900.0, 1950.0)
    assert walltime.end == 1100.0 and walltime.next == math.inf
