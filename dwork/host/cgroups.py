"""The control groups that this process is in: each of them limits all below it."""

from __future__ import annotations

import os
from typing import Final

ROOT: Final = "/sys/fs/cgroup"
MINE: Final = "/proc/self/cgroup"


def directories(controller: str, root: str = ROOT, mine: str = MINE) -> list[str]:
    """Where the files of this process's group are, and of each above it, in version 2, 1, or (hybrid) both.

    In a container a group may have a path that is only seen from outside; what is here is at the top then. So some of
    them may not be there.
    """
    found = []
    for controllers, group in _groups(mine):
        if not controllers:
            found += [mount + path for mount in (root, f"{root}/unified") for path in _upwards(group)]
        elif controller in controllers.split(","):
            found += [f"{root}/{controller}{path}" for path in _upwards(group)]
    return found


def own(root: str = ROOT, mine: str = MINE) -> str:
    """Where the files of this process's group of version 2 are; empty when it has none, or they are not seen here."""
    group = next((group.rstrip("/") for controllers, group in _groups(mine) if not controllers), "")
    mounts = (root, f"{root}/unified")
    return next((mount + group for mount in mounts if os.path.exists(f"{mount}{group}/cgroup.procs")), "")


def read(directory: str, name: str) -> str:
    """The text of a group's file; empty when there is none."""
    try:
        with open(f"{directory}/{name}") as file:
            return file.read().strip()
    except OSError:
        return ""


def _groups(mine: str) -> list[tuple[str, str]]:
    """(controllers, group), of version 2 without controllers."""
    try:
        with open(mine) as file:
            entries = [line.rstrip("\n").split(":", 2) for line in file]
    except OSError:
        return []
    return [(entry[1], entry[2]) for entry in entries if len(entry) == 3]


def _upwards(group: str) -> list[str]:
    """`/a/b`, `/a`, and the empty path."""
    names = [name for name in group.split("/") if name]
    return ["".join(f"/{name}" for name in names[:n]) for n in range(len(names), -1, -1)]
