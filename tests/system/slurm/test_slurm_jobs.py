"""jobscripts/slurm.sh as it stands, on a real Slurm; nodes, time and options of the pool come from the command line."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.system.slurm.conftest import Batch, ran, waiting


def outcomes(directory: Path) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(directory / "tasks.txt.db")) as record:
        return record.execute(
            "SELECT name, outcome FROM attempts JOIN tasks ON id = task ORDER BY task, attempt"
        ).fetchall()


def test_a_graph_runs_to_its_end_on_all_cores_of_several_nodes(batch: Batch, ends: Callable, tmp_path: Path) -> None:
    meet = "touch here-%d; while [ $(ls here-* | wc -l) -lt 5 ]; do sleep 0.1; done; echo $SLURMD_NODENAME > node-%d"
    lines = [f"{meet % (i, i)}   #DWORK name=meet-{i} timeout=60\n" for i in range(5)]
    (tmp_path / "tasks.txt").write_text("".join([*lines, "sort -u node-* > nodes   #DWORK after=meet-*\n"]))
    job = batch("--nodes=3")
    assert ends(job) == "COMPLETED", job.output
    assert len((tmp_path / "nodes").read_text().split()) == 3
    assert "on 2 worker ranks and 1 core beside the hub" in job.output


def test_an_inner_srun_and_an_inner_mpirun_work_in_a_task(batch: Batch, ends: Callable, tmp_path: Path) -> None:
    hello = "import os; from mpi4py import MPI; os.write(1, b'size %d\\n' % MPI.COMM_WORLD.allreduce(1))"
    (tmp_path / "hello.py").write_text(hello)
    (tmp_path / "tasks.txt").write_text(
        "srun --nodes=1 --ntasks=2 python hello.py > srun.out    #DWORK timeout=60\n"
        "mpirun -n 2 python hello.py > mpirun.out                #DWORK timeout=60\n"
        "python hello.py > alone.out                             #DWORK timeout=60\n"
    )
    job = batch("--nodes=2")
    assert ends(job) == "COMPLETED", job.output
    assert (tmp_path / "mpirun.out").read_text().split() == ["size", "2"] * 2
    assert (tmp_path / "alone.out").read_text().split() == ["size", "1"]
    assert (tmp_path / "srun.out").read_text().split() == ["size", "2"] * 2


def test_it_is_looked_at_and_drained_from_a_login_node_and_then_requeued(
    batch: Batch, ends: Callable, wait_until: Callable, tmp_path: Path
) -> None:
    waiting(tmp_path, 4)
    job = batch("--nodes=2")
    wait_until(lambda: len(ran(tmp_path)) == 3)
    status = batch.dquery("--job", job.id, "status")
    assert "3 running" in status.stdout, status.stderr
    batch.dquery("--job", job.id, "drain", "--now")
    wait_until(lambda: job.is_requeued)
    (tmp_path / "go").touch()
    job.start()
    assert ends(job) == "COMPLETED", job.output
    assert [outcome for _, outcome in outcomes(tmp_path)].count("interrupted") == 3
    assert "0 of 4 already done" in job.output


def test_what_the_time_limit_interrupts_is_run_after_a_requeue(
    batch: Batch, ends: Callable, wait_until: Callable, tmp_path: Path
) -> None:
    waiting(tmp_path, 3)
    job = batch("--nodes=2", "--time=2", options=("--drain-before", "105s"))  # that is after 15 seconds
    wait_until(lambda: job.is_requeued)
    assert "the job ends in 105 s: no more tasks are started, and running ones are ended" in job.output
    interrupted = outcomes(tmp_path)
    assert {outcome for _, outcome in interrupted} == {"interrupted"}
    (tmp_path / "go").touch()
    job.start()
    assert ends(job) == "COMPLETED", job.output
    assert sorted(outcomes(tmp_path)) == sorted([*interrupted, *((f"task-{i}", "done") for i in range(3))])


def test_a_job_that_was_suspended_ends_later_by_that_time(
    batch: Batch, ends: Callable, wait_until: Callable, tmp_path: Path
) -> None:
    waiting(tmp_path, 3)
    job = batch("--nodes=2", "--time=2", "--exclusive", options=("--drain-before", "80s"))  # that is after 40 seconds
    wait_until(lambda: len(ran(tmp_path)) == 3)
    batch.cluster.command("scontrol", "suspend", job.id)
    begin = time.monotonic()
    wait_until(lambda: time.monotonic() >= begin + 42.0)
    batch.cluster.command("scontrol", "resume", job.id)
    wait_until(lambda: job.output.count("the job ends at") == 2)
    (tmp_path / "go").touch()
    assert ends(job) == "COMPLETED", job.output
    assert {outcome for _, outcome in outcomes(tmp_path)} == {"done"}


def test_scancel_ends_all_and_the_next_job_goes_on(
    batch: Batch, ends: Callable, wait_until: Callable, tmp_path: Path
) -> None:
    waiting(tmp_path, 3)
    job = batch("--nodes=2")
    wait_until(lambda: len(ran(tmp_path)) == 3)
    batch.cluster.command("scancel", job.id)
    assert ends(job) == "CANCELLED"
    wait_until(lambda: not batch.cluster.processes(job.id))
    assert {outcome for _, outcome in outcomes(tmp_path)} <= {"interrupted", "lost"}  # and none has failed
    (tmp_path / "go").touch()
    again = batch("--nodes=2")
    assert ends(again) == "COMPLETED", again.output
    assert [len(nodes) for nodes in ran(tmp_path).values()] == [2, 2, 2]


@pytest.mark.parametrize("signal", ["USR1", "USR2", "INT", "HUP", "XCPU"])
def test_a_warning_that_reaches_pool_and_tasks_interrupts_all_and_requeues(
    batch: Batch, wait_until: Callable, tmp_path: Path, signal: str
) -> None:
    """As with `#SBATCH --signal=USR1@120`, without the B: that would spare them."""
    lines = [f"touch ran-{i}; sleep 600; touch post-{i}   #DWORK name=task-{i}\n" for i in range(3)]
    (tmp_path / "tasks.txt").write_text("".join(lines))
    job = batch("--nodes=2")
    wait_until(lambda: len(ran(tmp_path)) == 3)
    batch.cluster.command("scancel", "--signal", signal, job.id)
    wait_until(lambda: job.is_requeued, otherwise=lambda: job.output)
    assert {outcome for _, outcome in outcomes(tmp_path)} == {"interrupted"}
    assert f"SIG{signal}: no more tasks are started" in job.output
    batch.cluster.command("scancel", job.id)


def test_a_node_that_dies_costs_what_it_ran_and_the_others_go_on(
    batch: Batch, ends: Callable, wait_until: Callable, tmp_path: Path
) -> None:
    waiting(tmp_path, 5)
    job = batch("--nodes=3", options=("--worker-timeout", "5s"))
    wait_until(lambda: len(ran(tmp_path)) == 5)
    dead = next(node for [node] in ran(tmp_path).values() if node != job.tells("BatchHost"))
    with batch.cluster.without(dead):
        (tmp_path / "go").touch()
        assert ends(job) == "COMPLETED", job.output
    assert "has left: it was silent for" in job.output
    assert sorted(len(nodes) for nodes in ran(tmp_path).values()) == [1, 1, 1, 2, 2]
    assert all(nodes[-1] != dead for nodes in ran(tmp_path).values())


def test_a_job_whose_first_node_dies_is_put_back_into_the_queue_and_goes_on(
    batch: Batch, ends: Callable, wait_until: Callable, tmp_path: Path
) -> None:
    waiting(tmp_path, 3)
    job = batch("--nodes=2", options=("--worker-timeout", "5s"))
    wait_until(lambda: len(ran(tmp_path)) == 3)
    with batch.cluster.without(job.tells("BatchHost")):
        wait_until(lambda: job.tells("Restarts") == "1", otherwise=lambda: job.output)
        (tmp_path / "go").touch()
        wait_until(lambda: job.is_requeued or job.has_ended)  # Slurm does not always let it wait
        if job.is_requeued:
            job.start()
        assert ends(job) == "COMPLETED", job.output
    assert [len(nodes) for nodes in ran(tmp_path).values()] == [2, 2, 2]


def test_a_rank_that_was_killed_does_not_make_a_failure_of_a_job_that_is_done(
    batch: Batch, ends: Callable, tmp_path: Path
) -> None:
    kills = "case $DWORK_WORKER in *:1) touch killed; kill -9 $PPID ;; esac"
    (tmp_path / "tasks.txt").write_text(f"[ -e killed ] || {{ {kills}; sleep 2; }}\n" * 3)
    job = batch("--nodes=2", options=("--worker-timeout", "5s"))
    assert ends(job) == "COMPLETED", job.output
    assert "task 1: Killed" in job.output or "task 1: Exited with exit code 137" in job.output


def test_ranks_of_another_mpi_than_that_of_srun_run_nothing_and_do_not_come_back(
    batch: Batch, ends: Callable, tmp_path: Path
) -> None:
    (tmp_path / "tasks.txt").write_text("touch ran\n")
    batch.environment["SLURM_MPI_TYPE"] = "none"
    job = batch("--nodes=2")
    assert ends(job) == "FAILED"
    assert job.tells("ExitCode") == "2:0"
    assert "the launcher has started 2 processes (SLURM_STEP_NUM_TASKS=2), but each is alone in its MPI" in job.output
    assert not (tmp_path / "ran").exists()


def test_mpirun_in_a_script_finds_the_nodes_by_itself(batch: Batch, ends: Callable, tmp_path: Path) -> None:
    (tmp_path / "tasks.txt").write_text("echo $SLURMD_NODENAME > node-1\necho $SLURMD_NODENAME > node-2\n")
    (tmp_path / "job.sh").write_text("#!/bin/sh\nmpirun python -m dwork.pool tasks.txt\n")
    job = batch("--nodes=2", "--ntasks-per-node=1", "--output=dwork-%j.out", script=tmp_path / "job.sh")
    assert ends(job) == "COMPLETED", job.output
    assert "2 tasks on 1 worker rank" in job.output
