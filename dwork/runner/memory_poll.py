"""The memory use of tasks, each with all processes that it has started."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

from dwork.host.processes import PAGES, SESSION, stats

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


def over(limits: Mapping[int, int]) -> dict[int, int]:
    """Return the sessions that use more memory than their limits, with their use; by session leader, in bytes.

    Shared memory is first counted for each process, and divided among them only if that exceeds the limit: the division
    takes the kernel a hundred times as long.
    """
    sessions: dict[int, list[int]] = {leader: [] for leader in limits}
    used = dict.fromkeys(limits, 0)
    for pid, fields in stats():
        session = int(fields[SESSION])
        if session in sessions:
            sessions[session].append(pid)
            used[session] += int(fields[PAGES]) * _PAGE
    suspects = [leader for leader, limit in limits.items() if used[leader] > limit]
    for leader in suspects:
        used[leader] = sum([_proportional(pid) for pid in sessions[leader]])
    return {leader: used[leader] for leader in suspects if used[leader] > limits[leader]}


def _proportional(pid: int) -> int:
    """Return the memory of a process and its part of what it shares, in bytes."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", "rb") as file:
            return next((int(line.split()[1]) * 1024 for line in file if line.startswith(b"Pss:")), 0)
    except OSError:
        return 0
