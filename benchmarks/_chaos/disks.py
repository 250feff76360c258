"""Where the record of a round is: beside everything else, on a small disk that gets full, or on one that freezes."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

#: Bytes: enough for the record and the output of a round.
_SMALL: Final = "24M"
KINDS: Final = ("plain", "small", "frozen")


class Disk:
    """A directory for the record. kind: one of KINDS; the last two need root that may mount."""

    def __init__(self, directory: Path, kind: str) -> None:
        self.directory = directory
        self.kind = kind
        self._ballast = directory / "ballast"

    @property
    def can_be_full(self) -> bool:
        return self.kind == "small"

    @property
    def can_freeze(self) -> bool:
        return self.kind == "frozen"

    def fill(self) -> None:
        """Leave no byte free."""
        with contextlib.suppress(OSError), open(self._ballast, "ab", buffering=0) as file:
            for size in (1 << 20, 4096, 64):
                with contextlib.suppress(OSError):
                    while file.write(b"\0" * size) == size:
                        pass

    def empty(self) -> None:
        self._ballast.unlink(missing_ok=True)

    def freeze(self) -> None:
        """Let everyone who writes wait."""
        _run("fsfreeze", "--freeze", str(self.directory))

    def thaw(self) -> None:
        _run("fsfreeze", "--unfreeze", str(self.directory))


@contextlib.contextmanager
def mounted(directory: Path, kind: str) -> Iterator[Disk]:
    """Mount a disk of this kind at a new directory; afterwards unmount it, with what is on it."""
    directory.mkdir()
    if kind == "small":
        _run("mount", "-t", "tmpfs", "-o", f"size={_SMALL}", "tmpfs", str(directory), must=True)
    elif kind == "frozen":
        image = directory.with_suffix(".image")
        with open(image, "wb") as file:
            file.truncate(48 << 20)
        _run("mkfs.ext4", "-q", "-F", str(image), must=True)
        _run("mount", "-o", "loop", str(image), str(directory), must=True)
    disk = Disk(directory, kind)
    try:
        yield disk
    finally:
        if kind == "frozen":
            disk.thaw()
        if kind != "plain":
            _run("umount", "--lazy", str(directory))


def available(directory: Path) -> list[str]:
    """Return the kinds of disk that this machine and user can have."""
    found = ["plain"]
    for kind in KINDS[1:]:
        place = directory / kind
        with contextlib.suppress(OSError, subprocess.CalledProcessError), mounted(place, kind) as disk:
            if kind == "frozen":
                _run("fsfreeze", "--freeze", str(place), must=True)
                disk.thaw()
            found.append(kind)
    return found


def _run(*words: str, must: bool = False) -> None:
    subprocess.run(words, check=must, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
