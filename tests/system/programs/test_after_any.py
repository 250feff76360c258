"""A report runs however the tasks before it have ended, and again when these run again."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

POOL = [sys.executable, "-m", "dwork.pool", "-q", "--slots", "1"]
DQUERY = [sys.executable, "-m", "dwork.dquery"]
TASKS = (
    "cat in #DWORK name=a\n"
    "echo b #DWORK name=b after=a\n"
    "echo report #DWORK name=report after-any=a,b\n"
    "echo mail #DWORK name=mail after=report\n"
)


def test_it_runs_in_each_run_as_long_as_something_before_it_fails(run: Callable, tmp_path: Path) -> None:
    (tmp_path / "tasks.txt").write_text(TASKS)
    for _ in range(2):
        ran = run(*POOL, "tasks.txt")
        assert (ran.code, ran.out) == (1, "report\nmail\n"), ran.err
    (tmp_path / "in").write_text("in\n")
    ran = run(*POOL, "tasks.txt")
    assert (ran.code, ran.out) == (0, "in\nb\nreport\nmail\n"), ran.err
    ran = run(*POOL, "tasks.txt")
    assert (ran.code, ran.out) == (0, ""), ran.err


def test_a_halt_keeps_it_from_starting_and_the_next_run_goes_on(run: Callable, tmp_path: Path) -> None:
    (tmp_path / "tasks.txt").write_text(TASKS)
    ran = run(*POOL, "--halt", "soon,fail=1", "tasks.txt")
    assert (ran.code, ran.out) == (1, "")
    assert run(*POOL, "tasks.txt").out == "report\nmail\n"


def test_what_looks_at_a_record_shows_it(run: Callable, tmp_path: Path) -> None:
    (tmp_path / "tasks.txt").write_text(TASKS + "c #DWORK after=b after-any=report\n")
    assert run(*POOL, "tasks.txt").code == 1
    shown = run(*DQUERY, "show", "report", "-f", "tasks.txt.db").out
    assert "  after-any #0 a (failed), #1 b (skipped)\n" in shown
    row = json.loads(run(*DQUERY, "show", "report", "--json", "-f", "tasks.txt.db").out)
    assert [(each["name"], each["after_any"]) for each in row["predecessors"]["first"]] == [("a", True), ("b", True)]
    why = run(*DQUERY, "why", "c", "-f", "tasks.txt.db").out
    assert why.startswith("#4 c is skipped. What keeps it from running:\n  #0 a failed: exit status 1")
    assert "report" not in why
    rest = run(*DQUERY, "rest", "-f", "tasks.txt.db").out
    assert "c #DWORK after=b\n" in rest
    dot = run(*DQUERY, "graph", "-f", "tasks.txt.db").out
    assert "t0 -> t2 [style=dashed];" in dot and "t0 -> t1;" in dot and "t2 -> t3;" in dot
    mermaid = run(*DQUERY, "graph", "--format", "mermaid", "-f", "tasks.txt.db").out
    assert "t1 -.-> t2" in mermaid and "t0 --> t1" in mermaid


def test_what_is_left_is_written_with_it(run: Callable, tmp_path: Path) -> None:
    (tmp_path / "tasks.txt").write_text("false #DWORK name=a\nfalse #DWORK name=report after-any=a\n")
    assert run(*POOL, "tasks.txt").code == 1
    assert run(*DQUERY, "rest", "-f", "tasks.txt.db").out.endswith("false #DWORK name=report after-any=a\n")


def test_a_disbatch_barrier_goes_on_after_a_failure_and_one_that_checks_does_not(run: Callable, tmp_path: Path) -> None:
    (tmp_path / "tasks").write_text("false\n#DISBATCH BARRIER\necho b; exit 3\n#DISBATCH BARRIER CHECK\necho c\n")
    ran = run(*POOL, "--format", "disbatch", "tasks")
    assert (ran.code, ran.out) == (1, "[echo b; exit 3: exit status 3] b\n"), ran.err
