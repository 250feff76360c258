"""Output that waits for its turn, in one unnamed temporary file, so that no amount of it fills the memory."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

#: Bytes read at a time.
PIECE = 256 * 1024


class Extent(NamedTuple):
    """Where in the file a piece of output is, in bytes."""

    offset: int
    length: int


class Spool:
    """Pieces of output, written behind one another. The file is emptied whenever nothing in it is waited for."""

    def __init__(self) -> None:
        self._file: BinaryIO | None = None
        self._end = 0
        self._waiting = 0  # bytes that are still to be read

    def write(self, data: bytes) -> Extent:
        """Keep data; OSError when the disk is full."""
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
        """What was written there, in pieces; it can be read once."""
        for offset, length in extents:
            assert self._file is not None
            for start in range(offset, offset + length, PIECE):
                yield os.pread(self._file.fileno(), min(PIECE, offset + length - start), start)
        self.forget(extents)

    def forget(self, extents: list[Extent]) -> None:
        """Nobody will read this any more."""
        self._waiting -= sum(extent.length for extent in extents)
        if self._file is not None and not self._waiting and self._end:
            os.ftruncate(self._file.fileno(), 0)
            self._end = 0
