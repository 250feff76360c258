"""Ranks that stand still for longer than the hub waits for them: they come back and go on."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.leftovers import is_gone

#: Tells which process is the worker of the rank that runs it, and waits for the test.
HOLD = "echo $PPID > worker-${DWORK_WORKER##*:}; echo ran >> runs; while [ ! -e go ]; do sleep 0.02; done\n"
#: Ends when two ranks are in it.
MEET = "touch met-${DWORK_WORKER##*:}; until [ -e met-1 ] && [ -e met-2 ]; do sleep 0.02; done\n"


class Stalled:
    """A pool of two worker ranks, each with a task, the second of which stands still and is missed."""

    def __init__(self, path: Path, start: Callable, wait_until: Callable, command: list[str]) -> None:
        self._path, self._wait_until = path, wait_until
        self.pool: subprocess.Popen[str] = start("sh", "-c", 'exec "$@" 2> err', "x", *command, "tasks.txt")
        files = [path / "worker-1", path / "worker-2"]
        wait_until(lambda: all(file.exists() and file.read_text().endswith("\n") for file in files), 60)
        self.worker = int(files[1].read_text())
        os.kill(self.worker, signal.SIGSTOP)
        self.wait_for(":2 has left: it was silent for")

    @property
    def err(self) -> str:
        return (self._path / "err").read_text()

    def wait_for(self, text: str) -> None:
        self._wait_until(lambda: text in self.err, 40, lambda: self.err)

    def go_on(self) -> None:
        os.kill(self.worker, signal.SIGCONT)


@pytest.fixture
def stalled(mpirun: list[str], start: Callable, wait_until: Callable, tmp_path: Path) -> Callable[..., Stalled]:
    def begin(*options: str) -> Stalled:
        pool = [sys.executable, "-m", "dwork.pool", "--worker-timeout", "2s", *options]
        noted = ["sh", "-c", '[ "${OMPI_COMM_WORLD_RANK:-$PMI_RANK}" != 0 ] || echo $$ > hub; exec "$@"', "x", *pool]
        return Stalled(tmp_path, start, wait_until, [*mpirun, "-n", "3", *noted])

    return begin


@pytest.mark.parametrize("transport", ["mpi", "zmq"])
def test_a_rank_that_was_missed_comes_back_keeps_its_task_and_gets_more(
    stalled: Callable[..., Stalled], tmp_path: Path, transport: str
) -> None:
    (tmp_path / "tasks.txt").write_text(f"{HOLD}{HOLD}{MEET}{MEET}")
    run = stalled("--transport", transport)
    run.go_on()
    run.wait_for(":2 is back")
    (tmp_path / "go").touch()
    assert run.pool.wait(60) == 0, run.err
    assert run.err.splitlines()[-1].startswith("dwork: 4 done, 0 failed, 0 skipped in "), run.err
    assert (tmp_path / "runs").read_text() == "ran\nran\n"


def test_a_rank_that_stands_still_to_the_end_does_not_keep_the_hub(
    stalled: Callable[..., Stalled], wait_until: Callable, tmp_path: Path
) -> None:
    """Its launcher waits for it, or kills it."""
    (tmp_path / "tasks.txt").write_text(f"{HOLD}{HOLD}")
    run = stalled()
    (tmp_path / "go").touch()
    run.wait_for("dwork: 2 done, 0 failed, 0 skipped in ")
    hub = int((tmp_path / "hub").read_text())
    wait_until(lambda: is_gone(hub), 10)
    with contextlib.suppress(ProcessLookupError):
        run.go_on()
    run.pool.wait(60)
