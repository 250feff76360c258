"""The processes of this machine, as listed in /proc."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

PROC: Final = "/proc"
#: Indexes into the fields that `stat` returns.
STATE, PARENT, SESSION, START, PAGES = 0, 1, 3, 19, 21


def stat(pid: int | str, proc: str = PROC) -> list[bytes]:
    """Return the fields of a process's `stat` file from the state on; OSError when the process has ended.

    The fields before the state are left out: one is the name, which may contain spaces.
    """
    with open(f"{proc}/{pid}/stat", "rb") as file:
        return file.read().rpartition(b")")[2].split()


def stats() -> Iterator[tuple[int, list[bytes]]]:
    """Yield each process with its `stat` fields, except those that end meanwhile."""
    for entry in os.listdir(PROC):
        if entry.isdecimal():
            try:
                yield int(entry), stat(entry)
            except OSError:
                continue
