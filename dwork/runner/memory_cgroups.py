"""Control groups (version 2) that hold tasks to the memory they asked for: the kernel ends at once what takes more.

A group whose members are to have groups of their own below it must have no members itself. So what is in the worker's
group, mpirun and other ranks with it, moves into one below, REST. Where that is not allowed, or memory is not for this
group to share out (most batch systems, all of version 1), there are no groups, and somebody else must watch.
"""

from __future__ import annotations

import errno
import os
from typing import Final

from dwork.host import cgroups

REST: Final = "dwork-rest"
#: Processes may start while others are being moved.
_TRIES: Final = 10


class MemoryGroups:
    """Those of one worker's tasks. group: the directory of its own group; empty when it has none."""

    def __init__(self, group: str) -> None:
        self._group = group if _shares_memory(group) else ""
        self._open: dict[int, str] = {}
        self._left: list[str] = []  # something that their tasks have left behind may still run in them

    def __bool__(self) -> bool:
        """Whether there can be any."""
        return bool(self._group)

    def open(self, task: int, limit: int) -> str:
        """A group for a task that may have so many bytes: the file that a process writes its number to, to enter.

        Empty when there can be none.
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
        """What has happened in the task's group; None when it has none.

        oom_kill: how many of its processes were ended for memory. oom: how often since it had no more of its own.
        """
        if task not in self._open:
            return None
        lines = cgroups.read(self._open[task], "memory.events").splitlines()
        return {name: int(n) for name, _, n in (line.partition(" ") for line in lines)}

    def close(self, task: int) -> None:
        """The task has ended."""
        if task in self._open:
            self._left.append(self._open.pop(task))
            self._tidy()

    def close_all(self) -> None:
        """Nothing runs any more."""
        self._left += self._open.values()
        self._open.clear()
        self._tidy()

    def _tidy(self) -> None:
        self._left = [path for path in self._left if not _remove(path)]


_MEMBERS: Final = "cgroup.procs"
_SHARED: Final = "cgroup.subtree_control"


def _shares_memory(group: str) -> bool:
    """Let the group share out memory to groups below it, if that is possible."""
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
        except ProcessLookupError:  # it has ended
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
