"""Examples as real processes: a dhub to talk to, and the C++ worker, compiled once."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dwork import Client
from tests.conftest import ROOT
from tests.needs import missing
from tests.system.programs.conftest import dhub

__all__ = ["dhub"]

EXAMPLES = ROOT / "examples"


@pytest.fixture
def client(tmp_path: Path, wait_until: Callable[..., None]) -> Iterator[Callable[..., Client]]:
    """Talk to the only run that there is, or to the hub without keys at an address."""
    clients: list[Client] = []

    def connect(at: str = "") -> Client:
        if at:
            clients.append(Client(at, insecure=True))
        else:
            clients.append(Client(connection=str(connection(tmp_path, wait_until))))
        return clients[-1]

    yield connect
    for each in clients:
        each.close()


def connection(directory: Path, wait_until: Callable[..., None]) -> Path:
    """The connection file of the only run that there is, once it is there."""
    found: list[Path] = []
    wait_until(lambda: found.extend((directory / ".dwork").glob("*.json")) or found)
    return found[0]


@pytest.fixture(scope="session")
def cpp_worker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program; needs a C++ compiler and what it is made of."""
    if not all(shutil.which(name) for name in ("g++", "make", "protoc", "pkg-config")):
        missing("C++ worker")
    libraries = ("protobuf", "libzmq", "cppzmq")
    if subprocess.run(["pkg-config", "--exists", *libraries]).returncode != 0:
        missing("C++ worker")
    build = tmp_path_factory.mktemp("cpp_worker")
    flags = "-O0 -Wall -Wextra" + (" -Werror" if os.environ.get("CI") else "")
    make = ["make", "-C", str(EXAMPLES / "cpp_worker"), f"BUILD={build}", f"CXXFLAGS={flags}"]
    made = subprocess.run(make, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    return build / "cpp_worker"
