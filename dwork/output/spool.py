"""Output that waits to be printed, in one unnamed temporary file, so that it never fills the memory."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

#: Bytes read at a time.
PIECE = 256 * 1024


class Extent(NamedTuple):
    """The place of a piece of output in the file, in bytes."""

    offset: int
    length: int


class Spool:
    """Pieces of output, appended to one file, which is truncated whenever no piece is left to be read."""

    def __init__(self) -> None:
        self._file: BinaryIO | None = None
        self._end = 0
        self._waiting = 0  # bytes not read yet

    def write(self, data: bytes) -> Extent:
        """Store data and return its place; OSError when the disk is full."""
        if self._file is None:
            self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
        extent = Extent(self._end, len(data))
        view = memoryview(data)
        while view:
            written = os.pwrite(self._file.fileno(), view, self._end)
            self._end += written
            view = view[written:]
        self._waiting += extent.length
        return extent

    def read(self, extents: list[Extent]) -> Iterator[bytes]:
        """Yield the stored data in pieces. Each extent can be read once."""
        for offset, length in extents:
            assert self._file is not None
            for start in range(offset, offset + length, PIECE):
                yield os.pread(self._file.fileno(), min(PIECE, offset + length - start), start)
        self.forget(extents)

    def forget(self, extents: list[Extent]) -> None:
        """Drop these extents: they will not be read."""
        self._waiting -= sum(extent.length for extent in extents)
        if self._file is not None and not self._waiting and self._end:
            os.ftruncate(self._file.fileno(), 0)
            self._end = 0
