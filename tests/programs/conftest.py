"""dhub, kworker, dquery and the pool as real processes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest


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

    def begin(*words: object, port: int = 0) -> Hub:
        for number in [port] if port else range(20_000, 21_000):
            process = start(*program("dhub"), "-p", number, *words)
            assert process.stderr is not None
            first = process.stderr.readline()
            if "listening on" in first:
                return Hub(process, f"tcp://127.0.0.1:{number}", start, run)
            assert "in use" in first, first
        raise AssertionError("no port is free")

    return begin
