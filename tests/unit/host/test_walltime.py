"""When the job ends, by the answers of batch systems."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from dwork.host.walltime import by_pbs, by_slurm

#: The first moment of the hour that Berlin had twice, on 29 October 2023 from 02:00; an hour later it began again.
TWICE = 1_698_537_600.0


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
