"""What tests of real processes share."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dwork.core.messages import PROTOCOL
from dwork.core.version import __version__
from dwork.host.signals import ENDS
from tests import long, needs, waiting
from tests.needs import missing

ROOT = Path(__file__).parents[1]


def pytest_configure() -> None:
    """A shell lets what it runs in its background ignore SIGINT and SIGQUIT, as nohup SIGHUP: programs inherit that."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    long.choose_seed()


def pytest_report_header() -> str | None:
    return f"DWORK_SEED={long.seed()}" if long.LONG else None


#: What a fixture needs, as a marker.
_NEEDS = {"mpirun": "mpi", "cluster": "slurm", "grid_engine": "gridengine", "hosts": "netns", "browser": "browser"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with its kind, the first folder in tests/, and with what it needs; the longest come first."""
    for item in items:
        kind, *folders = item.path.relative_to(ROOT / "tests").parts[:-1]
        item.add_marker(kind)
        for marker in {"docs", "gridengine", "mpi", "slurm", "vm"} & set(folders):
            item.add_marker(marker)
        for fixture in _NEEDS.keys() & set(getattr(item, "fixturenames", ())):
            item.add_marker(_NEEDS[fixture])
    # These share a cluster, so one process has to run them all: it begins with them.
    items.sort(key=lambda item: item.get_closest_marker("slurm") is None)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """`-n auto`: two for each core, since many tests wait for processes; each needs some 300 MB."""
    return min(2 * len(os.sched_getaffinity(0)), 16)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what was skipped, and how to run it."""
    skipped = terminalreporter.stats.get("skipped", [])
    if lines := needs.summary(report.longrepr[2] for report in skipped if isinstance(report.longrepr, tuple)):
        terminalreporter.section("skipped")
        for line in lines:
            terminalreporter.line(line)


@dataclass
class Ran:
    """How a program ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def own_err(self) -> list[str]:
        """The lines of dwork's own on standard error: an mpirun has its say there as well."""
        return [line for line in self.err.splitlines() if line.startswith(("dwork:", "dhub:", "kworker:", "dquery:"))]

    @property
    def totals(self) -> str:
        """The line of a pool that sums the run up."""
        return next((line for line in reversed(self.own_err) if re.match(r"dwork: [\d,]+ done", line)), "")


def environment() -> dict[str, str]:
    """That of the tests, with this checkout first; hubs listen on loopback."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("DWORK_")}
    return {
        **kept,
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")])),
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        "PRTE_MCA_rmaps_default_mapping_policy": ":OVERSUBSCRIBE",
        "OMPI_MCA_btl": "^ofi",
        "OMPI_MCA_mtl": "^ofi",
        "PMIX_MCA_gds": "hash",  # its shared memory fails now and then, and its makers say to switch it off then
        "DWORK_BIND": "127.0.0.1",
    }


@pytest.fixture(autouse=True)
def signals_as_before() -> Iterator[None]:
    """A program that a test runs in this process ends with its signals ignored; later tests must not inherit that."""
    before = {number: signal.getsignal(number) for number in (*ENDS, signal.SIGCHLD)}
    yield
    for number, handler in before.items():
        if signal.getsignal(number) is not handler:
            signal.signal(number, handler)


@pytest.fixture
def mpirun() -> list[str]:
    """The mpirun beside this Python, or on PATH."""
    beside = Path(sys.executable).parent / "mpirun"
    found = str(beside) if beside.exists() else shutil.which("mpirun")
    if found is None:
        missing("mpirun")
    return [str(found)]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start programs in tmp_path; what still runs at the end of the test is killed."""
    started: list[subprocess.Popen[str]] = []

    def begin(*words: object, stdin: str | None = None, **more: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [str(word) for word in words],
            cwd=tmp_path,
            env={**environment(), "DWORK_DIR": str(tmp_path / ".dwork"), **more},
            text=True,
            errors="surrogateescape",
            stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        if process.poll() is None:
            process.kill()
            process.communicate()


@pytest.fixture
def run(start: Callable[..., subprocess.Popen[str]]) -> Callable[..., Ran]:
    """Run a program to its end."""

    def to_the_end(*words: object, stdin: str | None = None, limit: float = 60, **more: str) -> Ran:
        process = start(*words, stdin=stdin, **more)
        out, err = process.communicate(stdin, timeout=limit)
        print(f"exit code {process.returncode}; standard error:\n{err}")  # pytest shows it when the test fails
        return Ran(process.returncode, out, err)

    return to_the_end


@pytest.fixture
def other_dwork(tmp_path: Path) -> dict[str, str]:
    """A variable with which Python imports a copy of this dwork that speaks the next protocol, as version 0.2.0."""
    copy = tmp_path / "other"
    shutil.copytree(ROOT / "dwork", copy / "dwork", ignore=shutil.ignore_patterns("__pycache__"))
    for file, line, instead in [
        ("messages.py", f"PROTOCOL: Final = {PROTOCOL}\n", f"PROTOCOL: Final = {PROTOCOL + 1}\n"),
        ("version.py", f'__version__ = "{__version__}"\n', '__version__ = "0.2.0"\n'),
    ]:
        path = copy / "dwork" / "core" / file
        text = path.read_text()
        assert text.count(line) == 1
        path.write_text(text.replace(line, instead))
    return {"PYTHONPATH": str(copy)}


@pytest.fixture
def wait_until() -> Callable[..., None]:
    """Wait for a condition, with a limit."""
    return waiting.wait_until
