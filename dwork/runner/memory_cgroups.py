"""Control groups (version 2) that limit tasks to the memory they requested: the kernel ends at once what uses more.

A group with subgroups that limit memory must not have members itself. So all processes in the worker's group, including
mpirun and other ranks, move into a subgroup, REST. Where that is not allowed, or this group must not control memory
(most batch systems, all of version 1), there are no groups, and memory is polled instead (`memory_poll`).
"""

from __future__ import annotations

import errno
import os
from typing import Final

from dwork.host import cgroups

REST: Final = "dwork-rest"
#: Attempts to empty the group: processes may start while others are being moved.
_TRIES: Final = 10


class MemoryGroups:
    """The groups of one worker's tasks. group: the directory of the worker's own group; empty when it has none."""

    def __init__(self, group: str) -> None:
        self._group = group if _shares_memory(group) else ""
        self._open: dict[int, str] = {}
        self._left: list[str] = []  # of ended tasks: processes they left behind may still run there

    def __bool__(self) -> bool:
        """Whether groups can be created."""
        return bool(self._group)

    def open(self, task: int, limit: int) -> str:
        """Create a group for a task; return the file to which a process writes its pid to enter the group.

        limit: memory in bytes. Returns an empty text when the group cannot be created.
        """
        path = f"{self._group}/dwork-{os.getpid()}-{task}"
        try:
            os.mkdir(path)
        except OSError:
            return ""
        self._open[task] = path
        try:
            _write(path, "memory.max", str(limit))
            _write(path, "memory.oom.group", "1")
            if os.path.exists(f"{path}/memory.swap.max"):
                _write(path, "memory.swap.max", "0")
        except OSError:
            self.close(task)
            return ""
        return f"{path}/{_MEMBERS}"

    def events(self, task: int) -> dict[str, int] | None:
        """Return the memory events of the task's group; None when it has none.

        oom_kill: number of its processes that were killed for memory. oom: how often the group reached its own limit.
        """
        if task not in self._open:
            return None
        lines = cgroups.read(self._open[task], "memory.events").splitlines()
        return {name: int(n) for name, _, n in (line.partition(" ") for line in lines)}

    def close(self, task: int) -> None:
        """Remove the group of a task that has ended."""
        if task in self._open:
            self._left.append(self._open.pop(task))
            self._tidy()

    def close_all(self) -> None:
        """Remove all groups, once nothing runs any more."""
        self._left += self._open.values()
        self._open.clear()
        self._tidy()

    def _tidy(self) -> None:
        self._left = [path for path in self._left if not _remove(path)]


_MEMBERS: Final = "cgroup.procs"
_SHARED: Final = "cgroup.subtree_control"


def _shares_memory(group: str) -> bool:
    """Let the group control the memory of its subgroups; return whether that is possible."""
    if "memory" not in cgroups.read(group, "cgroup.controllers").split() or not os.access(group, os.W_OK):
        return False
    try:
        for _ in range(_TRIES):
            if "memory" in cgroups.read(group, _SHARED).split() or _has_shared(group):
                return True
            _empty(group)
    except OSError:
        _remove(f"{group}/{REST}")
    return False


def _has_shared(group: str) -> bool:
    try:
        _write(group, _SHARED, "+memory")
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        return False
    return True


def _empty(group: str) -> None:
    os.makedirs(f"{group}/{REST}", exist_ok=True)
    for pid in cgroups.read(group, _MEMBERS).split():
        try:
            _write(f"{group}/{REST}", _MEMBERS, pid)
        except ProcessLookupError:  # the process has ended
            pass


def _write(directory: str, name: str, text: str) -> None:
    with open(f"{directory}/{name}", "w") as file:
        file.write(text)


def _remove(path: str) -> bool:
    try:
        os.rmdir(path)
    except OSError:
        return not os.path.exists(path)
    return True
