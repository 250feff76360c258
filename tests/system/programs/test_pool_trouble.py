"""What goes wrong around a pool, and what must not be lost or left behind then."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.leftovers import is_gone

POOL = [sys.executable, "-m", "dwork.pool"]


def test_a_file_that_is_no_record_is_never_set_aside(run: Callable, tmp_path: Path) -> None:
    (tmp_path / "tasks.txt").write_text("true\n")
    (tmp_path / "notes.md").write_text("my notes\n")
    for name in ("notes.md", "tasks.txt"):
        for _ in range(2):
            ran = run(*POOL, "--fresh", "-f", name, "tasks.txt")
            assert (ran.code, ran.own_err) == (2, [f"dwork: {name} is not a record; choose another file with -f"])
    assert (tmp_path / "notes.md").read_text() == "my notes\n"
    assert (tmp_path / "tasks.txt").read_text() == "true\n"


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["--", "echo", "hi there"], "echo is a command, not a task file; .*: echo 'echo hi there' [|] dwork-pool -"),
        (["echo hi"], "echo is a command, not a task file; .*"),
        (["--resume", "tasks.txt"], "there is no option --resume; it is the default: .*"),
        (["-j4", "tasks.txt"], "there is no option -j; --slots N sets how many tasks run at a time .*"),
    ],
)
def test_habits_of_other_programs_are_answered(run: Callable, tmp_path: Path, words: list[str], answer: str) -> None:
    (tmp_path / "tasks.txt").write_text("true\n")
    ran = run(*POOL, *words)
    assert (ran.code, len(ran.own_err)) == (2, 1) and re.fullmatch(f"dwork: {answer}", ran.own_err[0])


@pytest.mark.parametrize("shell", ["echo", "./mute"])
def test_a_program_that_is_not_a_shell_does_not_make_all_tasks_done(run: Callable, tmp_path: Path, shell: str) -> None:
    for name, script in (("mute", "exit 0"), ("wrapper", 'exec sh "$@"')):
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "tasks.txt").write_text("false\n")
    why = "is not a shell: with -c 'exit 7' it exits with 0; write a shell, such as /bin/bash"
    ran = run(*POOL, "--no-record", "--shell", shell, "tasks.txt")
    assert (ran.code, ran.own_err) == (2, [f"dwork: --shell: {shell} {why}"])
    assert run(*POOL, "--no-record", "--shell", "./wrapper", "tasks.txt").code == 1


def test_a_shell_that_this_machine_lacks_is_refused_where_it_is_chosen(run: Callable, tmp_path: Path) -> None:
    (tmp_path / "first.txt").write_text("#!/no/sh -e\nfalse\ntrue\n")
    (tmp_path / "later.txt").write_text("#!/bin/sh\ntrue\nfalse #DWORK shell=./plain\n")
    (tmp_path / "plain").write_text("")
    mend = "correct the name or, if only the workers have it, begin each line with it: SHELL -c 'LINE'"
    for words, answer in (
        (["--shell", "nosuch"], f"--shell: nosuch is not found in PATH on this machine; {mend}"),
        (["--shell", "/tmp"], "--shell: /tmp is a directory; write a shell, such as /bin/bash"),
        (["--shell", "sh", "--env", "PATH=/no"], f"--shell: sh is not found in PATH on this machine; {mend}"),
        ([], f"first.txt:1: /no/sh does not exist on this machine; {mend}"),
    ):
        ran = run(*POOL, *words, "first.txt", "later.txt")
        assert (ran.code, ran.own_err) == (2, [f"dwork: {answer}"])
    ran = run(*POOL, "later.txt")
    why = "later.txt:3: ./plain is not executable; correct the name, or chmod +x it"
    assert (ran.code, ran.own_err) == (2, [f"dwork: {why}"])
    assert not list(tmp_path.glob("*.db"))


def test_a_shell_that_only_its_task_may_find_is_left_to_the_task(run: Callable, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "mysh").write_text('#!/bin/sh\nexec sh "$@"\n')
    (tmp_path / "bin" / "mysh").chmod(0o755)
    path = f"{tmp_path}/bin:{os.environ['PATH']}"
    rows = [
        {"command": "touch a; true", "shell": "mysh", "env": {"PATH": path}},
        {"command": "touch ../b; true", "shell": "./mysh", "cwd": "bin"},
    ]
    (tmp_path / "tasks.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert run(*POOL, "tasks.jsonl").code == 0
    assert (tmp_path / "a").exists() and (tmp_path / "b").exists()


def test_a_file_that_is_given_twice_is_refused_and_one_without_tasks_is_named(run: Callable, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("true\n")
    (tmp_path / "none.txt").write_text("# true\n\n")
    (tmp_path / "link.txt").symlink_to("a.txt")
    ran = run(*POOL, "a.txt", "link.txt")
    answer = "dwork: link.txt: is given twice, also as a.txt; give it once, or a copy of it"
    assert (ran.code, ran.own_err) == (2, [answer])
    assert run(*POOL, "-", "-").own_err == ["dwork: -: is given twice; give it once, or a copy of it"]
    ran = run(*POOL, "none.txt")
    assert (ran.code, ran.own_err) == (
        0,
        [
            "dwork: none.txt:1: this file has no tasks: only blank lines, comments and directives",
            "dwork: there is nothing to do",
        ],
    )


def test_what_failed_is_named_even_when_all_else_is_quiet(run: Callable, tmp_path: Path) -> None:
    (tmp_path / "tasks.txt").write_text("nosuchcmd a\ntrue\n")
    ran = run(*POOL, "-q", "--no-record", "tasks.txt")
    why = "cannot start nosuchcmd: not found in PATH (exit status 127)"
    assert (ran.code, ran.own_err) == (1, [f"dwork: failed: #0 nosuchcmd a: {why}"])


def test_output_that_could_not_be_written_is_no_success(start: Callable, run: Callable, tmp_path: Path) -> None:
    (tmp_path / "tasks.txt").write_text("echo hi\n")
    ran = run("sh", "-c", f"{sys.executable} -m dwork.pool tasks.txt > /dev/full")
    assert ran.code == 1
    assert (
        ran.own_err[-1]
        == "dwork: all tasks are done, but some of their output could not be written; all of it is in tasks.txt.logs"
    )
    assert run(sys.executable, "-m", "dwork.dquery", "log", "#0", "-f", "tasks.txt.db").out == "hi\n"


def test_a_killed_pool_leaves_no_worker_no_task_and_no_key(
    start: Callable, wait_until: Callable, tmp_path: Path
) -> None:
    place = tmp_path / "tmp"
    place.mkdir()
    (tmp_path / "tasks.txt").write_text("echo $PPID $$ > pids; exec sleep 1000\n")
    pool = start(*POOL, "tasks.txt", TMPDIR=str(place))
    pids = tmp_path / "pids"
    wait_until(lambda: pids.exists() and pids.read_text().endswith("\n"))
    os.kill(pool.pid, signal.SIGKILL)
    pool.communicate(timeout=30)  # it ends when nobody holds its output any more
    wait_until(lambda: all(map(is_gone, pids.read_text().split())))
    wait_until(lambda: not list(place.rglob("*.json")))


def test_a_wrong_address_to_listen_on_is_told_as_such(run: Callable, tmp_path: Path) -> None:
    (tmp_path / "tasks.txt").write_text("true\n")
    ran = run(*POOL, "--bind", "nohost", "tasks.txt")
    assert ran.code == 2
    assert ran.own_err == ["dwork: cannot listen on tcp://nohost:*: No such device; choose another address with --bind"]


@pytest.mark.parametrize("stream", ["0", "1", "2"])
def test_a_standard_stream_that_is_closed_does_not_end_the_run(run: Callable, tmp_path: Path, stream: str) -> None:
    (tmp_path / "tasks.txt").write_text("echo out; echo err >&2; echo out > ran\n")
    ran = run("sh", "-c", f"exec {sys.executable} -m dwork.pool tasks.txt {stream}>&-")
    assert (ran.code, (tmp_path / "ran").read_text()) == (0, "out\n"), ran.err
    assert ran.out == ("" if stream == "1" else "out\n")
    assert ("err" in ran.err) == (stream != "2")


def test_tasks_that_the_system_refuses_to_start_run_later(run: Callable, tmp_path: Path) -> None:
    (tmp_path / "tasks.txt").write_text("".join(f"sleep 0.1; echo {n}\n" for n in range(40)))
    ran = run("sh", "-c", f"ulimit -n 64; exec {sys.executable} -m dwork.pool --slots 40 tasks.txt")
    assert ran.code == 0 and sorted(map(int, ran.out.split())) == [*range(40)]
    (line,) = [line for line in ran.err.splitlines() if "given back" in line]
    assert "at a time start here (Too many open files: the limit of open files is reached (ulimit -n))" in line
    assert "40 done, 0 failed" in ran.err and "this is a bug" not in ran.err


def test_tasks_of_a_pool_have_the_limit_of_open_files_of_its_user(run: Callable, tmp_path: Path) -> None:
    (tmp_path / "tasks.txt").write_text("ulimit -n\n")
    ran = run("sh", "-c", f"ulimit -S -n 200; exec {sys.executable} -m dwork.pool --slots 50 -q tasks.txt")
    assert (ran.code, ran.out) == (0, "200\n")
