"""jobscripts/sge.sh as it stands, on a real Grid Engine of two hosts with two slots each."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from tests.system.gridengine.conftest import Batch

#: Ends when there is a file `go`; but not never, should nobody be left to make one.
WAITS = "touch ran-{0}; for i in $(seq 1200); do [ ! -e go ] || exit 0; sleep 0.1; done; exit 1  #DWORK name=task-{0}\n"


def waiting(directory: Path, n: int) -> None:
    (directory / "tasks.txt").write_text("".join(WAITS.format(i) for i in range(n)))


def ran(directory: Path) -> int:
    return len(list(directory.glob("ran-*")))


def outcomes(directory: Path) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(directory / "tasks.txt.db")) as record:
        return record.execute(
            "SELECT name, outcome FROM attempts JOIN tasks ON id = task ORDER BY task, attempt"
        ).fetchall()


def test_a_graph_runs_to_its_end_on_the_slots_that_were_granted_on_each_host(
    batch: Batch, ends: Callable, tmp_path: Path
) -> None:
    """Three tasks at a time: two on the one host, and one beside the hub on the other."""
    meet = "touch here-%d; while [ $(ls here-* | wc -l) -lt 3 ]; do sleep 0.1; done; hostname > host-%d"
    lines = [f"{meet % (i, i)}   #DWORK name=meet-{i} timeout=100\n" for i in range(3)]
    (tmp_path / "tasks.txt").write_text("".join([*lines, "sort -u host-* > hosts   #DWORK after=meet-*\n"]))
    job = batch()
    assert ends(job) == "0", job.output
    assert (tmp_path / "hosts").read_text().split() == sorted(host.name for host in batch.cluster.hosts)
    assert "on 1 worker rank and 1 core beside the hub" in job.output
    assert batch.numbers == [job.id]


def test_an_inner_mpirun_starts_its_ranks_on_the_host_of_its_task(batch: Batch, ends: Callable, tmp_path: Path) -> None:
    """On each of the hosts: none of these tasks ends before there is one on both."""
    both = "until [ $(sort -u host-* | wc -l) = 2 ]; do sleep 0.1; done"
    lines = [f"mpirun -n 2 hostname > ranks-{i}; hostname > host-{i}; {both}   #DWORK timeout=100\n" for i in range(3)]
    (tmp_path / "tasks.txt").write_text("".join(lines))
    job = batch()
    assert ends(job) == "0", job.output
    for i in range(3):
        assert (tmp_path / f"ranks-{i}").read_text() == 2 * (tmp_path / f"host-{i}").read_text()


def test_it_is_looked_at_and_drained_from_a_login_node_and_then_goes_on_in_another_job(
    batch: Batch, ends: Callable, wait_until: Callable, tmp_path: Path
) -> None:
    waiting(tmp_path, 4)
    job = batch()
    wait_until(lambda: ran(tmp_path) == 3, otherwise=lambda: job.output)
    assert "3 running" in batch.dquery("--job", job.id, "status")
    batch.dquery("--job", job.id, "drain", "--now")
    assert ends(job) == "3", job.output
    (tmp_path / "go").touch()
    wait_until(lambda: len(batch.numbers) == 2)
    again = batch.job(batch.numbers[1])
    assert ends(again) == "0", again.output
    assert [outcome for _, outcome in outcomes(tmp_path)].count("interrupted") == 3
    assert "0 of 4 already done" in again.output


def test_what_the_time_limit_interrupts_is_run_by_the_job_that_it_submits(
    batch: Batch, ends: Callable, wait_until: Callable, tmp_path: Path
) -> None:
    waiting(tmp_path, 1)
    job = batch("-l", "h_rt=90")  # that is 30 seconds before it is drained
    assert ends(job) == "3", job.output
    assert "the job ends in 60 s: no more tasks are started, and running ones are ended" in job.output
    (tmp_path / "go").touch()
    wait_until(lambda: len(batch.numbers) == 2)
    assert ends(batch.job(batch.numbers[1])) == "0"
    assert outcomes(tmp_path) == [("task-0", "interrupted"), ("task-0", "done")]


def test_qdel_ends_all_and_the_next_job_goes_on(
    batch: Batch, ends: Callable, wait_until: Callable, tmp_path: Path
) -> None:
    """Also with a warning before, which the pool takes for the end of the job: it does not come back."""
    waiting(tmp_path, 3)
    for options in ((), ("-notify",)):
        for path in tmp_path.glob("ran-*"):
            path.unlink()
        job = batch(*options)
        wait_until(lambda: ran(tmp_path) == 3)
        batch.cluster.command("qdel", job.id)
        assert ends(job) != "0"
    assert {outcome for _, outcome in outcomes(tmp_path)} <= {"interrupted", "lost"}  # and none has failed
    (tmp_path / "go").touch()
    again = batch()
    assert ends(again) == "0", again.output
    assert len(batch.numbers) == 3


def test_a_rank_that_was_killed_does_not_make_a_failure_of_a_job_that_is_done(
    batch: Batch, ends: Callable, tmp_path: Path
) -> None:
    kills = "case $DWORK_WORKER in *:1) touch killed; kill -9 $PPID ;; esac"
    (tmp_path / "tasks.txt").write_text(f"[ -e killed ] || {{ {kills}; sleep 2; }}\n" * 3)
    job = batch()
    assert ends(job) == "0", job.output
    assert (tmp_path / "killed").exists() and batch.numbers == [job.id]
