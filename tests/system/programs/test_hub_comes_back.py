"""A hub that is killed and started again on its record: its workers and clients go on as if nothing had been."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.system.programs.conftest import Comeback


@pytest.fixture
def comeback(dhub: Callable, tmp_path: Path) -> Comeback:
    return Comeback(dhub, tmp_path)


def waiting_for(file: str) -> str:
    """A command that runs until there is a file, and says each time that it was run."""
    return f"echo run >> ran-{file}; while [ ! -e {file} ]; do sleep 0.02; done"


def test_what_was_added_is_there_after_a_kill(comeback: Comeback) -> None:
    comeback.dquery("create", "a")
    comeback.dquery("create", "b", "a")
    comeback.dquery("create", "c")
    assert comeback.dquery("steal", "-q").out == "a\n"
    assert comeback.dquery("complete", "a").code == 0
    assert comeback.dquery("steal", "-q").out == "b\n"
    comeback.die()
    comeback.rise()
    assert comeback.dquery("lookup", "a").out.startswith("#0 a: done")
    assert comeback.dquery("lookup", "b").out.startswith("#1 b: assigned (")
    assert comeback.dquery("lookup", "c").out.startswith("#2 c: ready")
    assert comeback.dquery("complete", "b").code == 0
    assert comeback.dquery("lookup", "b").out.startswith("#1 b: done")


def test_a_task_that_runs_meanwhile_is_not_run_again(comeback: Comeback, wait_until: Callable, tmp_path: Path) -> None:
    comeback.dquery("create", waiting_for("one"))
    comeback.dquery("create", "echo two > two", waiting_for("one"))
    worker = comeback.hub.kworker()
    wait_until((tmp_path / "ran-one").exists)
    comeback.die()
    comeback.rise()
    (tmp_path / "one").touch()
    _, err = worker.communicate(timeout=60)
    assert worker.returncode == 0, err
    assert (tmp_path / "ran-one").read_text() == "run\n"
    assert (tmp_path / "two").exists()


def test_a_task_that_ends_while_there_is_no_hub_is_reported_when_it_is_back(
    comeback: Comeback, wait_until: Callable, tmp_path: Path
) -> None:
    comeback.dquery("create", waiting_for("one") + "; touch ended")
    worker = comeback.hub.kworker()
    wait_until((tmp_path / "ran-one").exists)
    comeback.die()
    (tmp_path / "one").touch()
    wait_until((tmp_path / "ended").exists)
    comeback.rise()
    _, err = worker.communicate(timeout=60)
    assert worker.returncode == 0, err
    assert (tmp_path / "ran-one").read_text() == "run\n"
    assert comeback.dquery("lookup", "#0").out.split(":", 1)[1].count("done") == 1


def unread(port: int) -> int:
    """Bytes that have come to a server which does not read them."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(int(queue.partition(":")[2], 16) for _, local, _, _, queue, *_ in rows if local.endswith(f":{port:04X}"))


@pytest.mark.parametrize("ends", [False, True])
def test_what_was_printed_into_a_hub_that_is_no_more_is_there_all_the_same(
    comeback: Comeback, wait_until: Callable, tmp_path: Path, ends: bool
) -> None:
    """It stands still, so what comes is not read, and is killed then: the worker thinks that it has sent it."""
    text = "".join(f"{i:06}\n" for i in range(1, 30001))
    tell = f"echo first; touch told; {waiting_for('go')}; seq -w 000001 030000"
    comeback.dquery("create", f"{tell}; [ {int(ends)} = 1 ] || {waiting_for('one')}; echo last")
    worker = comeback.hub.kworker()
    wait_until(lambda: "first" in comeback.dquery("log", "#0").out)
    comeback.hub.process.send_signal(signal.SIGSTOP)
    (tmp_path / "go").touch()
    wait_until(lambda: unread(comeback.port) > 100_000)
    comeback.die()
    comeback.rise()
    (tmp_path / "one").touch()
    _, err = worker.communicate(timeout=60)
    assert worker.returncode == 0, err
    assert comeback.dquery("log", "#0").out == f"first\n{text}last\n"
    assert (tmp_path / "ran-go").read_text() == "run\n"


