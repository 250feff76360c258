"""Pools in which nobody can do what is left: they say so, and stop or wait as they were told."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

DQUERY = f"{sys.executable} -m dwork.dquery"


class Pool:
    """A hub and one worker rank. Its connection file is in the directory of the test."""

    def __init__(self, path: Path, mpirun: list[str], run: Callable, start: Callable, wait_until: Callable) -> None:
        self._path, self._run, self._start, self._wait_until = path, run, start, wait_until
        self._command = [*mpirun, "-n", "2", sys.executable, "-m", "dwork.pool", "--worker-timeout", "2s"]
        self._variables = {"DWORK_DIR": str(path / "dwork")}

    def run(self, module: str, *words: str) -> subprocess.CompletedProcess[str]:
        return self._run(sys.executable, "-m", f"dwork.{module}", *words, **self._variables)  # type: ignore[no-any-return]

    def ends(self, *options: str) -> tuple[int, str]:
        """How it ends, and what it says."""
        ran = self._run(*self._command, *options, "tasks.txt", **self._variables)
        return ran.code, "\n".join(ran.own_err)

    def starts(self, *options: str) -> subprocess.Popen[str]:
        command = ["sh", "-c", 'exec "$@" 2> err', "x", *self._command, *options, "tasks.txt"]
        return self._start(*command, **self._variables)  # type: ignore[no-any-return]

    @property
    def err(self) -> str:
        file = self._path / "err"
        return file.read_text() if file.exists() else ""

    def wait_for(self, text: str) -> None:
        self._wait_until(lambda: text in self.err, 60, lambda: self.err)


@pytest.fixture
def pool(tmp_path: Path, mpirun: list[str], run: Callable, start: Callable, wait_until: Callable) -> Pool:
    return Pool(tmp_path, mpirun, run, start, wait_until)


def test_when_all_workers_were_told_to_leave_it_stops(pool: Pool, tmp_path: Path) -> None:
    (tmp_path / "tasks.txt").write_text(f"{DQUERY} stop-worker '*' > told #DWORK name=a\ntrue #DWORK after=a\n")
    code, err = pool.ends()
    assert code == 3, err
    assert "no worker is left (--elastic waits for others): no more tasks are started" in err
    assert "1 done, 0 failed, 0 skipped, 1 not finished in " in err


def test_an_elastic_one_waits_for_others_to_join(pool: Pool, tmp_path: Path) -> None:
    (tmp_path / "tasks.txt").write_text(f"{DQUERY} stop-worker '*' > told #DWORK name=a\ntrue #DWORK after=a\n")
    process = pool.starts("--elastic")
    pool.wait_for("dwork: no worker is left; waiting for others to join")
    pool.run("kworker", "--slots", "1")
    assert process.wait(60) == 0, pool.err
    assert pool.err.count("waiting for") == 1


def test_what_is_held_from_an_earlier_run_keeps_no_pool_that_nobody_can_reach(pool: Pool, tmp_path: Path) -> None:
    (tmp_path / "tasks.txt").write_text(
        f"{DQUERY} hold b > told && {DQUERY} drain >> told #DWORK name=a\n"
        "true #DWORK name=b after=a\ntrue #DWORK after=b\n"
    )
    assert pool.ends()[0] == 3
    code, err = pool.ends("--no-bridge")
    assert code == 3, err
    assert (
        "all remaining tasks are held; run again without --no-bridge, so that `dquery release` can start them: " in err
    )
    process = pool.starts()
    pool.wait_for("dwork: all remaining tasks are held; waiting for `dquery release`")
    pool.run("dquery", "release", "b")
    assert process.wait(60) == 0, pool.err
    assert pool.err.count("all remaining tasks are held") == 1
