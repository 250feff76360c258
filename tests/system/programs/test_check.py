"""`dwork check` and `dwork-pool --check`: all mistakes, or what a run would do, and nothing is written."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dwork.dquery._group import group
from tests.system.programs.conftest import program
from tests.waiting import wait_until

CHECK = [sys.executable, "-m", "dwork", "check"]
POOL = [*program("pool"), "-q", "--no-bridge", "--slots", "2"]

TASKS = """\
echo mesh #DWORK name=mesh cores=2 memory=2G
#DWORK barrier
test -e good #DWORK name=solve-1 timeout=1h
echo solve #DWORK name=solve-2
touch r.out #DWORK name=report after=solve-2 creates=r.out
echo plot #DWORK name=plot after=solve-1
"""
SHAPE = """\
5 tasks, 4 of which wait for others (7 dependencies, 1 barrier, pattern or range)
longest chain: 3 tasks; at the same time: up to 2 tasks
largest requests: 2 cores (mesh), 2.0 GiB (mesh)
timeout: set by 1 task
"""


def everything(directory: Path) -> dict[str, tuple[int, bytes]]:
    """All files below a directory: when each was changed, and what it has."""
    return {
        str(path.relative_to(directory)): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in directory.rglob("*")
    }


@pytest.fixture
def check(run: Callable, tmp_path: Path) -> Callable:
    """Run the check, which must leave everything as it is."""

    def checked(*words: object, **more: str) -> object:
        before = everything(tmp_path)
        ran = run(*CHECK, *words, **more)
        assert everything(tmp_path) == before
        return ran

    return checked


def test_all_mistakes_of_all_files_are_printed_in_order_and_nothing_else(check: Callable, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a #DWORK after=zz\nb 'open\nc #DWORK cores=x name=c\n")
    (tmp_path / "b.jsonl").write_text('{"comand": "a"}\n{"command": "a", "after": "c"}\n')
    ran = check("a.txt", "b.jsonl", "nowhere")
    assert (ran.code, ran.out) == (2, "")
    first, *others = [line.partition("; ")[0] for line in ran.err.splitlines()]
    assert first.startswith("a.txt:2: ")
    assert others == [
        'a.txt:3: cores: "x" is not a whole number',
        'b.jsonl:1: unknown key "comand"',
        "nowhere: cannot be read: No such file or directory",
    ]
    (tmp_path / "many").write_text("a #DWORK cores=x\n" * 250)
    lines = check("-q", "many").err.splitlines()
    assert len(lines) == 101 and lines[-1] == "and 150 more"


def test_without_mistakes_the_shape_of_the_graph_is_printed_and_remarks(check: Callable, tmp_path: Path) -> None:
    (tmp_path / "tasks.txt").write_text(f"{TASKS}echo $DISBATCH_TASKID #DWORK name=odd\n")
    ran = check("tasks.txt", "--no-record")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("6 tasks, 5 of which") and "\ntasks.txt:7: DISBATCH_TASKID is not set in" in ran.out
    assert check("-q", "tasks.txt").out == ""
    (tmp_path / "none.txt").write_text("# nothing\n")
    remark = "none.txt:1: this file has no tasks: only blank lines, comments and directives"
    assert check("none.txt").out == f"no tasks: there is nothing to do\n{remark}\n"
    assert check("-", "--slots", "auto", stdin="a\n").out == (
        "1 task\nlongest chain: 1 task; at the same time: up to 1 task\n"
    )


def test_programs_get_mistakes_shape_and_rerun_as_json(run: Callable, check: Callable, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a #DWORK after=zz\nb #DWORK cores=x\n")
    ran = check("--json", "a.txt", "nowhere")
    found = json.loads(ran.out)
    assert (ran.code, ran.err, found["shape"], found["rerun"], found["more_mistakes"]) == (2, "", None, None, 0)
    assert found["mistakes"] == [
        {"file": "a.txt", "line": 2, "text": 'cores: "x" is not a whole number; write, for example, cores=2'},
        {"file": None, "line": None, "text": "nowhere: cannot be read: No such file or directory"},
    ]
    (tmp_path / "tasks.txt").write_text(TASKS)
    found = json.loads(check("--json", "tasks.txt").out)
    assert found["mistakes"] == [] and found["shape"]["tasks"] == 5 and found["shape"]["depth"] == 3
    assert found["shape"]["largest"]["cores"] == {"request": 2, "task": "mesh"}
    assert found["rerun"]["note"] == "there is no record tasks.txt.db yet: all tasks would run"
    assert run(*POOL, "tasks.txt").code == 1
    rerun = json.loads(check("--json", "tasks.txt").out)["rerun"]
    assert (rerun["record"], rerun["note"], rerun["done"], rerun["gone"]) == ("tasks.txt.db", None, 3, 0)
    assert rerun["would_run"] == [
        {"reason": "failed", "tasks": ["solve-1"]},
        {"reason": "skipped, since a task before failed", "tasks": ["plot"]},
    ]


def test_options_for_loading_count_as_in_a_run(check: Callable, tmp_path: Path) -> None:
    (tmp_path / "tasks").write_text("a\n#DISBATCH BARRIER\n[[ a ]] && b\n")
    assert "use --format disbatch" in check("tasks").err
    assert check("tasks", "--format", "disbatch").code == 0
    (tmp_path / "t.txt").write_text("[[ a ]] && b #DWORK after=elsewhere\n")
    (tmp_path / "setup").write_text("cd x\n(\n")
    refused = check("t.txt", "--shell", "bash", "--setup", "setup")
    assert [line.partition(": ")[0] for line in refused.err.splitlines()] == ["t.txt:1", "setup:2"]
    assert check("t.txt", "--shell", "bash", "--unknown-pred", "done").code == 0
    assert check("t.txt", "--logs", "x", "--no-logs").err == (
        "dwork: --logs and --no-logs contradict each other; drop one\n"
    )


def test_a_rerun_is_explained_from_the_record_which_stays_as_it_is(
    run: Callable, check: Callable, tmp_path: Path
) -> None:
    tasks = tmp_path / "tasks.txt"
    tasks.write_text(TASKS)
    first = check("tasks.txt")
    assert (first.code, first.out) == (0, f"{SHAPE}there is no record tasks.txt.db yet: all tasks would run\n")
    assert run(*POOL, "tasks.txt").code == 1
    (tmp_path / "r.out").unlink()
    assert check("tasks.txt").out == (
        f"{SHAPE}2 of 5 tasks done and would not run, according to tasks.txt.db; 3 would run:\n"
        "  1 failed: solve-1\n"
        "  1 skipped, since a task before failed: plot\n"
        "  1 done, but a file that it creates is gone: report\n"
    )
    tasks.write_text(
        TASKS.replace("echo solve", "echo  solve").replace("echo plot #DWORK name=plot", "echo new #DWORK")
    )
    assert check("tasks.txt").out.endswith(
        "1 of 5 tasks done and would not run, according to tasks.txt.db; 4 would run:\n"
        "  1 new: echo new\n"
        "  1 failed: solve-1\n"
        "  1 done, but the command changed: solve-2\n"
        "  1 done, but after a task that runs again: report\n"
        "1 task of the record would not run: no file has them any more\n"
    )
    assert "all tasks, since --env A changed since the last run\n" in check("tasks.txt", "--env", "A=1").out
    assert check("tasks.txt", "--fresh").out.endswith(
        "--fresh: tasks.txt.db would be renamed to tasks.txt.db.1, and all tasks would run\n"
    )
    (tmp_path / "good").touch()
    ran = run(*POOL, "tasks.txt")
    assert (ran.code, ran.out) == (0, "solve\nnew\n"), "a run does what the check announced"
    assert check("tasks.txt").out.endswith("nothing is left to do (--fresh starts over)\n")


def test_a_record_that_a_run_would_refuse_is_refused_in_the_same_words(
    run: Callable, check: Callable, tmp_path: Path
) -> None:
    (tmp_path / "tasks.txt").write_text("true\n")
    assert run(*POOL, "tasks.txt").code == 0
    (tmp_path / "damaged.db").write_bytes(b"SQLite format 3\0" + bytes(5000))
    (tmp_path / "open.db").write_bytes((tmp_path / "tasks.txt.db").read_bytes())
    (tmp_path / "open.db").chmod(0o666)
    (tmp_path / "sub").mkdir()
    for words in (
        ["tasks.txt", "-f", "damaged.db"],
        ["tasks.txt", "-f", "open.db"],
        ["tasks.txt", "-f", "tasks.txt"],
        ["tasks.txt", "-f", "nowhere/x.db"],
    ):
        checked = check(*words)
        assert (checked.code, checked.out, checked.err) == (2, "", run(*POOL, *words).err)
    elsewhere = ["sh", "-c", 'cd sub && exec "$@"', "sh"]
    words = ["../tasks.txt", "-f", "../tasks.txt.db"]
    checked = run(*elsewhere, *CHECK, *words)
    assert checked.code == 2 and "is the record of a run in" in checked.err
    assert checked.err == run(*elsewhere, *POOL, *words).err


def test_a_record_in_use_is_left_to_its_run(run: Callable, start: Callable, tmp_path: Path) -> None:
    (tmp_path / "tasks.txt").write_text("touch begun; until [ -e go ]; do :; done\n")
    pool = start(*POOL, "tasks.txt")
    wait_until((tmp_path / "begun").exists)
    ran = run(*CHECK, "tasks.txt")
    (tmp_path / "go").touch()
    assert ran.code == 0 and ran.err == ""
    assert ran.out.endswith(
        f"tasks.txt.db is in use by process {pool.pid}: what another run would run depends on how that ends\n"
    )
    assert pool.wait(60) == 0


def test_the_pool_has_the_check_as_an_option_that_needs_no_mpi(run: Callable, tmp_path: Path) -> None:
    (tmp_path / "tasks.txt").write_text("a\nb #DWORK after=a\n")
    expected = run(*CHECK, "tasks.txt")
    broken = {"PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"}
    (tmp_path / "mpi4py.py").write_text("raise SystemExit('MPI was imported')\n")
    for option in ("--check", "--dry-run"):
        ran = run(*program("pool"), "tasks.txt", option, **broken)
        assert (ran.code, ran.out, ran.err) == (0, expected.out, "")
    for command in (CHECK, [*program("pool"), "--check"]):
        ranks = [run(*command, "tasks.txt", PMI_RANK=rank, PMI_SIZE="2", **broken) for rank in "01"]
        assert [(ran.code, ran.out, ran.err) for ran in ranks] == [(0, expected.out, ""), (0, "", "")]
    assert not [name for name in os.listdir(tmp_path) if name.startswith("tasks.txt.")]


def test_the_help_shows_the_options_that_matter_and_the_others_are_accepted(run: Callable, tmp_path: Path) -> None:
    (tmp_path / "tasks.txt").write_text("a\n")
    text = run(*CHECK, "--help").out
    assert "--format" in text and "--env " in text and "--slots" not in text and "--doctor" not in text
    assert run(*CHECK, "--slots", "auto", "--retries", "3", "--joblog", "x", "tasks.txt").code == 0
    assert "check" not in group.list_commands(None)  # type: ignore[arg-type]
