"""What tests of the record share: desks, and disks that are small, full or read-only."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import missing
from tests.record.desk import Desk


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """In memory, where there is such a place: a disk that is waited for at each commit is slow."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    path = Path(tempfile.mkdtemp(prefix="dwork-test-", dir=memory))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A store with a new file, and log files."""
    desk = Desk(tmp_path / "run.db", logs=tmp_path / "run.logs")
    yield desk
    desk.close()


class Disk:
    """A file system of its own. `fill` leaves no byte free, `free` gives that back."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._filler = path / "filler"

    def fill(self, spare: int = 0) -> None:
        with self._filler.open("ab", buffering=0) as file:
            for size in (1 << 16, 1 << 12, 1):
                try:
                    while True:
                        file.write(b"x" * size)
                except OSError:
                    pass
            file.truncate(max(0, file.tell() - spare))

    def free(self) -> None:
        self._filler.unlink()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Disk]]:
    """Make file systems of so many bytes."""
    mounted: list[Path] = []

    def mount(size: str) -> Disk:
        path = tmp_path / f"disk{len(mounted)}"
        path.mkdir()
        if subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}", "small", path], capture_output=True
        ).returncode:
            missing("the right to mount a small disk")
        mounted.append(path)
        return Disk(path)

    yield mount
    for path in mounted:
        subprocess.run(["umount", "--lazy", path], check=True)


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Callable[[Path], None]]:
    """Make directories read-only, also for root."""
    mounted: list[Path] = []

    def protect(path: Path) -> None:
        if os.getuid():
            path.chmod(0o555)
        elif (
            subprocess.run(["mount", "--bind", path, path], capture_output=True).returncode
            or subprocess.run(["mount", "-o", "remount,ro,bind", path], capture_output=True).returncode
        ):
            missing("the right to mount read-only")
        mounted.append(path)

    yield protect
    for path in mounted:
        if os.getuid():
            path.chmod(0o755)
        else:
            subprocess.run(["umount", "--lazy", path], check=True)


def descendants(pid: int) -> list[int]:
    """A process and all below it, in sessions of their own or not."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdecimal():
            try:
                parent = int(Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(entry))
    found = [pid]
    for each in found:
        found += children.get(each, [])
    return found


@pytest.fixture
def kill_all() -> Callable[[subprocess.Popen[str]], None]:
    """SIGKILL a program and all processes below it, and wait until they are gone."""

    def kill(process: subprocess.Popen[str]) -> None:
        pids = descendants(process.pid)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.communicate()
        until = time.monotonic() + 20
        while any(is_alive(pid) for pid in pids):
            assert time.monotonic() < until, "it lives on"
            os.sched_yield()

    return kill


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
