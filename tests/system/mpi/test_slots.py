"""Ranks that run several tasks at a time, and the cores beside rank 0."""

from __future__ import annotations

import os
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


def test_nobody_waits_at_the_end_for_a_worker_beside_the_hub_that_has_not_come_yet(
    mpirun: list[str], run: Callable, tmp_path: Path
) -> None:
    """It would have waited for ten seconds: here it never comes."""
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\nif 'dwork.kworker' in sys.orig_argv: sys.exit(bool(sys.stdin.read()))\n"
    )
    (tmp_path / "tasks.txt").write_text("true\n")
    python = f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}:{Path(__file__).parents[3]}"
    command = (*mpirun, "-n", 2, sys.executable, "-m", "dwork.pool", "--slots", 2, "tasks.txt")
    ran = run(*command, PYTHONPATH=python, limit=9)
    assert ran.code == 0, ran.err


def test_a_wrong_number_of_slots_is_refused_by_all_ranks(mpirun: list[str], run: Callable, tmp_path: Path) -> None:
    (tmp_path / "tasks.txt").write_text("true\n")
    ran = run(*mpirun, "-n", 3, sys.executable, "-m", "dwork.pool", "--slots", "many", "tasks.txt")
    assert ran.own_err == [
        "dwork: Invalid value for '--slots': \"many\" is not a number of slots; give 1 to 65536, or auto "
        "(see dwork-pool --help)"
    ]


def test_tasks_get_the_cores_and_gpus_that_they_ask_for(mpirun: list[str], run: Callable, tmp_path: Path) -> None:
    """On one rank with several slots, whose node has GPUs, as somebody says."""
    show = "echo %s cores=$DWORK_CORES threads=$OMP_NUM_THREADS cpus=$(nproc) gpus=${CUDA_VISIBLE_DEVICES:-none}"
    (tmp_path / "tasks.txt").write_text(f"{show % 'small'}\n{show % 'gpu'}   #DWORK gpus=1\n")
    pool = [sys.executable, "-m", "dwork.pool", "--slots", 2, "--gpus", "GPU-a,GPU-b", "--env-drop", "OMP_*"]
    ran = run(*mpirun, "-n", 2, *pool, "tasks.txt")
    assert ran.code == 0, ran.err
    small, gpu = sorted(ran.out.splitlines(), reverse=True)
    assert small.startswith("small cores=1 threads=1 cpus=") and small.endswith("gpus=none")
    assert gpu.startswith("gpu cores=1 threads=1 cpus=") and gpu.split("gpus=")[1] in ("GPU-a", "GPU-b")


def test_what_no_rank_can_ever_run_is_refused_at_the_start(mpirun: list[str], run: Callable, tmp_path: Path) -> None:
    (tmp_path / "tasks.txt").write_text("touch ran\ntrue #DWORK cores=1000 name=large\n")
    ran = run(*mpirun, "-n", 3, sys.executable, "-m", "dwork.pool", "tasks.txt")
    assert ran.own_err[-1].startswith("dwork: large asks for 1,000 cores, but no worker has that (maximum: ")
    assert ran.own_err[-1].endswith("--slots auto, or use --elastic if such workers will join")
    assert not (tmp_path / "ran").exists()


def test_a_worker_that_joins_runs_what_no_rank_can(
    mpirun: list[str], start: Callable, run: Callable, wait_until: Callable, tmp_path: Path
) -> None:
    (tmp_path / "tasks.txt").write_text("echo small\necho $DWORK_CORES #DWORK cores=1000 name=large\n")
    directory = {"DWORK_DIR": str(tmp_path / "keys")}
    pool = start(*mpirun, "-n", 2, sys.executable, "-m", "dwork.pool", "--elastic", "tasks.txt", **directory)
    wait_until(lambda: list((tmp_path / "keys").glob("*.json")))
    assert run(sys.executable, "-m", "dwork.kworker", "--cores", 1000, **directory).code == 0
    out, err = pool.communicate(timeout=60)
    assert pool.returncode == 0, err
    assert sorted(out.split()) == ["1000", "small"]
