"""MPICH over several hosts, with the option that lets the other ranks continue when one dies."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.needs import missing
from tests.system.netns.conftest import OVER_TCP, Host, spanning


def test_a_run_in_which_all_went_well_ends_with_0(
    mpirun: list[str], hosts: list[Host], run: Callable, tmp_path: Path
) -> None:
    """Hydra signals the end of each rank to the others, which ended some of those on the other hosts."""
    if "HYDRA" not in subprocess.run([*mpirun, "--version"], capture_output=True, text=True).stdout:
        missing("mpirun")
    (tmp_path / "tasks.txt").write_text("hostname\n" * 6)
    options = ["-disable-auto-cleanup", "-ppn", 1, "-n", len(hosts)]
    command = [*hosts[0].prefix, *spanning(mpirun, hosts, tmp_path / "agent"), *options]
    for _ in range(2):
        ran = run(*command, sys.executable, "-m", "dwork.pool", "--slots", 1, "--fresh", "tasks.txt", **OVER_TCP)
        assert ran.code == 0, ran.err
        assert "6 done, 0 failed" in ran.err
