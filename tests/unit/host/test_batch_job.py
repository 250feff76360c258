"""Whether this process runs in a batch job, and in which."""

from __future__ import annotations

import signal

import pytest

from dwork.host.batch_job import job
from dwork.host.signals import end_of_job

VARIABLES = ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "FLUX_JOB_ID", "COBALT_JOBID", "PJM_JOBID", "OAR_JOB_ID")


@pytest.fixture(autouse=True)
def outside_a_job(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*VARIABLES, "JOB_ID", "SGE_ROOT"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("name", VARIABLES)
def test_the_job_is_the_one_that_the_batch_system_names(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    assert job() == "" and end_of_job({signal.SIGINT}) == 0
    monkeypatch.setenv(name, "4711")
    assert job() == "4711" and end_of_job({signal.SIGINT}) == signal.SIGINT


def test_a_job_of_grid_engine_is_known_by_two_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOB_ID", "4711")
    assert job() == "", "other programs set it, too"
    monkeypatch.setenv("SGE_ROOT", "/opt/sge")
    assert job() == "4711"
