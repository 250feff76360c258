"""Ranks that run several tasks at a time, and the cores beside rank 0."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path


def test_each_rank_runs_as_many_tasks_at_a_time_as_asked(mpirun: list[str], run: Callable, tmp_path: Path) -> None:
    together = "touch here-%d; while [ $(ls here-* | wc -l) -lt 5 ]; do sleep 0.02; done; echo $DWORK_WORKER"
    (tmp_path / "tasks.txt").write_text("".join(f"{together % i}   #DWORK timeout=40\n" for i in range(5)))
    ran = run(*mpirun, "-n", 2, sys.executable, "-m", "dwork.pool", "--slots", 3, "tasks.txt")
    assert ran.code == 0, ran.err
    assert "on 1 worker rank and 2 cores beside the hub" in ran.err
    workers = Counter(ran.out.split())
    assert sorted(workers.values()) == [2, 3]


def test_a_wrong_number_of_slots_is_refused_by_all_ranks(mpirun: list[str], run: Callable, tmp_path: Path) -> None:
    (tmp_path / "tasks.txt").write_text("true\n")
    ran = run(*mpirun, "-n", 3, sys.executable, "-m", "dwork.pool", "--slots", "many", "tasks.txt")
    assert ran.own_err == [
        "dwork: Invalid value for '--slots': \"many\" is no number of slots; give 1 to 65536, or auto "
        "(dwork --help tells more)"
    ]
