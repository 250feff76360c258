"""The file system that a path is on."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

MINE: Final = "/proc/self/mountinfo"
_IN_MEMORY: Final = {"tmpfs", "ramfs"}
_ESCAPE: Final = re.compile(r"\\([0-7]{3})")


class Mount(NamedTuple):
    """A mount. kind: the kernel's name for the file system: nfs4, lustre, ext4. source: server and path, or device."""

    kind: str = ""
    source: str = ""

    @property
    def is_in_memory(self) -> bool:
        return self.kind in _IN_MEMORY


def of(path: str, mountinfo: str) -> Mount:
    """Return the mount that `path`, free of links, is on, by the text of mountinfo; an empty one when unknown."""
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
    """Undo the kernel's octal escapes: it writes a space as \\040."""
    return _ESCAPE.sub(lambda match: chr(int(match[1], 8)), text)
