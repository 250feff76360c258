"""Pools that are killed at random moments and run again until all is done: nothing is missing, nothing done runs again.

`.ci/long crashes` makes many more rounds.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dwork.core.errors import UsageError
from dwork.record.reading import Archive
from tests.desk import killed, look
from tests.long import seeds
from tests.waiting import wait_until

N = 60
POOL = [sys.executable, "-m", "dwork.pool", "--no-bridge", "-q", "tasks.txt"]


def tasks() -> str:
    """Each notes in its own file that it ran, takes a moment, and fails when one that it comes after has not run."""
    lines = []
    for i in range(N):
        after = [f"t{p}" for p in (i - 7, i - 11) if p >= 0 and i % 3 == 0]
        checks = "".join(f"test -s {name} || exit 9; " for name in after)
        options = f" after={','.join(after)}" if after else ""
        lines.append(f"{checks}echo ran >> t{i}; sleep 0.00{i % 7}   #DWORK name=t{i}{options}\n")
    return "".join(lines)


class Crashes:
    """A directory with a pool that does not live long, and what its records have said."""

    def __init__(self, path: Path, launcher: list[str], seed: int) -> None:
        self.path = path
        self._command = [*launcher, *POOL]
        self._random = random.Random(seed)
        self._mark = f"CRASH_MARK={uuid.uuid4().hex}"
        self.deaths: list[str] = []
        self.said: list[tuple[set[str], dict[str, int]]] = []  # after each: what was done, and how often what had run
        (path / "tasks.txt").write_text(tasks())

    def times(self) -> dict[str, int]:
        return {f"t{i}": p.read_text().count("ran\n") for i in range(N) if (p := self.path / f"t{i}").exists()}

    def run(self, start: Callable) -> int:
        """Start the pool, kill some of it when so many more tasks have run, and see what is left."""
        name, _, value = self._mark.partition("=")
        process = start("env", "-C", self.path, *self._command, **{name: value})
        goal = len(self.times()) + self._random.choice([0, 5, 20, 40, N])
        victims = ["rank 0", "a worker", "everything"]
        if len(self.times()) == N:  # all have run, though the record may not know
            victims += ["nobody"] * 3
        wait_until(lambda: process.poll() is not None or len(self.times()) >= min(goal, N), 60)
        victim = self._random.choice(victims)
        shared = self._shared_memory()
        if process.poll() is None:
            self.deaths.append(victim)
            self._kill(victim, process)
        if victim in ("a worker", "nobody"):  # the others may go on
            process.communicate(timeout=60)
        if victim == "rank 0":
            wait_until(lambda: "rank 0" not in self._roles(process).values())
        wait_until(self._is_ended)
        process.communicate()
        for segment in shared:
            segment.unlink(missing_ok=True)
        copy = killed(self.path / "tasks.txt.db", self.path / "copy.db")
        if copy.exists():
            self.said.append((done_of(copy), self.times()))
        return int(process.returncode)

    def _is_ended(self) -> bool:
        left = list(self._marked())
        end(left)
        return not left

    def _kill(self, victim: str, process: subprocess.Popen[str]) -> None:
        if victim == "everything":
            end([process.pid, *self._marked()])
        else:
            end([pid for pid, role in self._roles(process).items() if role == victim][:1])

    def _marked(self) -> Iterator[int]:
        """All processes that this pool has started, wherever they are now."""
        for entry in os.listdir("/proc"):
            if entry.isdecimal() and int(entry) != os.getpid():
                with contextlib.suppress(OSError):
                    is_ours = self._mark.encode() in Path(f"/proc/{entry}/environ").read_bytes().split(b"\0")
                    if is_ours and Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
                        yield int(entry)

    def _shared_memory(self) -> set[Path]:
        """What an MPI library leaves in /dev/shm when its processes are killed."""
        found = set()
        for pid in self._marked():
            with contextlib.suppress(OSError):
                found |= set(
                    re.findall(r"/dev/shm/\w*(?:mpi|vader|prrte|pmix)\w*", Path(f"/proc/{pid}/maps").read_text())
                )
        return {Path(path) for path in found}

    def _roles(self, process: subprocess.Popen[str]) -> dict[int, str]:
        """Which process is rank 0 and which are workers."""
        roles = {}
        for pid in self._marked():
            with contextlib.suppress(OSError):
                words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                variables = set(Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"))
                if words[1:2] == [b"-c"] and b"--until-eof" in words:
                    roles[pid] = "a worker"
                elif words[1:3] == [b"-m", b"dwork.pool"]:
                    told = {b"PMI_RANK=0", b"OMPI_COMM_WORLD_RANK=0"} & variables
                    roles[pid] = "rank 0" if told or pid == process.pid else "a worker"
        return roles


def done_of(record: Path) -> set[str]:
    """The names of what is done; none when the pool was killed before it had made the tables."""
    try:
        with Archive(str(record)) as archive:
            return {row["name"] for row in archive.tasks(["done"])}
    except UsageError as error:
        assert "is empty" in str(error)
        return set()


def end(pids: list[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("seed", seeds(5, 50))
def test_however_often_a_pool_is_killed_all_is_done_in_the_end_and_nothing_done_ran_again(
    seed: int, start: Callable, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Those with odd seeds under mpirun."""
    launcher = [*request.getfixturevalue("mpirun"), "-n", "3"] if seed % 2 else []
    crashes = Crashes(tmp_path, launcher, seed)
    for _ in range(40):
        if crashes.run(start) == 0:
            break
    else:
        raise AssertionError(f"after {crashes.deaths} it is not done")

    story = f"DWORK_SEED={seed} DWORK_ROUNDS=1: {crashes.deaths}"
    times = crashes.times()
    assert times.keys() == {f"t{i}" for i in range(N)}, story
    for done, before in crashes.said:
        assert {name: times[name] for name in done} == {name: before.get(name, 0) for name in done}, story
    database = tmp_path / "tasks.txt.db"
    assert look(database, "SELECT name FROM tasks WHERE state != 'done'") == [], story
    attempts = dict(look(database, "SELECT name, count(*) FROM attempts JOIN tasks ON id = task GROUP BY id"))
    assert all(1 <= times[name] <= attempts[name] for name in times), story
    assert look(database, "PRAGMA integrity_check") == ["ok"], story
