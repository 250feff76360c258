"""Tasks on hosts to which Open MPI passes no environment see that of the job script."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.system.mpi.test_dead_ranks import is_open_mpi

#: Starts the pool as on several hosts: only the first has the variables.
HOSTS = (
    "export OMPI_COMM_WORLD_LOCAL_SIZE=1; "
    '[ $OMPI_COMM_WORLD_RANK = 0 ] || { unset DATA; export ODD=remote MINE=yes HOSTNAME=other; }; exec "$@"'
)


@pytest.fixture(autouse=True)
def with_open_mpi(mpirun: list[str]) -> None:
    if not is_open_mpi(mpirun):
        pytest.skip("MPICH passes it on")


@pytest.mark.parametrize("options", [(), ("--transport", "zmq")], ids=["mpi", "zmq"])
def test_they_have_the_variables_of_the_hub_and_keep_those_of_their_host(
    mpirun: list[str], run: Callable, tmp_path: Path, options: tuple[str, ...]
) -> None:
    (tmp_path / "tasks.txt").write_text('echo "[$DATA] [$ODD] [$MINE] [$HOSTNAME]"\n')
    pool = [sys.executable, "-m", "dwork.pool", *options, "tasks.txt"]
    ran = run(*mpirun, "-n", 3, "sh", "-c", HOSTS, "x", *pool, DATA="/in x", ODD="a=\n'b'", HOSTNAME="first")
    assert (ran.code, ran.out) == (0, "[/in x] [a=\n'b'] [yes] [other]\n"), ran.err


def test_the_doctor_sees_it_too(mpirun: list[str], run: Callable) -> None:
    pool = [sys.executable, "-m", "dwork.pool", "--doctor"]
    ran = run(*mpirun, "-n", 3, "sh", "-c", HOSTS, "x", *pool)
    assert ran.code in (0, 1) and "Traceback" not in ran.err and "MPI" in ran.out, ran.err
