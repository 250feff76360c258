"""Where the examples of pages run: a directory, a home, this checkout's programs, and Slurm where it is needed."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import leftovers
from tests.conftest import ROOT, environment
from tests.needs import missing
from tests.ports import free_port
from tests.system.docs.page import Block
from tests.system.slurm.cluster import PROGRAMS as SLURM
from tests.system.slurm.conftest import cluster, pmi  # noqa: F401

PROGRAMS = {"dwork": "__main__", "dwork-pool": "pool", "dquery": "dquery", "dhub": "dhub", "kworker": "kworker"}
HERE = Path(__file__).parent


def found(need: str) -> bool:
    """Whether this machine has what a block needs."""
    match need:
        case "slurm":
            path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
            return os.geteuid() == 0 and all(shutil.which(name, path=path) for name in SLURM)
        case "plotly":
            return importlib.util.find_spec("plotly") is not None
        case "dot" | "sqlite3":
            return shutil.which(need) is not None
    return True


@dataclass(frozen=True)
class Place:
    """Where a page runs, and with what."""

    directory: Path
    environment: dict[str, str]

    @property
    def runs_known(self) -> set[Path]:
        """The connection files of hubs that run."""
        return set(Path(self.environment["HOME"], ".dwork").glob("*.json"))


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """dwork's programs, from this checkout, and stand-ins for those that the examples speak of."""
    directory = tmp_path_factory.mktemp("bin")
    for name, module in PROGRAMS.items():
        port = ' -p "$DHUB_PORT"' if name == "dhub" else ""
        (directory / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" -m dwork.{module}{port} "$@"\n')
        (directory / name).chmod(0o755)
    for path in (HERE / "programs").iterdir():
        shutil.copy(path, directory)
    return directory


@pytest.fixture(scope="session")
def mpi() -> str:
    """Whose mpirun there is."""
    mpirun = shutil.which("mpirun", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if mpirun is None:
        missing("mpirun")
    version = subprocess.run([str(mpirun), "--version"], capture_output=True, text=True).stdout
    return "openmpi" if "Open MPI" in version else "mpich"


@pytest.fixture
def place(
    programs: Path, mpi: str, request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[Callable[[list[Block]], Place]]:
    """Make a directory for these blocks; what they leave running is ended."""
    home = tmp_path / "home"

    def make(blocks: list[Block]) -> Place:
        directory = tmp_path / "run"
        for path in (home, directory):
            path.mkdir()
        for name in ("examples", "jobscripts", "proto"):  # of the repository, when a page speaks of them
            if any(block.runs and f"{name}/" in block.text for block in blocks):
                shutil.copytree(ROOT / name, directory / name)
        variables = {**environment(), "HOME": str(home), "LC_ALL": "C.UTF-8", "COLUMNS": "120"}
        variables["DHUB_PORT"] = str(free_port())  # of a dhub for which the page gives none
        path = f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        if any("slurm" in block.needs for block in blocks) and found("slurm"):
            of_cluster = request.getfixturevalue("cluster").environment
            path += f":{of_cluster['PATH']}"
            variables |= {**of_cluster, "SLURM_MPI_TYPE": request.getfixturevalue("pmi")}
        return Place(directory, {**variables, "PATH": path})

    yield make
    with contextlib.suppress(FileNotFoundError):
        leftovers.end(HOME=str(home))