def test_an_idle_worker_finds_the_hub_again(comeback: Comeback, wait_until: Callable, tmp_path: Path) -> None:
    comeback.dquery("create", "touch first")
    comeback.dquery("hold", "#0")
    worker = comeback.hub.kworker()
    wait_until(lambda: "\n1 worker\n" in comeback.dquery("workers").out)
    comeback.die()
    comeback.rise()
    assert comeback.dquery("release", "#0").code == 0
    _, err = worker.communicate(timeout=60)
    assert (worker.returncode, (tmp_path / "first").exists()) == (0, True), err


def test_a_worker_that_died_with_the_hub_costs_only_what_it_ran(
    dhub: Callable, wait_until: Callable, tmp_path: Path
) -> None:
    comeback = Comeback(dhub, tmp_path, "--worker-timeout", "3s")
    comeback.dquery("create", waiting_for("one"))
    worker = comeback.hub.kworker()
    wait_until((tmp_path / "ran-one").exists)
    comeback.die()
    worker.kill()
    comeback.rise()
    other = comeback.hub.kworker()
    (tmp_path / "one").touch()
    _, err = other.communicate(timeout=60)
    assert other.returncode == 0, err
    assert (tmp_path / "ran-one").read_text() == "run\nrun\n"


def test_a_worker_that_is_killed_is_missed(dhub: Callable, wait_until: Callable, tmp_path: Path) -> None:
    hub = dhub("--worker-timeout", "2s")
    hub.dquery("create", waiting_for("one"))
    worker = hub.kworker()
    wait_until((tmp_path / "ran-one").exists)
    worker.kill()
    (tmp_path / "one").touch()
    other = hub.kworker()
    _, err = other.communicate(timeout=60)
    assert other.returncode == 0, err
    assert (tmp_path / "ran-one").read_text() == "run\nrun\n"


def test_a_worker_that_is_stopped_for_a_while_has_its_end_counted(
    dhub: Callable, wait_until: Callable, tmp_path: Path
) -> None:
    hub = dhub("--worker-timeout", "2s")
    hub.dquery("create", waiting_for("one"))
    worker = hub.kworker()
    wait_until((tmp_path / "ran-one").exists)
    worker.send_signal(signal.SIGSTOP)
    wait_until(lambda: hub.dquery("lookup", "#0").out.endswith(": ready\n"))
    (tmp_path / "one").touch()
    worker.send_signal(signal.SIGCONT)
    _, err = worker.communicate(timeout=60)
    assert worker.returncode == 0, err
    assert (tmp_path / "ran-one").read_text() == "run\n"
    assert ": done" in hub.dquery("lookup", "#0").out


def test_a_worker_whose_own_job_is_ended_takes_back_what_ended_just_before(
    comeback: Comeback, start: Callable, wait_until: Callable, tmp_path: Path
) -> None:
    """As when its batch system signals `sim` of `sim; post` first: post has run, and so has what comes after it.

    `next` signals the worker itself, since the worker must hear of the end within a second after it.
    """
    sim = "sh -c 'echo $$ > pid; exec sleep 1000'"
    comeback.dquery("create", "sim", "--command", f"[ -e go ] || {sim}; echo post >> post")
    comeback.dquery("create", "next", "sim", "--command", "echo next >> next; [ -e go ] || kill -TERM $PPID")
    worker = start(sys.executable, "-m", "dwork.kworker", "-s", comeback.hub.server, LSB_JOBID="4711")
    pid = tmp_path / "pid"
    wait_until(lambda: pid.exists() and pid.read_text().endswith("\n"))
    os.kill(int(pid.read_text()), signal.SIGTERM)
    assert worker.wait(timeout=20) == 0
    states = [comeback.dquery("lookup", name).out.split()[2].rstrip(":") for name in ("sim", "next")]
    assert states == ["ready", "waiting"]
    (tmp_path / "go").touch()
    assert comeback.hub.kworker().wait(timeout=20) == 0
    assert [(tmp_path / name).read_text().split() for name in ("post", "next")] == [["post"] * 2, ["next"] * 2]
