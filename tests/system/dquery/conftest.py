"""The hubs of tests/client, and dquery in this process or in one of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from dwork.dquery import main

ROOT = Path(__file__).parents[3]

_spec = spec_from_file_location("client_conftest", ROOT / "tests" / "system" / "client" / "conftest.py")
assert _spec is not None and _spec.loader is not None
_hubs = module_from_spec(_spec)
_spec.loader.exec_module(_hubs)
serve, hub, puppet, host = _hubs.serve, _hubs.hub, _hubs.puppet, _hubs.host
keep, kept = _hubs.keep, _hubs.kept


@pytest.fixture(autouse=True)
def hubs_without_keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What these tests talk to is served in this process, or is not there at all."""
    monkeypatch.setenv("DWORK_INSECURE", "1")
    monkeypatch.setenv("DWORK_DIR", str(tmp_path / ".dwork"))


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """tmp_path as the working directory, for messages that name a file: they shorten a path that is long."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Ran(NamedTuple):
    """How a command ended and what it said."""

    status: int
    out: str
    err: str


@pytest.fixture
def dquery(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    """Run dquery in this process; `at` is the hub."""

    def run(*arguments: str, at: Any = None, stdin: bytes = b"") -> Ran:
        if at is not None:
            monkeypatch.setenv("DWORK_SERVER", at.address)
        if stdin:
            reader, writer = os.pipe()
            os.write(writer, stdin)
            os.close(writer)
            monkeypatch.setattr("sys.stdin", open(reader, encoding="utf-8"))  # noqa: SIM115
        capsys.readouterr()
        status = main(arguments)
        return Ran(status, *capsys.readouterr())

    return run


@pytest.fixture
def start(request: pytest.FixtureRequest) -> Callable[..., subprocess.Popen[str]]:
    """Start dquery as a process."""

    def popen(*arguments: str, at: Any = None, **options: Any) -> subprocess.Popen[str]:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "DWORK_SERVER": at.address if at else "127.0.0.1:9"}
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
        process = subprocess.Popen([sys.executable, "-m", "dwork.dquery", *arguments], env=environment, **options)
        request.addfinalizer(process.kill)
        return process

    return popen
