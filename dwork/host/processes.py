"""The processes of this machine, as listed in /proc."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

PROC: Final = "/proc"
#: Indexes into the fields that `stat` returns.
STATE, PARENT, SESSION, FLAGS, START, PAGES = 0, 1, 3, 6, 19, 21
#: Seconds after KILL until a process counts as one that cannot be killed, and until one that is exiting does.
UNKILLABLE: Final = 3.0
ENDLESS: Final = 60.0
#: The flag of a process that is exiting, which takes the kernel long when it has much memory.
_EXITING: Final = 0x4


def stat(pid: int | str, proc: str = PROC) -> list[bytes]:
    """Return the fields of a process's `stat` file from the state on; OSError when the process has ended.

    The fields before the state are left out: one is the name, which may contain spaces.
    """
    with open(f"{proc}/{pid}/stat", "rb") as file:
        return file.read().rpartition(b")")[2].split()


def cannot_be_killed(pid: int, seconds: float) -> bool:
    """Whether a process that was sent KILL `seconds` ago is still there: it waits in the kernel, as for a server."""
    try:
        fields = stat(pid)
    except OSError:
        return False
    if fields[STATE] == b"Z":
        return False
    return seconds >= (ENDLESS if int(fields[FLAGS]) & _EXITING else UNKILLABLE)


def stats() -> Iterator[tuple[int, list[bytes]]]:
    """Yield each process with its `stat` fields, except those that end meanwhile."""
    for entry in os.listdir(PROC):
        if entry.isdecimal():
            try:
                yield int(entry), stat(entry)
            except OSError:
                continue
