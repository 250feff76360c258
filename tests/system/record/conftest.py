"""What tests of the record share: desks, and disks that are small, full or read-only."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.desk import desk, tmp_path
from tests.leftovers import is_gone
from tests.needs import missing
from tests.waiting import wait_until

__all__ = ["desk", "tmp_path"]  # fixtures


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
            missing("mount")
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
            mounted.append(path)
            return
        for options in (["--bind", str(path)], ["-o", "remount,ro,bind"]):
            if subprocess.run(["mount", *options, path], capture_output=True).returncode:
                missing("mount")
            if path not in mounted:
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
        wait_until(lambda: all(map(is_gone, pids)))

    return kill
