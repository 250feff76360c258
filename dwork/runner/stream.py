"""One output stream of an attempt: what a task has printed, and how much of it was passed on.

Up to SHORT bytes are kept in memory, more in an unnamed temporary file (in $TMPDIR), so that output never fills the
memory. Output longer than `limit` bytes loses its middle, which is marked.
"""

from __future__ import annotations

import os
import tempfile
from typing import Final

#: Output up to this many bytes travels with the result.
SHORT: Final = 32 * 1024


class TaskStream:
    """A stream. size: bytes printed. length: bytes to pass on, with the mark; sent: bytes that were passed on.

    is_ahead: some output was passed on, so none of it goes with the result.
    trouble: why no more output can be stored, or empty.
    """

    __slots__ = ("_data", "_file", "_gap", "_head", "_mark", "is_ahead", "length", "sent", "size", "trouble")

    def __init__(self) -> None:
        self.size = self.length = self.sent = 0
        self.is_ahead = False
        self.trouble = ""
        self._data = b""
        self._file: int | None = None
        self._mark = b""
        self._head = self._gap = 0  # what the mark replaces: position and length in bytes

    def add(self, data: bytes, limit: int) -> None:
        """Store printed data. After a failure nothing more is stored, so that the stored output has no holes."""
        if self.trouble:
            return
        if self._file is None and self.size + len(data) <= SHORT:
            self._data += data
        else:
            try:
                self._write(data)
            except OSError as error:
                self.trouble = error.strerror or str(error)
                return
        self.size += len(data)
        self.length = min(self.size, limit // 2) if limit else self.size

    def end(self, limit: int) -> None:
        """Mark the end of the stream, which determines what is omitted."""
        self.length = self.size
        if limit and self.size > limit:
            self._head, self._gap = limit // 2, self.size - limit
            self._mark = f"\n[dwork: {self._gap:,} bytes omitted here]\n".encode()
            self.length = limit + len(self._mark)

    def piece(self, n: int) -> bytes:
        """Return up to n bytes of what is to be passed on next."""
        position, n = self.sent, min(n, self.length - self.sent)
        if not self._mark:
            return self._read(position, n)
        behind = position - self._head
        if behind < 0:
            return self._read(position, min(n, -behind))
        if behind < len(self._mark):
            return self._mark[behind : behind + n]
        return self._read(position - len(self._mark) + self._gap, n)

    def close(self) -> None:
        """Discard the output."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _read(self, position: int, n: int) -> bytes:
        return self._data[position : position + n] if self._file is None else os.pread(self._file, n, position)

    def _write(self, data: bytes) -> None:
        if self._file is None:
            file = _unnamed()
            try:
                _write(file, self._data, 0)
            except OSError:
                os.close(file)
                raise
            self._file, self._data = file, b""
        _write(self._file, data, self.size)


def _write(file: int, data: bytes, position: int) -> None:
    view = memoryview(data)
    while view:
        n = os.pwrite(file, view, position)
        position += n
        view = view[n:]


def _unnamed() -> int:
    directory = tempfile.gettempdir()
    try:
        return os.open(directory, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError:  # a file system without unnamed files
        with tempfile.TemporaryFile(dir=directory) as file:
            return os.dup(file.fileno())
