"""What the ranks of a real mpirun see, and what rank 0 says of it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.needs import missing

DOCTOR = [sys.executable, "-m", "dwork.pool", "--doctor"]


@pytest.fixture
def is_open_mpi(mpirun: list[str]) -> bool:
    return "Open MPI" in subprocess.run([*mpirun, "--version"], capture_output=True, text=True).stdout


def facts(out: str) -> dict[str, str]:
    """The lines before the advice, by what they are about."""
    return {line[:10].strip(): line[11:] for line in out.partition("What to change:")[0].splitlines()}


@pytest.mark.parametrize("ranks", [1, 2])
def test_ranks_that_are_well_are_told_in_ten_lines(
    mpirun: list[str], run: Callable, tmp_path: Path, is_open_mpi: bool, ranks: int
) -> None:
    ran = run(*mpirun, "-n", ranks, *DOCTOR)
    lines = ran.out.splitlines()
    assert (ran.code, lines[-1]) == (0, "Nothing needs to be changed."), ran.out + ran.err
    assert len(lines) <= 10
    told = facts(ran.out)
    assert told["MPI"].startswith("Open MPI v" if is_open_mpi else "MPICH ")
    assert told["MPI"].endswith(f"{'Open MPI' if is_open_mpi else 'MPICH'}'s mpirun; compatible")
    assert told["ranks"] == f"{ranks} rank{'s' * (ranks > 1)} on 1 host"
    assert str(tmp_path) in told["directory"] and "supports file locks" in told["directory"]
    assert list(tmp_path.iterdir()) == []


def test_all_ranks_answer_however_many_there_are(mpirun: list[str], run: Callable) -> None:
    ran = run(*mpirun, "-n", 8, *DOCTOR)
    assert facts(ran.out)["ranks"] == "8 ranks on 1 host"
    assert "did not answer" not in ran.out
    cores = len(os.sched_getaffinity(0))
    assert ("has more ranks than cores" in ran.out) == (cores < 7)
    assert ran.code == (1 if cores < 7 else 0), ran.err


def test_a_rank_that_is_bound_to_one_core_of_many_is_told(mpirun: list[str], run: Callable, is_open_mpi: bool) -> None:
    cores = len(os.sched_getaffinity(0))
    if cores < 2:
        missing("cores")
    ran = run(*mpirun, "-n", 1, "--bind-to" if is_open_mpi else "-bind-to", "core", *DOCTOR)
    assert ran.code == 0, ran.out + ran.err
    assert facts(ran.out)["cores"] == f"{cores}; this process is bound to fewer (1), but the tasks are not"


def test_whether_a_dead_rank_is_survived_is_told(mpirun: list[str], run: Callable, is_open_mpi: bool) -> None:
    plain = facts(run(*mpirun, "-n", 2, *DOCTOR).out)["dead rank"]
    assert plain.startswith("ends all the others, unless you start with `mpirun -")
    flags = ["--with-ft", "ulfm"] if is_open_mpi else ["-disable-auto-cleanup"]
    told = facts(run(*mpirun, *flags, "-n", 2, *DOCTOR).out)["dead rank"]
    assert told == ("the others continue" if is_open_mpi else "the others continue, except those on its host")


def test_a_rank_that_does_not_answer_is_named(mpirun: list[str], run: Callable, tmp_path: Path) -> None:
    silent = tmp_path / "silent.py"
    silent.write_text("import signal\nfrom dwork.transport import mpi\nworld = mpi.start()\nsignal.pause()\n")
    ran = run(*mpirun, "-n", 2, *DOCTOR, ":", "-n", 1, sys.executable, silent)
    assert ran.code != 0
    assert "1. rank 2 did not answer: run this again" in ran.out
    assert facts(ran.out)["ranks"] == "3 ranks on 1 host"


def test_an_mpirun_of_another_mpi_is_what_to_change(run: Callable) -> None:
    ran = run(*DOCTOR, SLURM_STEP_NUM_TASKS="3", SLURM_PROCID="0")
    assert ran.code == 1
    assert facts(ran.out)["MPI"].startswith("not initialized; ")
    assert "the launcher has started 3 processes (SLURM_STEP_NUM_TASKS=3), but each is alone" in ran.out


def test_without_mpirun_this_machine_is_looked_at(run: Callable) -> None:
    ran = run(*DOCTOR)
    assert ran.code == 0, ran.out
    assert facts(ran.out)["MPI"].startswith("not used here; ")
    assert "ranks" not in facts(ran.out)


def test_a_mistake_beside_it_is_one_line_and_no_rank_hangs(mpirun: list[str], run: Callable) -> None:
    ran = run(*mpirun, "-n", 3, *DOCTOR, "--nonsense")
    assert (ran.code, ran.out, len(ran.own_err)) == (2, "", 1), ran.err


def test_a_library_without_pmix_says_so_before_mpi_ends_the_job(
    run: Callable, tmp_path: Path, is_open_mpi: bool
) -> None:
    if is_open_mpi:
        pytest.skip("Open MPI has it")
    (tmp_path / "tasks.txt").write_text("true\n")
    pmix = {"OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "0", "PMIX_RANK": "0"}
    ran = run(sys.executable, "-m", "dwork.pool", "tasks.txt", **pmix)
    assert ran.code == 2
    assert "2 processes (OMPI_COMM_WORLD_SIZE=2) were started through PMIx, which MPICH" in ran.err
    assert len(ran.own_err) == 1 and "Abort" not in ran.err
