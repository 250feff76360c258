"""Output that waits to be printed, in unnamed temporary files, so that it never fills the memory.

Pieces are appended to the newest file. A file is closed, which frees its disk space, when none of its pieces is left to
be read. One piece of a slow task would keep a whole file, so while too little of the disk space is in use, some of the
oldest pieces are moved to the newest file with each write or read. That way the files have at most about three times
the bytes that wait, plus SLACK, and no call takes long.
"""

from __future__ import annotations

import os
import tempfile
from collections import deque
from collections.abc import Iterator
from typing import BinaryIO, Final

#: Bytes read at a time.
PIECE: Final = 256 * 1024
#: Least bytes of a file before the next is begun; a file may also have that part of all files together.
FILE: Final = 16 * 1024 * 1024
_PART: Final = 1 / 8
#: Bytes that the files may have, in addition to twice those that wait, before pieces are moved.
SLACK: Final = 64 * 1024 * 1024


class _Segment:
    """A temporary file. end: its size; extents: those that wait to be read, in their order."""

    def __init__(self) -> None:
        self.file: BinaryIO = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
        self.end = 0
        self.extents: dict[Extent, None] = {}


class Extent:
    """The place of a piece of output: a file, and bytes in it."""

    __slots__ = ("file", "length", "offset")

    def __init__(self, file: _Segment, offset: int, length: int) -> None:
        self.file, self.offset, self.length = file, offset, length


class Spool:
    """Pieces of output. waiting: bytes not read yet; size: bytes of all files."""

    def __init__(self) -> None:
        self._files: deque[_Segment] = deque()
        self.waiting = self.size = 0

    def write(self, data: bytes) -> Extent:
        """Store data and return its place; OSError when the disk is full."""
        file, offset = self._append(data)
        extent = Extent(file, offset, len(data))
        file.extents[extent] = None
        self.waiting += len(data)
        self._tidy(2 * len(data))
        return extent

    def read(self, extents: list[Extent]) -> Iterator[bytes]:
        """Yield the stored data in pieces. Each extent can be read once."""
        for extent in extents:
            end = extent.offset + extent.length
            for start in range(extent.offset, end, PIECE):
                yield os.pread(extent.file.file.fileno(), min(PIECE, end - start), start)
        self.forget(extents)

    def forget(self, extents: list[Extent]) -> None:
        """Drop these extents: they will not be read."""
        for extent in extents:
            self.waiting -= extent.length
            del extent.file.extents[extent]
            self._release(extent.file)
        self._tidy(2 * sum(extent.length for extent in extents))

    def _append(self, data: bytes) -> tuple[_Segment, int]:
        if not self._files or self._files[-1].end >= max(FILE, self.size * _PART):
            self._files.append(_Segment())
        file = self._files[-1]
        offset = file.end
        view = memoryview(data)
        while view:
            written = os.pwrite(file.file.fileno(), view, file.end)
            file.end += written
            self.size += written
            view = view[written:]
        return file, offset

    def _release(self, file: _Segment) -> None:
        """Free the disk space of a file if none of its extents is left."""
        if file.extents:
            return
        self.size -= file.end
        if file is self._files[-1]:
            os.ftruncate(file.file.fileno(), 0)
            file.end = 0
        else:
            self._files.remove(file)
            file.file.close()

    def _tidy(self, most: int) -> None:
        """Move the oldest extents to the newest file if necessary, until at least `most` bytes are moved."""
        while most > 0 and len(self._files) > 1 and self.size > 2 * self.waiting + SLACK:
            oldest = self._files[0]
            extent = next(iter(oldest.extents), None)
            if extent is None:  # the disk was full when it was the newest
                self._release(oldest)
                continue
            most -= extent.length
            data = os.pread(oldest.file.fileno(), extent.length, extent.offset)
            try:
                file, offset = self._append(data)
            except OSError:  # the disk is full
                return
            del oldest.extents[extent]
            extent.file, extent.offset = file, offset
            file.extents[extent] = None
            self._release(oldest)
