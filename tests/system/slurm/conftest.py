"""A Slurm cluster for the session, and job scripts that are submitted to it as they stand."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, environment
from tests.needs import missing
from tests.system.slurm.cluster import PMIX, PROGRAMS, Cluster
from tests.waiting import wait_until as until

#: Seconds that anything may take, on a busy machine.
LIMIT = 150.0


#: Tells on which node it runs, and ends when there is a file `go`; but not never, should nobody be left to make one.
_WAITS = (
    "echo $SLURMD_NODENAME >> ran-{0}; for i in $(seq 1200); do [ ! -e go ] || exit 0; sleep 0.1; done; exit 1"
    "   #DWORK name=task-{0}\n"
)


def waiting(directory: Path, n: int) -> None:
    """Write a task file of so many that wait for a file `go`."""
    (directory / "tasks.txt").write_text("".join(_WAITS.format(i) for i in range(n)))


def ran(directory: Path) -> dict[str, list[str]]:
    """On which nodes each of them was started."""
    return {path.name: path.read_text().split() for path in directory.glob("ran-*")}


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Six nodes of two cores; needs root, Slurm and munge."""
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    if os.geteuid() != 0 or not all(shutil.which(name, path=path) for name in PROGRAMS):
        missing("slurm")
    cluster = Cluster(tmp_path_factory.mktemp("slurm"), nodes=6, cpus=2)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture(scope="session")
def pmi() -> str:
    """What srun has to offer to the MPI that this Python uses."""
    mpirun = Path(sys.executable).parent / "mpirun"
    if not mpirun.exists():
        missing("mpirun")
    version = subprocess.run([mpirun, "--version"], capture_output=True, text=True).stdout
    if "Open MPI" not in version:
        return "pmi2"
    if not list(Path("/usr/lib").glob(PMIX)):
        missing("pmix")
    return "pmix"


class Job:
    """A job, or an element of a job array (as 7_0)."""

    def __init__(self, cluster: Cluster, id: str, output: Path) -> None:
        self.id = id
        self._cluster = cluster
        self._output = output

    def tells(self, field: str) -> str:
        found = re.search(rf"\b{field}=(\S*)", self._cluster.command("scontrol", "show", "job", self.id))
        assert found is not None
        return found[1]

    @property
    def state(self) -> str:
        return self.tells("JobState")

    def start(self) -> None:
        """Let a requeued job start soon: it would wait for two minutes, until nobody can take it for its first run."""
        self._cluster.command("scontrol", "update", f"JobId={self.id}", "StartTime=now+2")

    @property
    def is_requeued(self) -> bool:
        """Whether it waits to be started once more, and nothing of its first run is left."""
        is_waiting = self.state == "PENDING" and self.tells("Restarts") != "0"
        return is_waiting and not self._cluster.processes(self.id)

    @property
    def has_ended(self) -> bool:
        return self.state in ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL")

    @property
    def output(self) -> str:
        return self._output.read_text(errors="replace") if self._output.exists() else ""


class Batch:
    """Submits the job scripts of the repository from a directory of its own."""

    def __init__(self, cluster: Cluster, pmi: str, directory: Path) -> None:
        self.cluster = cluster
        self.directory = directory
        self.environment = {
            **environment(),
            **cluster.environment,
            "PATH": f"{Path(sys.executable).parent}:{cluster.environment['PATH']}",
            "DWORK_DIR": str(directory / ".dwork"),
            "SLURM_MPI_TYPE": pmi,
        }
        self.jobs: list[Job] = []

    def __call__(self, *words: object, script: str | Path = "slurm.sh", options: tuple[object, ...] = ()) -> Job:
        """sbatch WORDS SCRIPT OPTIONS; the script is one of jobscripts/, or a path."""
        path = ROOT / "jobscripts" / script
        id = self._run("sbatch", "--parsable", *words, path, *options).stdout.strip()
        self.jobs.append(Job(self.cluster, id, self.directory / f"dwork-{id}.out"))
        return self.jobs[-1]

    def element(self, array: Job, number: int) -> Job:
        return Job(self.cluster, f"{array.id}_{number}", self.directory / f"dwork-{array.id}_{number}.out")

    def dquery(self, *words: object) -> Any:
        """From outside of the job, as on a login node."""
        return self._run(sys.executable, "-m", "dwork.dquery", *words, check=False)

    def _run(self, *words: object, check: bool = True) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(word) for word in words],
            cwd=self.directory,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
            check=check,
        )


@pytest.fixture
def batch(cluster: Cluster, pmi: str, tmp_path: Path) -> Iterator[Batch]:
    batch = Batch(cluster, pmi, tmp_path)
    yield batch
    for job in batch.jobs:
        cluster.command("scancel", job.id)


@pytest.fixture
def wait_until() -> Callable[..., None]:
    """As elsewhere; a cluster takes longer."""
    return functools.partial(until, limit=LIMIT)


@pytest.fixture
def ends(wait_until: Callable[..., None]) -> Callable[[Job], str]:
    """Wait until a job has ended, and return its state."""

    def wait(job: Job) -> str:
        complaint = "job {0.id} is {0.state}; it has printed:\n{0.output}".format
        wait_until(lambda: job.has_ended, otherwise=lambda: complaint(job))
        return job.state

    return wait
