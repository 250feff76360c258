"""A kworker that starts when its hub has ended, or has not started yet."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.system.programs.conftest import program

POOL = (*program("pool"), "--slots", "1", "-q")


@pytest.mark.parametrize("words", [("--job", "4711"), ("--job", "4700_3"), ("--hub-timeout", "1")])
def test_one_whose_run_is_over_ends_well(tmp_path: Path, run: Callable, words: tuple[str, ...]) -> None:
    (tmp_path / "tasks.txt").write_text("true\nfalse\n")
    job = {"SLURM_JOB_ID": "4711", "SLURM_ARRAY_JOB_ID": "4700", "SLURM_ARRAY_TASK_ID": "3"}
    assert run(*POOL, "tasks.txt", **job).code == 1
    late = run(*program("kworker"), *words)
    assert (late.code, late.out) == (0, "")
    assert late.own_err[-1].startswith("kworker: the run of ") or "kworker: the run of " in late.err
    assert late.err.endswith(" has ended: nothing is left to do\n")


@pytest.mark.parametrize("words", [("--job", "4712"), ("--job", "4711"), ()])
def test_one_whose_run_left_tasks_waits_for_the_next(tmp_path: Path, run: Callable, words: tuple[str, ...]) -> None:
    (tmp_path / "tasks.txt").write_text("kill -INT $PPID; sleep 0.1\ntrue\n")
    ran = run(*POOL, "tasks.txt", SLURM_JOB_ID="4711")
    assert ran.code == 3, ran.err
    late = run(*program("kworker"), "--hub-timeout", "1", *words)
    assert late.code == 2
    assert "; waiting up to 1 s for the hub\n" in late.err


def test_one_that_starts_first_waits_for_its_hub(start: Callable[..., subprocess.Popen[str]], run: Callable) -> None:
    worker = start(*program("kworker"))
    assert worker.stderr is not None
    assert worker.stderr.readline().endswith("; waiting up to 60 s for the hub\n")
    start(*program("dhub"))
    assert run(*program("kworker"), "--idle-timeout", "0.1").code == 0  # which waits, too
    assert run(*program("dquery"), "create", "echo late").code == 0
    out, _ = worker.communicate(timeout=60)
    assert (worker.returncode, out) == (0, "late\n")
