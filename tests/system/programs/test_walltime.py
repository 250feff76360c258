"""Pools in jobs that end: what runs is interrupted in time, the pool says 3, and the next run goes on."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from dwork.host.processes import STATE, stat
from dwork.host.signals import ENDS
from dwork.host.walltime import Walltime
from tests.frozen import frozen
from tests.leftovers import is_gone, processes

POOL = [sys.executable, "-m", "dwork.pool", "--bind", "127.0.0.1"]


def attempts(tmp_path: Path) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(tmp_path / "tasks.txt.db")) as record:
        return record.execute(
            "SELECT name, outcome FROM attempts JOIN tasks ON id = task ORDER BY task, attempt"
        ).fetchall()


def test_what_runs_when_the_job_ends_is_interrupted_and_runs_again(run: Callable, tmp_path: Path) -> None:
    (tmp_path / "tasks.txt").write_text("[ -e go ] || exec sleep 1000   #DWORK name=long\ntrue   #DWORK name=short\n")
    ran = run(*POOL, "--walltime", "6s", "--drain-before", "2s", "--retries", "0", "tasks.txt")
    assert ran.code == 3, ran.err
    assert "the job ends in 2 s: no more tasks are started, and running ones are ended" in ran.err
    assert "#0 long was interrupted; the next run will run it again" in ran.err
    assert attempts(tmp_path) == [("long", "interrupted"), ("short", "done")]
    (tmp_path / "go").touch()
    ran = run(*POOL, "tasks.txt")
    assert ran.code == 0 and "1 of 2 already done" in ran.err
    assert attempts(tmp_path) == [("long", "interrupted"), ("long", "done"), ("short", "done")]


def test_a_task_that_does_not_fit_is_left_for_the_next_run(run: Callable, tmp_path: Path) -> None:
    (tmp_path / "tasks.txt").write_text("true   #DWORK name=long min-time=2h\ntrue   #DWORK name=short\n")
    ran = run(*POOL, "--walltime", "1h", "tasks.txt")
    assert ran.code == 3, ran.err
    assert "the remaining tasks would not finish before the job ends (1 too long)" in ran.err
    assert attempts(tmp_path) == [("short", "done")]


@pytest.mark.parametrize("preferred", ["", "relative", "%d.%m. %H:%M"])
def test_slurm_is_asked_when_the_job_ends(run: Callable, tmp_path: Path, preferred: str) -> None:
    """By a stand-in for squeue that answers as it does when this is the last element of an array."""
    squeue = tmp_path / "squeue"
    squeue.write_text(
        '#!/bin/sh\necho "$@" > asked; env | grep -c SQUEUE_ >> asked\n'
        "echo 4712 4711_1 $(date -d '+10 minutes' \"+$SLURM_TIME_FORMAT\")\n"
        "echo 4711 4711_2 $(date -d '+30 minutes' \"+$SLURM_TIME_FORMAT\")\n"
    )
    squeue.chmod(0o755)
    (tmp_path / "tasks.txt").write_text("sleep 0.5\ntrue   #DWORK min-time=2h\n")
    path = f"{tmp_path}:{os.environ['PATH']}"
    mine = {"SLURM_TIME_FORMAT": preferred, "SQUEUE_STATES": "PENDING"}
    ran = run(*POOL, "tasks.txt", PATH=path, SLURM_JOB_ID="4711", **mine)
    assert (tmp_path / "asked").read_text() == "--noheader --jobs 4711 --format %A %i %e\n0\n"
    [told] = re.findall("the job ends at (.*);", ran.err)
    assert 1700 < time.mktime(time.strptime(told, "%Y-%m-%d %H:%M:%S")) - time.time() <= 1800


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (
            ["--walltime", "12"],
            "12 would be minutes in Slurm and seconds here; write 12m for minutes or 12s for seconds",
        ),
        (["--walltime", "1m"], "--walltime 60s is not longer than --drain-before (60 s), so no task would start; "),
        (["--walltime", "10s", "--drain-before", "10"], "is not longer than --drain-before (10 s)"),
    ],
)
@pytest.mark.parametrize("program", ["dwork.pool", "dwork.kworker"])
def test_a_walltime_in_which_no_task_would_start_is_refused(
    run: Callable, tmp_path: Path, words: list[str], complaint: str, program: str
) -> None:
    (tmp_path / "tasks.txt").write_text("touch ran\n")
    ran = run(sys.executable, "-m", program, *words, *(["tasks.txt"] if program == "dwork.pool" else []))
    assert ran.code == 2 and complaint in ran.err and ran.err.count("\n") == 1
    assert not (tmp_path / "ran").exists()


def test_drain_lets_running_tasks_end(start: Callable, run: Callable, wait_until: Callable, tmp_path: Path) -> None:
    first = "touch begun; while [ ! -e go ]; do sleep 0.02; done"
    (tmp_path / "tasks.txt").write_text(f"{first}   #DWORK name=one\ntrue   #DWORK name=two after=one\n")
    pool = start(*POOL, "tasks.txt")
    wait_until((tmp_path / "begun").exists)
    drained = run(sys.executable, "-m", "dwork.dquery", "drain")
    assert drained.out == "No more tasks are started; 1 task held by workers\n", drained.err
    (tmp_path / "go").touch()
    _, err = pool.communicate(timeout=30)
    assert pool.returncode == 3, err
    assert attempts(tmp_path) == [("one", "done")]


@pytest.mark.parametrize("number", ENDS)
def test_a_signal_of_the_batch_system_ends_it_in_time(
    start: Callable, wait_until: Callable, tmp_path: Path, number: signal.Signals
) -> None:
    (tmp_path / "tasks.txt").write_text("touch begun; exec sleep 1000   #DWORK name=long\n")
    pool = start(*POOL, "tasks.txt", LSB_JOBID="4711")
    wait_until((tmp_path / "begun").exists)
    pool.send_signal(number)
    _, err = pool.communicate(timeout=30)
    assert pool.returncode == 3, err
    assert attempts(tmp_path) == [("long", "interrupted")]


def pid_in(file: Path, wait_until: Callable) -> int:
    wait_until(lambda: file.exists() and file.read_text().endswith("\n"))
    return int(file.read_text())


@pytest.mark.parametrize("number", ENDS)
def test_a_batch_system_that_ends_tasks_a_moment_before_the_pool_fails_none(
    start: Callable, wait_until: Callable, tmp_path: Path, number: signal.Signals
) -> None:
    (tmp_path / "tasks.txt").write_text("echo $$ > pid; exec sleep 1000   #DWORK name=long\n")
    pool = start(*POOL, "tasks.txt", LSB_JOBID="4711")
    task = pid_in(tmp_path / "pid", wait_until)
    os.kill(task, number)
    wait_until(lambda: is_gone(task))
    pool.send_signal(number)
    _, err = pool.communicate(timeout=30)
    assert pool.returncode == 3, err
    assert attempts(tmp_path) == [("long", "interrupted")]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT])
@pytest.mark.parametrize("others", ["", "sleep 1000   #DWORK name=other\n"])
def test_what_goes_on_and_ends_well_after_a_part_of_it_was_ended_is_not_done(
    start: Callable, run: Callable, wait_until: Callable, tmp_path: Path, number: signal.Signals, others: str
) -> None:
    part = "sh -c 'echo $$ > pid; exec sleep 1000' || echo ended; touch post"
    (tmp_path / "tasks.txt").write_text(f"[ -e go ] || {{ {part}; }}  #DWORK name=sim\ntrue #DWORK after=sim\n{others}")
    pool = start(*POOL, "--slots", "2", "tasks.txt", LSB_JOBID="4711")
    os.kill(pid_in(tmp_path / "pid", wait_until), number)
    wait_until((tmp_path / "post").exists)
    pool.send_signal(number)
    _, err = pool.communicate(timeout=30)
    assert pool.returncode == 3, err
    assert set(attempts(tmp_path)) <= {("sim", "interrupted"), ("true", "interrupted"), ("other", "interrupted")}
    assert ("sim", "interrupted") in attempts(tmp_path)
    (tmp_path / "go").touch()
    (tmp_path / "tasks.txt").write_text((tmp_path / "tasks.txt").read_text().replace("1000", "0"))
    again = run(*POOL, "tasks.txt")
    assert again.code == 0, again.err
    assert attempts(tmp_path).count(("sim", "done")) == 1


def test_a_task_that_is_ended_with_the_pool_and_ends_well_for_all_that_is_not_done(
    start: Callable, run: Callable, wait_until: Callable, tmp_path: Path
) -> None:
    (tmp_path / "tasks.txt").write_text("trap 'exit 0' TERM; touch begun; while :; do sleep 0.02; done #DWORK name=a\n")
    pool = start(*POOL, "tasks.txt")
    wait_until((tmp_path / "begun").exists)
    assert run(sys.executable, "-m", "dwork.dquery", "drain", "--now").code == 0
    _, err = pool.communicate(timeout=30)
    assert pool.returncode == 3, err
    assert attempts(tmp_path) == [("a", "interrupted")]


def test_ctrl_c_outside_a_batch_job_puts_no_end_in_doubt(start: Callable, wait_until: Callable, tmp_path: Path) -> None:
    long = "touch begun; while [ ! -e go ]; do sleep 0.02; done   #DWORK name=long after=quick"
    (tmp_path / "tasks.txt").write_text(f"true   #DWORK name=quick\n{long}\ntrue   #DWORK name=last after=long\n")
    pool = start(*POOL, "tasks.txt", LSB_JOBID="", SLURM_JOB_ID="", PBS_JOBID="")
    wait_until((tmp_path / "begun").exists)
    pool.send_signal(signal.SIGINT)
    assert pool.stderr is not None
    while "interrupted" not in pool.stderr.readline():
        pass
    (tmp_path / "go").touch()
    pool.communicate(timeout=30)
    assert pool.returncode == 3
    assert attempts(tmp_path) == [("quick", "done"), ("long", "done")]


def test_a_task_that_somebody_else_ends_has_failed(run: Callable, tmp_path: Path) -> None:
    (tmp_path / "tasks.txt").write_text("kill $$   #DWORK name=suicide\n")
    ran = run(*POOL, "tasks.txt")
    assert ran.code == 1 and "#0 suicide failed: SIGTERM" in ran.err


def test_however_much_qstat_tells_and_in_whatever_encoding_the_end_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wait_until: Callable
) -> None:
    started = 1_700_000_000.0
    qstat = tmp_path / "qstat"
    qstat.write_bytes(
        b"#!/bin/sh\necho '    Variable_List = NAME=Andr\xe9,'; head -c 200000 /dev/zero | tr '\\0' x; echo\n"
        + f"echo '    Resource_List.walltime = 1:00:00'; echo '    stime = {time.ctime(started)}'\n".encode()
    )
    qstat.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("PBS_JOBID", "4711")
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    monkeypatch.delenv("SLURM_JOB_END_TIME", raising=False)
    walltime = Walltime(None, 0.0)
    wait_until(lambda: walltime.poll(0.0))
    assert walltime.end == started + 3600
    assert not walltime.is_asking


def test_a_job_that_is_suspended_for_longer_than_a_timeout_loses_no_task(
    start: Callable, wait_until: Callable, tmp_path: Path
) -> None:
    loop = "touch begun; while [ ! -e go ]; do sleep 0.05; done"
    (tmp_path / "tasks.txt").write_text(f"{loop}   #DWORK name=long timeout=5\n")
    mark = {"DWORK_TEST_SUSPENDED": str(tmp_path)}
    pool = start(*POOL, "tasks.txt", **mark)
    wait_until((tmp_path / "begun").exists)
    until = time.monotonic() + 6.0
    stopped: set[int] = set()
    while fresh := set(processes(**mark)) - stopped:
        for pid in fresh:
            os.kill(pid, signal.SIGSTOP)
        stopped |= fresh
    wait_until(lambda: time.monotonic() >= until)
    (tmp_path / "go").touch()
    for pid in sorted(stopped):
        os.kill(pid, signal.SIGCONT)
    _, err = pool.communicate(timeout=30)
    assert pool.returncode == 0, err
    assert attempts(tmp_path) == [("long", "done")]


STUCK = "exec touch frozen/x   #DWORK name=stuck"


def is_stuck(pid: int) -> bool:
    return Path(f"/proc/{pid}/comm").read_text() == "touch\n" and stat(pid)[STATE] == b"D"


def test_a_task_that_cannot_be_killed_fails_and_the_others_are_done(run: Callable, tmp_path: Path) -> None:
    others = "".join(f"true   #DWORK name=other-{i} cores=2\n" if i == 2 else "true\n" for i in range(4))
    (tmp_path / "tasks.txt").write_text(f"{STUCK} timeout=1\n{others}")
    with frozen(tmp_path):
        ran = run(*POOL, "--slots", "2", "tasks.txt")
    assert ran.code in (1, 3), ran.err
    assert "#0 stuck failed: timed out after 1 s; its process " in ran.err and " cannot be killed" in ran.err
    assert "stuck cannot be killed; worker " in ran.err and "runs up to 1 at a time from now on" in ran.err
    assert [outcome for _, outcome in attempts(tmp_path)].count("done") >= 3


def test_a_worker_whose_only_slot_is_lost_leaves_and_the_pool_stops(run: Callable, tmp_path: Path) -> None:
    (tmp_path / "tasks.txt").write_text(f"{STUCK} timeout=1\ntrue   #DWORK name=next after-any=stuck\n")
    with frozen(tmp_path):
        ran = run(*POOL, "--slots", "1", "tasks.txt")
    assert ran.code == 3, ran.err
    assert attempts(tmp_path) == [("stuck", "timeout")]


def test_a_pool_ends_in_time_though_a_task_cannot_be_killed(
    start: Callable, wait_until: Callable, tmp_path: Path
) -> None:
    (tmp_path / "tasks.txt").write_text(f"{STUCK}\ntrue   #DWORK after=stuck\n")
    with frozen(tmp_path):
        mark = {"DWORK_TEST_STUCK": str(tmp_path)}
        pool = start(*POOL, "tasks.txt", LSB_JOBID="4711", **mark)
        wait_until(lambda: any(map(is_stuck, processes(DWORK_TASK_ID="0", **mark))))
        pool.send_signal(signal.SIGTERM)
        _, err = pool.communicate(timeout=60)
    assert pool.returncode == 3, err
    assert attempts(tmp_path) == [("stuck", "interrupted")]


CHECKPOINT = "trap 'sleep 6; touch saved; exit 1' TERM; touch begun; sleep 1000 & wait"


def test_a_task_has_time_to_write_a_checkpoint_when_the_job_ends(run: Callable, tmp_path: Path) -> None:
    """Longer than the five seconds after which it would be killed."""
    (tmp_path / "tasks.txt").write_text(f"{{ {CHECKPOINT}; }}   #DWORK name=long\n")
    ran = run(*POOL, "--walltime", "30s", "--drain-before", "25s", "--grace", "24s", "tasks.txt")
    assert ran.code == 3, ran.err
    assert (tmp_path / "saved").exists()
    assert attempts(tmp_path) == [("long", "interrupted")]


@pytest.mark.parametrize(
    ("words", "options", "complaint"),
    [
        (["--grace", "60"], "", "--grace 60s is not shorter than --drain-before (60 s)"),
        ([], " grace=2m", "long: grace=120s is not shorter than --drain-before (60 s)"),
        (["--warn", "USR1@60"], "", "--warn USR1@60s is too late: running tasks get SIGTERM 60 s before the end"),
        ([], " warn=INT@1m", "long: warn=INT@60s is too late"),
    ],
)
@pytest.mark.parametrize("check", [[], ["--check"]])
def test_a_grace_or_a_warning_for_which_the_job_is_over_too_early_is_refused(
    run: Callable, tmp_path: Path, words: list[str], options: str, complaint: str, check: list[str]
) -> None:
    (tmp_path / "tasks.txt").write_text(f"true   #DWORK name=long{options}\n")
    ran = run(*POOL, "--walltime", "1h", *words, *check, "tasks.txt")
    assert ran.code == 2 and complaint in ran.err and ran.err.count("\n") == 1


def test_tasks_are_warned_before_the_job_ends(run: Callable, tmp_path: Path) -> None:
    """One writes a checkpoint and fails, one ends well, one does not mind and is ended with the job."""
    waits = "sleep 1000 & while :; do wait; done"
    (tmp_path / "tasks.txt").write_text(
        f"{{ trap 'touch saved; exit 7' USR1; {waits}; }}   #DWORK name=fails\n"
        f"{{ trap 'exit 0' USR1; {waits}; }}   #DWORK name=ends\n"
        f"{{ trap '' USR2; exec sleep 1000; }}   #DWORK name=stays warn=USR2@24s\n"
    )
    words = ["--walltime", "30s", "--drain-before", "5s", "--warn", "USR1@20s", "--retries", "3", "--slots", "3"]
    ran = run(*POOL, *words, "tasks.txt")
    assert ran.code == 3, ran.err
    assert (tmp_path / "saved").exists()
    assert attempts(tmp_path) == [("fails", "interrupted"), ("ends", "done"), ("stays", "interrupted")]
