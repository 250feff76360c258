"""jobscripts/lsf.sh and flux.sh, and a moment of slurm.sh: only that the scripts themselves do what they should.

Neither LSF nor Flux is here. Of LSF a script needs nothing but its variables; of Flux there is a stand-in, which
starts one rank.
"""

from __future__ import annotations

import os
import shlex
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dwork.host.launcher import MPICH, OPEN_MPI, OPEN_MPI_4
from tests.conftest import ROOT

#: Tells what it was asked for, and runs what `flux run` is to run.
FLUX = """\
#!/bin/bash
echo "$*" >> asked
case $1 in
resource) echo 4 ;;
job) echo 3600 ;;
run) while [ "$1" != dwork-pool ]; do shift; done; exec "$@" ;;
esac
"""


#: What `mpirun --version` prints, and what each of these is.
VERSIONS = {
    "mpirun (Open MPI) 3.1.6": OPEN_MPI_4,
    "mpirun (Open MPI) 4.1.4": OPEN_MPI_4,
    "mpirun (Open MPI) 5.0.11": OPEN_MPI,
    "mpirun (Open MPI) 10.0.0": OPEN_MPI,
    "HYDRA build details:": MPICH,
    "Intel(R) MPI Library for Linux* OS, Version 2021.18": MPICH,
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("script", ["local.sh", "pbs.sh", "lsf.sh", "sge.sh"])
def test_each_script_starts_the_ranks_so_that_the_others_survive_when_one_dies(
    run: Callable, tmp_path: Path, script: str, version: str
) -> None:
    """With any version of mpirun, of which only a stand-in is here."""
    (tmp_path / "mpirun").write_text(f"#!/bin/sh\n[ $1 = --version ] && echo '{version}' || echo mpirun $*\n")
    (tmp_path / "mpirun").chmod(0o755)
    (tmp_path / "hosts").write_text("node1 4 all.q@node1 UNDEFINED\n")
    job = {
        "PBS_O_WORKDIR": str(tmp_path), "LSB_MCPU_HOSTS": "node1 4", "TMPDIR": str(tmp_path), "NHOSTS": "1",
        "PE_HOSTFILE": str(tmp_path / "hosts"), "PATH": f"{tmp_path}:{os.environ['PATH']}",
    }  # fmt: skip
    ran = run("bash", ROOT / "jobscripts" / script, *(["3", "tasks.txt"] if script == "local.sh" else []), **job)
    assert ran.out.startswith(f"{VERSIONS[version].surviving} "), ran.err


@pytest.fixture
def path(mpirun: list[str], tmp_path: Path) -> str:
    (tmp_path / "flux").write_text(FLUX)
    (tmp_path / "flux").chmod(0o755)
    return f"{tmp_path}:{Path(mpirun[0]).parent}:{Path(sys.executable).parent}:{os.environ['PATH']}"


#: What LSF sets in a job of one slot on this host.
LSF = {"LSB_JOBID": "4711", "LSB_MCPU_HOSTS": f"{socket.gethostname()} 1"}


def test_an_lsf_job_tells_by_its_exit_status_how_it_went(run: Callable, tmp_path: Path, path: str) -> None:
    (tmp_path / "tasks.txt").write_text("true\n")
    ran = run("bash", ROOT / "jobscripts/lsf.sh", PATH=path, **LSF)
    assert ran.code == 0, ran.err
    assert "1 task on 1 core of this machine" in ran.err
    (tmp_path / "tasks.txt").write_text("false\n")
    assert run("bash", ROOT / "jobscripts/lsf.sh", PATH=path, **LSF).code == 1


def test_an_lsf_job_that_has_stopped_at_once_does_not_come_back(run: Callable, tmp_path: Path, path: str) -> None:
    (tmp_path / "tasks.txt").write_text("true   #DWORK min-time=13h\n")
    ran = run("bash", ROOT / "jobscripts/lsf.sh", PATH=path, **LSF)
    assert ran.code == 1
    assert "the remaining tasks would not finish before the job ends" in ran.err


def test_a_flux_job_goes_on_in_another_one(run: Callable, tmp_path: Path, path: str) -> None:
    (tmp_path / "tasks.txt").write_text("true   #DWORK name=short\ntrue   #DWORK name=long min-time=2h\n")
    ran = run("bash", ROOT / "jobscripts/flux.sh", "--retries", "1", PATH=path)
    assert ran.code == 3, ran.err
    asked = (tmp_path / "asked").read_text().splitlines()
    started = next(shlex.split(line) for line in asked if line.startswith("run"))
    assert started[-4:] == ["3600s", "--retries", "1", "tasks.txt"] and "--nodes=4" in started
    assert asked[-1] == "--parent batch jobscripts/flux.sh --retries 1"
    (tmp_path / "tasks.txt").write_text("true   #DWORK name=short\n")
    assert run("bash", ROOT / "jobscripts/flux.sh", PATH=path).code == 0
    assert (tmp_path / "asked").read_text().splitlines()[-1].startswith("run")


def test_a_slurm_job_whose_record_is_still_in_use_goes_back_into_the_queue(
    run: Callable, start: Callable, wait_until: Callable, tmp_path: Path, path: str
) -> None:
    """The stand-in for srun ends as a pool does that has waited in vain."""
    (tmp_path / "tasks.txt").write_text("touch there; sleep 1000\n")
    for name, does in (("srun", "exit 3"), ("scontrol", 'echo "$*" >> asked')):
        (tmp_path / name).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / name).chmod(0o755)
    start(sys.executable, "-m", "dwork.pool", "--no-bridge", "tasks.txt")
    wait_until((tmp_path / "there").exists)
    ran = run("bash", ROOT / "jobscripts/slurm.sh", PATH=path, SLURM_JOB_ID="4711", SLURM_RESTART_COUNT="1")
    assert (ran.code, (tmp_path / "asked").read_text()) == (3, "requeue 4711\n"), ran.err
