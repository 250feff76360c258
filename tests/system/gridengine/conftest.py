"""A Grid Engine for the session, and job scripts that are submitted to it as they stand."""

from __future__ import annotations

import functools
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT, environment
from tests.needs import missing
from tests.system.gridengine.cluster import PROGRAMS, Cluster
from tests.system.netns.conftest import Network, is_possible
from tests.waiting import wait_until as until

#: Seconds that anything may take, on a busy machine.
LIMIT = 120.0


@pytest.fixture(scope="session")
def grid_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Two hosts of two slots; needs root, network namespaces and Grid Engine."""
    if not is_possible():
        missing("netns")
    if not all((PROGRAMS / name).exists() for name in ("sge_qmaster", "sge_execd", "qsub")):
        missing("gridengine")
    network = Network(2, "g")
    try:
        directory = tmp_path_factory.mktemp("gridengine")
        # Jobs inherit this from the daemons. The hosts share their memory, as real ones do not, so MPI may not use it.
        inherited = {
            **environment(),
            "DWORK_DIR": str(directory / ".dwork"),
            "UCX_TLS": "tcp,self",
            "UCX_NET_DEVICES": "eth0",
        }
        del inherited["DWORK_BIND"]
        cluster = Cluster(directory, network.hosts, 2, inherited)
        path = f"{Path(sys.executable).parent}:{cluster.environment['PATH']}"
        try:
            cluster.start(f"-v PATH={path}")
            yield cluster
        finally:
            cluster.stop()
    finally:
        network.remove()


class Job:
    """A job by its number; output: the file that it prints to."""

    def __init__(self, cluster: Cluster, id: str, output: Path) -> None:
        self.id = id
        self._cluster = cluster
        self._output = output

    @property
    def has_ended(self) -> bool:
        return self._cluster.run("qstat", "-j", self.id).returncode != 0 and not self._cluster.processes(self.id)

    @property
    def output(self) -> str:
        return self._output.read_text(errors="replace") if self._output.exists() else ""

    @property
    def status(self) -> str:
        """How the script of an ended job has exited."""
        accounting = self._cluster.root / "default/common/accounting"
        lines = accounting.read_text().splitlines() if accounting.exists() else []
        fields = [line.split(":") for line in lines if not line.startswith("#")]
        return next((one[12] for one in reversed(fields) if one[5] == self.id), "")


class Batch:
    """Submits the job scripts of the repository from a directory of its own."""

    def __init__(self, cluster: Cluster, directory: Path) -> None:
        self.cluster = cluster
        self.directory = directory
        shutil.copytree(ROOT / "jobscripts", directory / "jobscripts")
        script = directory / "jobscripts/sge.sh"
        text = script.read_text()
        assert "\n#$ -pe mpi 128\n" in text
        script.write_text(text.replace("\n#$ -pe mpi 128\n", "\n#$ -pe mpi 4\n"))

    def __call__(self, *options: object) -> Job:
        """qsub OPTIONS jobscripts/sge.sh, which asks for all slots of both hosts."""
        words = "qsub", "-terse", *options, "jobscripts/sge.sh"
        return self.job(self.cluster.command(*words, directory=self.directory).split(".")[0].strip())

    def job(self, id: str) -> Job:
        return Job(self.cluster, id, self.directory / f"dwork.o{id}")

    @property
    def numbers(self) -> list[str]:
        """The jobs that have begun here."""
        return sorted((path.name.removeprefix("dwork.o") for path in self.directory.glob("dwork.o*")), key=int)

    def dquery(self, *words: object) -> str:
        """From the login node."""
        return self.cluster.run(sys.executable, "-m", "dwork.dquery", *words, directory=self.directory).stdout


@pytest.fixture
def batch(grid_engine: Cluster, tmp_path: Path) -> Iterator[Batch]:
    batch = Batch(grid_engine, tmp_path)
    yield batch
    grid_engine.run("qdel", "-f", "-u", "root")


@pytest.fixture
def wait_until() -> Callable[..., None]:
    """As elsewhere; a cluster takes longer."""
    return functools.partial(until, limit=LIMIT)


@pytest.fixture
def ends(wait_until: Callable[..., None]) -> Callable[[Job], str]:
    """Wait until a job has ended, and return the exit status of its script."""

    def wait(job: Job) -> str:
        wait_until(lambda: job.has_ended and job.status, otherwise=lambda: f"job {job.id} has printed:\n{job.output}")
        return job.status

    return wait
