"""Which file system a directory is on."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

MINE: Final = "/proc/self/mountinfo"
_IN_MEMORY: Final = {"tmpfs", "ramfs"}
_ESCAPE: Final = re.compile(r"\\([0-7]{3})")


class Mount(NamedTuple):
    """kind: as the kernel calls it: nfs4, lustre, gpfs, ext4. source: a server and path, or a device."""

    kind: str = ""
    source: str = ""

    @property
    def is_in_memory(self) -> bool:
        return self.kind in _IN_MEMORY


def of(path: str, mountinfo: str) -> Mount:
    """The mount that a path is on, which has no links in it; an empty one when it cannot be told."""
    best, found = -1, Mount()
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        words, more = before.split(" "), after.split(" ")
        if len(words) < 5 or len(more) < 2:
            continue
        point = _plain(words[4])
        # The later of two mounts on one point hides the former.
        if len(point) >= best and (point == "/" or path == point or path.startswith(f"{point}/")):
            best, found = len(point), Mount(more[0], _plain(more[1]))
    return found


def _plain(text: str) -> str:
    """The kernel writes a space as \\040."""
    return _ESCAPE.sub(lambda match: chr(int(match[1], 8)), text)
