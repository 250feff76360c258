"""A dhub that keeps a record, a kworker, and dquery on both sides of the dhub's end: real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dwork import taskfile
from tests.ports import free_port
from tests.waiting import wait_until

ROOT = Path(__file__).parents[3]
TASKS = """\
echo first; while [ ! -e go ]; do sleep 0.01; done; echo second; echo third >&2 #DWORK name=slow
exit 7 #DWORK name=bad after=slow
echo never #DWORK after=bad
echo held #DWORK name=held
#DWORK barrier
echo last #DWORK name=last
"""


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start programs in tmp_path."""
    started: list[subprocess.Popen[str]] = []

    def start(name: str, *words: str, server: str = "") -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", f"dwork.{name}", *words],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), "DWORK_SERVER": server},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def begin(program: Any) -> tuple[subprocess.Popen[str], str]:
    """A dhub with a record, and its address."""
    process = program("dhub", "--insecure", "-f", "run.db", "-p", str(free_port()))
    first = process.stderr.readline()
    assert "listening on" in first, first
    return process, first.split("listening on ")[1].split()[0].rstrip(";")


def test_log_follows_a_task_beyond_the_end_of_its_run(program: Any, tmp_path: Path) -> None:
    (tmp_path / "tasks.txt").write_text("echo one; while [ ! -e go ]; do sleep 0.01; done; seq 1000 #DWORK name=slow\n")
    pool = program("pool", "-q", "--slots", "1", "tasks.txt")
    wait_until(lambda: any((tmp_path / "tasks.txt.logs").glob("*")), 60)
    follow = program("dquery", "--timeout", "2", "log", "slow", "--follow", "-f", "tasks.txt.db")
    assert follow.stdout.readline() == "one\n"
    (tmp_path / "go").touch()
    out, err = follow.communicate(timeout=60)
    assert (out.split(), err, follow.returncode) == ([str(n) for n in range(1, 1001)], "", 0)
    assert pool.wait(timeout=60) == 0


def test_a_run_is_looked_at_while_it_goes_on_and_when_it_has_ended(program: Any, dquery: Any, tmp_path: Path) -> None:
    hub, server = begin(program)
    (tmp_path / "tasks.txt").write_text(TASKS)

    def ask(*arguments: str) -> Any:
        return dquery("-s", server, *arguments)

    assert ask("addfile", str(tmp_path / "tasks.txt")).status == 0
    assert ask("hold", "held").out == "Held 1 task\n"
    worker = program("kworker", "--slots", "1", server=server)
    follow = program("dquery", "log", "slow", "--follow", server=server)
    assert follow.stdout.readline() == "first\n"
    why = ask("why", "last").out.splitlines()
    assert why[1].startswith("  #0 slow is running or about to start on ")
    assert why[2] == "  #3 held is held; dquery release '#3' lets it start"
    (tmp_path / "go").touch()
    assert follow.communicate(timeout=20) == ("second\n", "third\n")
    assert program("dquery", "log", "bad", "--follow", server=server).communicate(timeout=20)[0] == ""
    assert ask("failed").out.splitlines()[-1] == "1 failed, 2 skipped: 2 after bad"
    live = ask("list").out
    assert [line.split()[1] for line in live.splitlines()] == ["done", "failed", "skipped", "held", "skipped"]
    rest = ask("rest").out
    record = str(tmp_path / "run.db")
    assert dquery("list", "-f", record).out == dquery("-f", record, "list").out == live  # the hub that uses it answers
    assert dquery("rest", "-f", record).out.splitlines()[1:] == rest.splitlines()[1:]
    hub.send_signal(signal.SIGTERM)
    hub.communicate(timeout=20)
    worker.terminate()

    assert dquery("list", "-f", record).out == live
    assert dquery("log", "slow", "-f", record)[1:] == ("first\nsecond\n", "third\n")
    assert dquery("failed", "-f", record).status == 1
    assert dquery("rest", "-f", record).out.splitlines()[1:] == rest.splitlines()[1:]
    left = taskfile.parse([taskfile.Source("rest", rest.encode())])
    assert [task.name for task in left if task.command is not None] == ["bad", "echo never", "held", "last"]
