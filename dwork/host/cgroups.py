"""The control groups of this process; each group also limits all groups below it."""

from __future__ import annotations

import os
from typing import Final

from dwork.core.text import to_system, user_text

ROOT: Final = "/sys/fs/cgroup"
MINE: Final = "/proc/self/cgroup"


def directories(controller: str, root: str = ROOT, mine: str = MINE) -> list[str]:
    """Return the directories of this process's group and of each group above it, in version 2, 1, or (hybrid) both.

    Some of them may not exist: in a container a group's path may be visible only from outside, and its files are at
    the top.
    """
    found = []
    for controllers, group in _groups(mine):
        if not controllers:
            found += [mount + path for mount in (root, f"{root}/unified") for path in _upwards(group)]
        elif controller in controllers.split(","):
            found += [f"{root}/{controller}{path}" for path in _upwards(group)]
    return found


def own(root: str = ROOT, mine: str = MINE) -> str:
    """Return the directory of this process's version 2 group; empty when it has none, or it is not visible here."""
    group = next((group.rstrip("/") for controllers, group in _groups(mine) if not controllers), "")
    mounts = (root, f"{root}/unified")
    return next((mount + group for mount in mounts if os.path.exists(f"{mount}{group}/cgroup.procs")), "")


def read(directory: str, name: str) -> str:
    """Return the text of a group's file; empty when there is no such file."""
    try:
        with open(f"{directory}/{name}", "rb") as file:
            return to_system(user_text(file.read())).strip()
    except OSError:
        return ""


def _groups(mine: str) -> list[tuple[str, str]]:
    """Return (controllers, group) pairs; controllers is empty for version 2."""
    try:
        with open(mine, "rb") as file:
            entries = [line.split(":", 2) for line in to_system(user_text(file.read())).split("\n")]
    except OSError:
        return []
    return [(entry[1], entry[2]) for entry in entries if len(entry) == 3]


def _upwards(group: str) -> list[str]:
    """Return a group's path and those above it: `/a/b`, `/a`, and the empty path."""
    names = [name for name in group.split("/") if name]
    return ["".join(f"/{name}" for name in names[:n]) for n in range(len(names), -1, -1)]
