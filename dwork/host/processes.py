"""The processes of this machine, as /proc tells of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

PROC: Final = "/proc"
#: Positions in what `stat` returns.
STATE, PARENT, SESSION, PAGES = 0, 1, 3, 21


def stat(pid: int | str, proc: str = PROC) -> list[bytes]:
    """The fields of its `stat` from the state on; its name, before them, may have blanks. OSError when it is gone."""
    with open(f"{proc}/{pid}/stat", "rb") as file:
        return file.read().rpartition(b")")[2].split()


def stats() -> Iterator[tuple[int, list[bytes]]]:
    """All processes with these fields; those that end meanwhile are left out."""
    for entry in os.listdir(PROC):
        if entry.isdecimal():
            try:
                yield int(entry), stat(entry)
            except OSError:
                continue
