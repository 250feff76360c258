"""dhub, kworker, dquery and the pool as real processes."""

from __future__ import annotations

import fcntl
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import environment
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
        for number in [port] if port else range(20_000, 21_000):
            process = start(*program("dhub"), "-p", number, *words, **more)
            assert process.stderr is not None
            first = process.stderr.readline()
            if "listening on" in first:
                return Hub(process, f"tcp://127.0.0.1:{number}", start, run)
            assert "in use" in first, first
        raise AssertionError("no port is free")

    return begin


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
