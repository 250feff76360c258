"""jobscripts/pbs.sh as it stands, under a stand-in for PBS; its mpirun and all else are real."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests import leftovers
from tests.conftest import ROOT, Ran, environment
from tests.system.batch import standin

TWO_NODES = ("-l", "select=2:ncpus=1:mpiprocs=1")


class Site:
    """A machine with a stand-in for PBS, and the job scripts in the user's directory."""

    def __init__(self, directory: Path, mpirun: str) -> None:
        self.directory = directory
        self._place = directory / ".pbs"
        programs = self._place / "bin"
        programs.mkdir(parents=True)
        for name in ("qsub", "qstat"):
            (programs / name).write_text(f'#!/bin/sh\nexec {sys.executable} {standin.__file__} {name} "$@"\n')
            (programs / name).chmod(0o755)
        path = [str(programs), str(Path(mpirun).parent), str(Path(sys.executable).parent), os.environ["PATH"]]
        self.environment = {
            **environment(),
            "PATH": os.pathsep.join(path),
            "DWORK_DIR": str(directory / ".dwork"),
            "PBS_STANDIN": str(self._place),
        }
        (self._place / "environment.json").write_text(json.dumps(self.environment))
        shutil.copytree(ROOT / "jobscripts", directory / "jobscripts")

    def run(self, *words: str) -> Ran:
        ran = subprocess.run(
            words, cwd=self.directory, env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        return Ran(ran.returncode, ran.stdout, ran.stderr)

    def qsub(self, *words: str) -> None:
        submitted = self.run("qsub", *words, "jobscripts/pbs.sh")
        assert submitted.code == 0, submitted.err

    @property
    def jobs(self) -> list[dict[str, Any]]:
        return [standin.read(place) for place in sorted(self._place.glob("*.standin"))]

    def status(self, number: int) -> int | None:
        """How the job has ended; None as long as it has not."""
        jobs = self.jobs
        return jobs[number - 1].get("status") if number <= len(jobs) else None

    def output(self, number: int) -> str:
        return (self.directory / f"dwork.o{number}").read_text()

    def attempts(self) -> list[tuple[str, str]]:
        with closing(sqlite3.connect(self.directory / "tasks.txt.db")) as record:
            return record.execute(
                "SELECT name, outcome FROM attempts JOIN tasks ON id = task ORDER BY task, attempt"
            ).fetchall()


@pytest.fixture
def site(tmp_path: Path, mpirun: list[str]) -> Iterator[Site]:
    site = Site(tmp_path, mpirun[0])
    yield site
    leftovers.end(PBS_STANDIN=site.environment["PBS_STANDIN"])


def test_a_job_runs_a_graph_to_its_end(site: Site, wait_until: Callable) -> None:
    (site.directory / "tasks.txt").write_text("echo $PBS_JOBID > a   #DWORK name=a\ncat a > b   #DWORK after=a\n")
    site.qsub(*TWO_NODES)
    wait_until(lambda: site.status(1) is not None, 60)
    assert site.status(1) == 0, site.output(1)
    assert "2 tasks on 1 worker rank" in site.output(1)
    assert (site.directory / "b").read_text() == "1.standin\n"
    assert len(site.jobs) == 1


def test_what_the_walltime_interrupts_is_run_by_the_job_that_it_submits(site: Site, wait_until: Callable) -> None:
    (site.directory / "tasks.txt").write_text(
        "touch begun; for i in $(seq 900); do [ ! -e go ] || exit 0; sleep 0.1; done; exit 1   #DWORK name=long\n"
    )
    site.qsub(*TWO_NODES, "-l", "walltime=0:01:15")  # that is 15 seconds before it is drained
    wait_until((site.directory / "begun").exists, 60)
    assert "1 running" in site.run(sys.executable, "-m", "dwork.dquery", "--job", "1", "status").out
    wait_until(lambda: site.status(1) is not None, 60)
    assert site.status(1) == 3, site.output(1)
    assert "the job ends in 60 s: no more tasks are started, and running ones are ended" in site.output(1)
    (site.directory / "go").touch()
    wait_until(lambda: site.status(2) is not None, 60)
    assert site.status(2) == 0, site.output(2)
    assert site.jobs[1]["variables"] == {"RUNS": "1"}
    assert site.attempts() == [("long", "interrupted"), ("long", "done")]
    assert len(site.jobs) == 2


def test_it_does_not_submit_itself_for_ever(site: Site, wait_until: Callable) -> None:
    (site.directory / "tasks.txt").write_text("sleep 100\n")
    site.qsub(*TWO_NODES, "-l", "walltime=0:00:50", "-v", "RUNS=20")
    wait_until(lambda: site.status(1) is not None, 60)
    assert site.status(1) == 3, site.output(1)
    assert len(site.jobs) == 1
