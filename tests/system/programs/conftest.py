"""dhub, kworker, dquery and the pool as real processes."""

from __future__ import annotations

import fcntl
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import environment
from tests.ports import free_port
from tests.unit.progress.screen import Pty


def program(name: str) -> list[str]:
    return [sys.executable, "-m", f"dwork.{name}"]


@dataclass
class Hub:
    """A dhub, and dquery and kworker that know it."""

    process: subprocess.Popen[str]
    server: str
    start: Callable[..., subprocess.Popen[str]]
    run: Callable[..., object]

    def dquery(self, *words: object, **more: object) -> object:
        return self.run(*program("dquery"), "-s", self.server, *words, **more)

    def kworker(self, *words: object) -> subprocess.Popen[str]:
        return self.start(*program("kworker"), "-s", self.server, *words)


@pytest.fixture
def dhub(start: Callable, run: Callable) -> Callable[..., Hub]:
    """Start a dhub on a free port."""

    def begin(*words: object, port: int = 0, **more: str) -> Hub:
        number = port or free_port()
        process = start(*program("dhub"), "-p", number, *words, **more)
        assert process.stderr is not None
        first = process.stderr.readline()
        assert "listening on" in first, first
        return Hub(process, f"tcp://127.0.0.1:{number}", start, run)

    return begin


class Comeback:
    """A dhub with a record, which can be killed and started again where it was."""

    def __init__(self, dhub: Callable, directory: Path, *options: object) -> None:
        self._dhub = dhub
        self._options = ("-f", directory / "run.db", *options)
        self.hub = dhub(*self._options)
        self.port = int(self.hub.server.rpartition(":")[2])

    def die(self) -> None:
        self.hub.process.kill()
        self.hub.process.wait(timeout=20)

    def rise(self) -> None:
        self.hub = self._dhub(*self._options, port=self.port)

    def dquery(self, *words: object) -> Any:
        return self.hub.dquery(*words)


@pytest.fixture
def pty() -> Iterator[Pty]:
    pty = Pty(100)
    yield pty
    pty.close()


@pytest.fixture
def on(pty: Pty, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start a program in tmp_path, on the terminal where nothing else is said; what still runs in the end is killed.

    controls: the terminal is that of the program, which reads from it. keeps: the terminal outlives the program.
    """
    started: list[subprocess.Popen[bytes]] = []

    def begin(
        *words: object,
        stdout: object = None,
        stderr: object = None,
        controls: bool = False,
        keeps: bool = False,
        **more: str,
    ) -> subprocess.Popen[bytes]:
        colour = {"TERM": "xterm-256color", "NO_COLOR": "1", "PYTHONIOENCODING": "utf-8"}
        inner = pty.inner
        process = subprocess.Popen(
            [str(word) for word in words],
            cwd=tmp_path,
            env={**environment(), "DWORK_DIR": str(tmp_path / ".dwork"), **colour, **more},
            stdin=inner if controls else subprocess.DEVNULL,
            stdout=inner if stdout is None else stdout,
            stderr=inner if stderr is None else stderr,
            start_new_session=True,
            preexec_fn=(lambda: fcntl.ioctl(inner, termios.TIOCSCTTY, 0)) if controls else None,
        )
        started.append(process)
        if not keeps:
            pty.leave()
        return process

    yield begin
    for process in started:
        if process.poll() is None:
            process.kill()
            process.wait()
