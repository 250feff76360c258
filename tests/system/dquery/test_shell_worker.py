"""examples/shell_worker.sh does a worker's whole duty."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dwork import Client
from dwork.core.task import State, Task
from tests.needs import missing

ROOT = Path(__file__).parents[3]
SCRIPT = ROOT / "examples" / "shell_worker.sh"
SHELLS = [shell for shell in ("dash", "bash") if shutil.which(shell)]


@pytest.fixture
def worker(tmp_path: Path, request: pytest.FixtureRequest) -> Callable[..., subprocess.Popen[bytes]]:
    """Start the script with a dquery in PATH, in a directory of its own."""
    program = tmp_path / "bin" / "dquery"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m dwork.dquery "$@"\n')
    program.chmod(0o755)

    def start(shell: str, at: Any) -> subprocess.Popen[bytes]:
        path = f"{program.parent}:{os.environ['PATH']}"
        environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "DWORK_SERVER": at.address}
        process = subprocess.Popen(
            [shell, str(SCRIPT)], env=environment, cwd=tmp_path, stderr=subprocess.PIPE, start_new_session=True
        )
        request.addfinalizer(lambda: process.poll() is None and os.killpg(process.pid, signal.SIGKILL))
        return process

    return start


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_worker_runs_all_tasks_and_reports_how_they_end(
    hub: Any, worker: Callable[..., subprocess.Popen[bytes]], tmp_path: Path, shell: str
) -> None:
    with Client(hub.address) as client:
        client.create("it's -n", "echo \"$K\" >'a b'; cat >>'a b'", env={"K": "it's $K"})
        client.create("-x", "false", after="it's -n")
        client.create("never", after="-x")
        client.create_all([Task("exit 7", "exit 7")])
        client.create("makes", 'touch "it\'s made"; exit', creates="it's made")
        client.create("makes nothing", ":; exit 0", creates=["a b", "it's missing"])
    process = worker(shell, hub)
    assert process.wait(timeout=120) == 0
    assert (tmp_path / "a b").read_text() == "it's $K\n"
    states = {name: hub.state(name) for name in hub.names}
    assert states == {
        "it's -n": State.DONE,
        "-x": State.FAILED,
        "never": State.SKIPPED,
        "exit 7": State.FAILED,
        "makes": State.DONE,
        "makes nothing": State.FAILED,
    }
    assert not hub.hub.workers


def test_a_shell_worker_that_is_ended_gives_back_what_it_has(
    hub: Any, worker: Callable[..., subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    fifo = tmp_path / "started"
    os.mkfifo(fifo)
    with Client(hub.address) as client:
        client.create(f"echo >{fifo}; read -r _ <{fifo}")
    process = worker(SHELLS[0], hub)
    with fifo.open():  # it runs
        os.killpg(process.pid, signal.SIGTERM)
    assert process.wait(timeout=20) == 143
    assert [hub.state(name) for name in hub.names] == [State.READY]


def test_a_shell_worker_leaves_when_nobody_answers(puppet: Any, worker: Callable[..., subprocess.Popen[bytes]]) -> None:
    served = puppet("0808", "0808")
    process = worker(SHELLS[0], served)
    assert process.wait(timeout=20) == 1
    assert b"dquery: the hub answered Error" in process.stderr.read()  # type: ignore[union-attr]


def test_the_script_passes_shellcheck() -> None:
    shellcheck = shutil.which("shellcheck", path=os.path.dirname(sys.executable))
    if shellcheck is None:
        missing("shellcheck")
    ran = subprocess.run([shellcheck, str(SCRIPT)], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == (0, "")
