"""A rank that is missing while MPI starts: the others do not wait for ever."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.system.mpi.test_dead_ranks import is_open_mpi

#: Does this in place of rank 2, and starts the pool in the others.
INSTEAD = 'case "${{OMPI_COMM_WORLD_RANK:-$PMI_RANK}}" in 2) {};; esac; exec "$@"'


def pool(mpirun: list[str], instead: str, *flags: str) -> list[object]:
    words = [*mpirun, *flags, "-n", 4, "sh", "-c", INSTEAD.format(instead), "x"]
    return [*words, sys.executable, "-m", "dwork.pool", "--no-record", "tasks.txt"]


def test_a_rank_that_stands_still_ends_the_run_in_time(mpirun: list[str], run: Callable, tmp_path: Path) -> None:
    (tmp_path / "tasks.txt").write_text("touch ran\n")
    ran = run(*pool(mpirun, "sleep 1000"), DWORK_START_TIMEOUT="3")
    assert ran.code == 3 if is_open_mpi(mpirun) else ran.code, ran.err  # Hydra kills the others, and exits with 9
    lines = [line for line in ran.own_err if "MPI_Init has not returned within 3 s: a rank may have died" in line]
    assert 1 <= len(lines) <= 2 and lines == ran.own_err
    assert not (tmp_path / "ran").exists()


def test_a_rank_that_dies_while_it_starts_ends_the_run_in_time(
    mpirun: list[str], run: Callable, tmp_path: Path
) -> None:
    (tmp_path / "tasks.txt").write_text("touch ran\n")
    flags = ("--with-ft", "ulfm") if is_open_mpi(mpirun) else ("-disable-auto-cleanup",)
    ran = run(*pool(mpirun, "kill -9 $$", *flags), DWORK_START_TIMEOUT="3")
    if is_open_mpi(mpirun):  # MPICH's launcher ends the others
        assert ran.code == 3, ran.err
        assert "MPI_Init has not returned within 3 s" in ran.err
    assert ran.code and not (tmp_path / "ran").exists()


@pytest.mark.parametrize(("body", "code", "err"), [("time.sleep(60)", 3, "late\n"), ("pass", -3, "")])
def test_the_limit_ends_what_is_late_and_leaves_what_is_not_as_it_was(body: str, code: int, err: str) -> None:
    program = (
        "import os, signal, time\nfrom dwork.host.start_watchdog import limited\n"
        f"with limited(0.5 if {code} == 3 else 60.0, 'late'): {body}\n"
        "os.kill(os.getpid(), signal.SIGQUIT)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stderr) == (code, err)
