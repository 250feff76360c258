"""A task that exits with 0 without its files has failed, in every way in which tasks are run."""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path

POOL = [sys.executable, "-m", "dwork.pool", "--slots", "1"]
DQUERY = [sys.executable, "-m", "dwork.dquery"]


def test_a_task_without_its_file_fails_and_those_after_it_are_skipped(run: Callable, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "tasks.txt").write_text(
        "touch out #DWORK name=good cwd=d creates=out\n"
        "touch out #DWORK name=bad cwd=d creates=out,other\n"
        "echo never #DWORK name=use after=bad\n"
        "echo next #DWORK name=next\n"
    )
    ran = run(*POOL, "-q", "tasks.txt")
    assert (ran.code, ran.out) == (1, "next\n")
    assert ran.err == "dwork: failed: #1 bad: it exited with 0, but did not create other\n"
    row = json.loads(run(*DQUERY, "show", "bad", "--json", "-f", "tasks.txt.db").out)
    (attempt,) = row["attempts"]
    assert (attempt["exit_status"], attempt["signal"], attempt["cause"]) == (73, 0, "not created")
    assert attempt["ended"] - attempt["started"] < 4.0, "the wait is not part of the run time"
    assert row["options"] == {"cwd": "d", "creates": ["out", "other"]}
    assert "options   cwd=d creates=out,other\n" in run(*DQUERY, "show", "bad", "-f", "tasks.txt.db").out
    assert "cwd=d creates=out,other\n" in run(*DQUERY, "rest", "-f", "tasks.txt.db").out


def test_a_slot_that_waits_for_a_file_does_not_stop_the_others(run: Callable, tmp_path: Path) -> None:
    """The file of the first task comes late, from the second one."""
    (tmp_path / "tasks.txt").write_text("touch begun #DWORK creates=late\nuntil [ -e begun ]; do :; done; touch late\n")
    ran = run(*POOL, "--slots", 2, "-q", "tasks.txt")
    assert (ran.code, ran.err) == (0, "")


def test_a_missing_file_is_retried_as_any_failure(run: Callable, tmp_path: Path) -> None:
    (tmp_path / "tasks.txt").write_text("test $DWORK_ATTEMPT = 1 || touch out #DWORK name=a creates=out retries=1\n")
    ran = run(*POOL, "--retry-delay", 0, "tasks.txt")
    assert ran.code == 0, ran.err
    assert "#0 a failed: it exited with 0, but did not create out; retrying" in ran.err


def test_a_rerun_runs_what_has_lost_its_file_and_what_comes_after_it(run: Callable, tmp_path: Path) -> None:
    (tmp_path / "tasks.txt").write_text(
        "echo a; touch a.out #DWORK name=a creates=a.out\n"
        "echo b #DWORK name=b after=a\n"
        "echo c; touch c.out #DWORK name=c creates=c.out\n"
    )
    assert run(*POOL, "-q", "tasks.txt").out == "a\nb\nc\n"
    ran = run(*POOL, "tasks.txt")
    assert (ran.code, ran.out) == (0, "")
    (tmp_path / "a.out").unlink()
    ran = run(*POOL, "tasks.txt")
    assert (ran.code, ran.out) == (0, "a\nb\n")
    assert "1 of 3 already done; a.out is gone: its task runs again" in ran.err
    (tmp_path / "a.out").unlink()
    (tmp_path / "c.out").unlink()
    ran = run(*POOL, "tasks.txt")
    assert (ran.code, ran.out) == (0, "a\nb\nc\n")
    assert "0 of 3 already done; 2 tasks whose files are gone run again" in ran.err
    outcomes = sqlite3.connect(tmp_path / "tasks.txt.db").execute("SELECT outcome, count(*) FROM attempts GROUP BY 1")
    assert list(outcomes) == [("done", 8)]


def test_a_command_that_does_nothing_has_to_create_its_files_too(run: Callable, tmp_path: Path) -> None:
    (tmp_path / "tasks.txt").write_text(": > there #DWORK name=t creates=there\n: nothing #DWORK name=n creates=no\n")
    ran = run(*POOL, "-q", "tasks.txt")
    assert ran.err == "dwork: failed: #1 n: it exited with 0, but did not create no\n"
