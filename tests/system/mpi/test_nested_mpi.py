"""Programs that use MPI themselves, as tasks: they are not taken for ranks of ours."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

HELLO = "import os; from mpi4py import MPI; os.write(1, b'size %d\\n' % MPI.COMM_WORLD.allreduce(1))"


@pytest.mark.parametrize("transport", ["mpi", "zmq"])
def test_an_mpi_program_and_an_mpirun_work_in_a_task(
    mpirun: list[str], run: Callable, tmp_path: Path, transport: str
) -> None:
    (tmp_path / "hello.py").write_text(HELLO)
    hello = f"{sys.executable} hello.py"
    (tmp_path / "tasks.txt").write_text(
        f"{hello}   #DWORK name=alone timeout=40\n{mpirun[0]} -n 2 {hello}   #DWORK name=two after=alone timeout=40\n"
    )
    ran = run(
        *mpirun, "-n", 2, sys.executable, "-m", "dwork.pool", "--transport", transport, "-k", "tasks.txt", limit=100
    )
    assert ran.code == 0, ran.err + ran.out
    assert ran.out.splitlines() == ["size 1", "size 2", "size 2"]


@pytest.mark.parametrize("system", ["PBS", "LSF", "Grid Engine"])
def test_an_mpirun_in_a_task_starts_its_ranks_on_the_host_of_the_task_not_on_the_first_of_the_job(
    mpirun: list[str], run: Callable, tmp_path: Path, system: str
) -> None:
    """The first host of the job does not exist, so an mpirun that goes there fails."""
    hosts = tmp_path / "hosts"
    jobs = {
        "PBS": {"PBS_ENVIRONMENT": "PBS_BATCH", "PBS_JOBID": "7", "PBS_NODEFILE": str(hosts)},
        "LSF": {"LSB_JOBID": "7", "LSF_BINDIR": "/lsf/bin", "LSB_HOSTS": "nowhere", "LSB_MCPU_HOSTS": "nowhere 2"},
        "Grid Engine": {"SGE_ROOT": "/sge", "ARC": "lx-amd64", "JOB_ID": "7", "PE_HOSTFILE": str(hosts)},
    }
    hosts.write_text("nowhere\n" if system == "PBS" else "nowhere 2 all.q@nowhere UNDEFINED\n")
    (tmp_path / "tasks.txt").write_text(f"{mpirun[0]} -n 2 hostname   #DWORK timeout=40\n")
    ran = run(sys.executable, "-m", "dwork.pool", "--bind", "127.0.0.1", "tasks.txt", limit=100, **jobs[system])
    assert ran.code == 0, ran.err + ran.out
    assert ran.out.split() == [socket.gethostname()] * 2


def test_variables_are_kept_dropped_and_given_as_wished(mpirun: list[str], run: Callable, tmp_path: Path) -> None:
    (tmp_path / "tasks.txt").write_text("env\n")
    options = ["--env", "COLOUR=blue green", "--env-drop", "SECRET_*"]
    secret = {"SECRET_KEY": "x", "OMPI_MCA_mine": "kept", "MPIR_CVAR_MINE": "kept"}
    ran = run(*mpirun, "-n", 2, sys.executable, "-m", "dwork.pool", *options, "tasks.txt", **secret)
    names = {line.partition("=")[0] for line in ran.out.splitlines()}
    assert "COLOUR=blue green" in ran.out.splitlines()
    assert {"OMPI_MCA_mine", "MPIR_CVAR_MINE", "PATH", "DWORK_CONNECTION"} <= names
    assert not {"SECRET_KEY", "PMI_RANK", "PMI_FD", "PMIX_RANK", "OMPI_COMM_WORLD_RANK", "HYDI_CONTROL_FD"} & names
    rank = "PMI_RANK" if "PMI_RANK=" in run(*mpirun, "-n", 1, "env").out else "PMIX_RANK"
    kept = run(*mpirun, "-n", 2, sys.executable, "-m", "dwork.pool", "--fresh", "--env-keep", rank, "tasks.txt")
    assert f"{rank}=1" in kept.out.splitlines()


def test_what_is_no_variable_is_refused(run: Callable) -> None:
    for words in (["--env", "novalue"], ["--env", "=x"]):
        ran = run(sys.executable, "-m", "dwork.pool", *words, "x")
        assert ran.code == 2 and "does not have the form NAME=VALUE" in ran.err and ran.err.count("\n") == 1
