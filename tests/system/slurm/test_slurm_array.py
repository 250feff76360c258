"""jobscripts/slurm-array.sh as it stands, on a real Slurm: nodes that come and go."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.system.slurm.conftest import Batch, ran, waiting


def test_elements_and_other_jobs_join_the_first_one_and_all_end_together(
    batch: Batch, ends: Callable, wait_until: Callable, tmp_path: Path
) -> None:
    waiting(tmp_path, 8)
    array = batch("--array=0-1", script="slurm-array.sh")
    wait_until(lambda: len(ran(tmp_path)) == 4)  # at a time, on the two cores of each
    late = tmp_path / "late.sh"
    late.write_text(f"#!/bin/sh\nsrun python -m dwork.kworker --job {array.id} --slots auto\n")
    other = batch("--nodes=2", "--ntasks-per-node=1", "--exclusive", "--output=dwork-%j.out", script=late)
    wait_until(lambda: len(ran(tmp_path)) == 8)
    told = batch.dquery("--job", array.id, "workers")
    assert told.stdout.endswith("4 workers\n"), told.stderr
    (tmp_path / "go").touch()
    for job in (batch.element(array, 0), batch.element(array, 1), other):
        assert ends(job) == "COMPLETED", job.output


def test_what_still_waits_in_the_queue_when_all_is_done_is_taken_out(
    batch: Batch, ends: Callable, wait_until: Callable, tmp_path: Path
) -> None:
    (tmp_path / "tasks.txt").write_text("true\n")
    array = batch("--array=3-9%1", script="slurm-array.sh")
    assert ends(batch.element(array, 3)) == "COMPLETED", batch.element(array, 3).output
    wait_until(lambda: not batch.cluster.command("squeue", "--noheader", "--jobs", array.id))
    assert not batch.element(array, 9).output


def test_a_worker_whose_time_is_up_goes_back_into_the_queue_alone(
    batch: Batch, ends: Callable, wait_until: Callable, tmp_path: Path
) -> None:
    waiting(tmp_path, 2)
    array = batch("--array=0-1", "--hold", script="slurm-array.sh")
    hub, worker = (batch.element(array, i) for i in range(2))
    batch.cluster.command("scontrol", "update", f"JobId={worker.id}", "TimeLimit=1")
    batch.cluster.command("scontrol", "release", array.id)
    wait_until(lambda: worker.is_requeued)
    assert "kworker: the job ends in " in worker.output
    wait_until(lambda: len(ran(tmp_path)) == 2)
    assert (hub.state, hub.tells("Restarts")) == ("RUNNING", "0")
    (tmp_path / "go").touch()
    assert ends(hub) == "COMPLETED", hub.output


def test_when_the_first_is_drained_all_go_back_into_the_queue_and_go_on(
    batch: Batch, ends: Callable, wait_until: Callable, tmp_path: Path
) -> None:
    waiting(tmp_path, 4)
    array = batch("--array=0-1", script="slurm-array.sh")
    wait_until(lambda: len(ran(tmp_path)) == 4)
    batch.dquery("--job", array.id, "drain", "--now")
    elements = [batch.element(array, i) for i in range(2)]
    wait_until(lambda: all(element.is_requeued for element in elements))
    (tmp_path / "go").touch()
    for element in elements:
        element.start()
    assert [ends(element) for element in elements] == ["COMPLETED"] * 2, elements[1].output
    assert "0 of 4 already done" in elements[0].output
