"""Who waits for a run to end is told at once how it has, and exits as the run does."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.system.programs.conftest import program

WAITS = "while [ ! -e go ]; do sleep 0.02; done"


@pytest.fixture
def pool(start: Callable, run: Callable, wait_until: Callable, tmp_path: Path) -> Callable[..., Any]:
    """Start a pool on these lines, and return it when the first task runs: that is to make a file `begun`."""

    def begin(*lines: str, options: tuple[str, ...] = ()) -> Any:
        (tmp_path / "tasks.txt").write_text("\n".join(["touch begun; " + lines[0], *lines[1:], ""]))
        process = start(*program("pool"), "tasks.txt", *options)
        wait_until((tmp_path / "begun").exists)
        return process

    return begin


@pytest.fixture
def waits(start: Callable, tmp_path: Path) -> Callable[..., Any]:
    return lambda *options: start(*program("dquery"), "--timeout", "2", "status", "--wait", *options)


def is_asked(process: subprocess.Popen[str]) -> bool:
    """Whether this client talks to a hub: ZeroMQ's threads are there, and a connection."""
    own = Path(f"/proc/{process.pid}")
    try:
        threads = [(task / "comm").read_text() for task in (own / "task").iterdir()]
        files = [os.readlink(fd) for fd in (own / "fd").iterdir()]
    except OSError:  # one was closed meanwhile
        return False
    return any(name.startswith("ZMQ") for name in threads) and any(name.startswith("socket:") for name in files)


@pytest.fixture
def parked(run: Callable, wait_until: Callable) -> Callable[..., None]:
    """Wait until the hub knows that this client waits: somebody who has come later has been answered."""

    def wait(process: subprocess.Popen[str], *which: str) -> None:
        wait_until(lambda: is_asked(process))
        assert run(*program("dquery"), *which, "status").code == 0

    return wait


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


@pytest.mark.parametrize(("last", "code", "count"), [("true", 0, "2 done"), ("false", 1, "1 failed")])
def test_it_exits_as_the_pool(
    pool: Callable, waits: Callable, tmp_path: Path, parked: Callable, last: str, code: int, count: str
) -> None:
    running = pool(WAITS, last)
    waiting = waits()
    parked(waiting)
    (tmp_path / "go").touch()
    assert ended(running)[0] == code
    told = ended(waiting)
    assert (told[0], told[2]) == (code, "")
    assert told[1].startswith("dhub: 0 active tasks, 0 ready.\n") and f"\n{count}\n" in told[1]


def test_json_tells_the_exit_status_too(pool: Callable, waits: Callable, tmp_path: Path, parked: Callable) -> None:
    pool(WAITS, options=("--no-record",))
    waiting = waits("--json")
    parked(waiting)
    (tmp_path / "go").touch()
    code, out, err = ended(waiting)
    assert (code, err) == (0, "")
    assert json.loads(out)["exit_status"] == 0 and json.loads(out)["counts"]["done"] == 1


def test_of_a_pool_that_is_drained_it_tells_that_it_was_stopped(
    pool: Callable, waits: Callable, run: Callable, parked: Callable
) -> None:
    running = pool("sleep 600", "sleep 600", options=("--slots", "1"))
    waiting = waits()
    parked(waiting)
    assert run(*program("dquery"), "drain", "--now").code == 0
    assert ended(running)[0] == 3
    code, out, err = ended(waiting)
    assert (code, err) == (3, "") and "2 active tasks" in out


def test_of_a_pool_that_is_killed_it_tells_so_in_a_line_with_what_the_record_knows(
    pool: Callable, waits: Callable, run: Callable, wait_until: Callable, parked: Callable, tmp_path: Path
) -> None:
    running = pool("true", WAITS, options=("--slots", "1"))
    wait_until(lambda: json.loads(run(*program("dquery"), "status", "--json").out)["counts"]["done"] == 1)
    waiting = waits()
    parked(waiting)
    running.kill()
    running.wait(timeout=20)
    code, out, err = ended(waiting)
    (tmp_path / "go").touch()
    assert code == 3
    assert err.count("\n") == 1 and "was killed" in err and "tasks.txt" in err
    assert "tasks.txt.db: 1 task of 2 not ended." in out and "\n1 done\n" in out


def test_a_pool_without_a_record_that_is_killed_is_told_of_in_a_line(
    pool: Callable, waits: Callable, parked: Callable, tmp_path: Path
) -> None:
    running = pool(WAITS, options=("--no-record",))
    waiting = waits()
    parked(waiting)
    running.kill()
    running.wait(timeout=20)
    code, out, err = ended(waiting)
    (tmp_path / "go").touch()
    assert (code, out) == (3, "") and err.count("\n") == 1 and "was killed" in err


def test_a_record_that_nobody_works_on_tells_at_once(pool: Callable, run: Callable, tmp_path: Path) -> None:
    (tmp_path / "go").touch()
    for last, code in (("true", 0), ("false", 1)):
        assert ended(pool("true", last, options=("--fresh",)))[0] == code
        assert run(*program("dquery"), "status", "--wait", "-f", "tasks.txt.db").code == code
        assert run(*program("dquery"), "status", "-f", "tasks.txt.db").code == 0


def test_a_dhub_is_over_when_all_tasks_have_ended(dhub: Callable, start: Callable, parked: Callable) -> None:
    hub = dhub("--insecure")
    waiting = start(*program("dquery"), "--insecure", "-s", hub.server, "status", "--wait")
    parked(waiting, "--insecure", "-s", hub.server)
    hub.dquery("--insecure", "create", "true")
    hub.dquery("--insecure", "create", "false")
    assert waiting.poll() is None
    worker = hub.kworker("--insecure")
    assert ended(waiting)[0] == 1
    worker.wait(timeout=20)
    again = hub.dquery("--insecure", "status", "--wait")
    assert again.code == 1 and "\n1 failed\n" in again.out


def test_a_dhub_that_is_told_to_end_before_says_that_it_was_stopped(
    dhub: Callable, start: Callable, parked: Callable
) -> None:
    hub = dhub("--insecure")
    hub.dquery("--insecure", "create", "true")
    waiting = start(*program("dquery"), "--insecure", "-s", hub.server, "status", "--wait")
    parked(waiting, "--insecure", "-s", hub.server)
    hub.process.terminate()
    assert ended(waiting)[0] == 3


def test_where_nobody_answers_and_nothing_tells_it_is_3(run: Callable, tmp_path: Path) -> None:
    ran = run(*program("dquery"), "--insecure", "-s", "127.0.0.1:9", "--timeout", "0.5", "status", "--wait")
    assert (ran.code, ran.out, ran.err.count("\n")) == (3, "", 1)
    assert ran.err.startswith("dquery: no answer from tcp://127.0.0.1:9 ")


def test_of_a_run_without_a_record_that_has_ended_before_the_question_nothing_tells(
    pool: Callable, run: Callable, wait_until: Callable, tmp_path: Path
) -> None:
    running = pool(WAITS, options=("--no-record",))
    known = tmp_path / ".dwork"
    wait_until(lambda: known.exists() and any(known.glob("*.json")))
    kept = tmp_path / "kept.json"
    kept.write_bytes(next(known.glob("*.json")).read_bytes())
    kept.chmod(0o600)
    (tmp_path / "go").touch()
    assert ended(running)[0] == 0
    ran = run(*program("dquery"), "--connection", kept, "--timeout", "0.5", "status", "--wait")
    assert (ran.code, ran.out, ran.err.count("\n")) == (3, "", 1)
    assert ran.err.endswith(" has ended; how is unknown\n")
