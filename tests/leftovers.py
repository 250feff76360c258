"""Processes that a test has started by way of others, known by a variable in their environment."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterable


def processes(**variables: str) -> list[int]:
    """Those with all of these variables."""
    wanted = {f"{name}={value}" for name, value in variables.items()}
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdecimal():
            with contextlib.suppress(OSError), open(f"/proc/{entry}/environ", errors="replace") as file:
                if wanted <= set(file.read().split("\0")):
                    found.append(int(entry))
    return found


def is_gone(pid: int | str) -> bool:
    """Ended; perhaps its adoptive parent has not reaped it yet, which may be this very process."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def end(**variables: str) -> None:
    """Kill them all at once, as when the power goes: none sees another one die, and tells of it or starts more."""
    stopped: set[int] = set()
    while fresh := set(processes(**variables)) - stopped:
        _signal(fresh, signal.SIGSTOP)
        stopped |= fresh
    while left := processes(**variables):  # children first: stopped ones whose parent ends would go on (SIGCONT)
        _signal(sorted(left, reverse=True), signal.SIGKILL)


def _signal(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
