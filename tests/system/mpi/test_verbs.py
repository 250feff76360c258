"""`dwork pool` under a real mpirun."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path


def test_all_ranks_understand_the_verb(mpirun: list[str], run: Callable, tmp_path: Path) -> None:
    (tmp_path / "tasks.txt").write_text("".join(f"sleep 0.1; echo $DWORK_WORKER # {i}\n" for i in range(6)))
    ran = run(*mpirun, "-n", 3, sys.executable, "-m", "dwork", "pool", "--slots", 1, "tasks.txt")
    assert ran.code == 0, ran.err
    assert {line.rpartition(":")[2] for line in ran.out.splitlines()} == {"1", "2"}
    asked = run(*mpirun, "-n", 3, sys.executable, "-m", "dwork", "pool", "--help")
    assert asked.code == 0 and asked.out.startswith("Usage: dwork pool ") and asked.out.count("Usage:") == 1
