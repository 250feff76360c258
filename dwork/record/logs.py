"""The log files of a run: the output of tasks, one file per worker, readable with `less`.

A line before each piece names its task. The record has the place of each piece, so the files never need to be parsed.
"""

from __future__ import annotations

import errno
import os
import re
import zlib
from collections import OrderedDict
from typing import Final

from dwork.core.errors import StoreError
from dwork.core.text import from_system, shown, to_system
from dwork.host.ownership import DIRECTORY_MODE, open_directory, open_mine
from dwork.record.rows import untext

#: Most files that are kept open at a time.
OPEN: Final = 128
_ODD: Final = re.compile(r"[^\w.\-]+", re.ASCII)
_LONGEST: Final = 200
_STREAMS: Final = {1: "stdout", 2: "stderr"}


class Logs:
    """The log files of a record; the first one creates the directory. StoreError when they cannot be written."""

    def __init__(self, directory: str, record: str) -> None:
        self.directory = directory
        self._prefix = os.path.abspath(directory)
        beside = os.path.dirname(os.path.abspath(record))
        if os.path.commonpath([self._prefix, beside]) == beside:  # so that both can be moved together
            self._prefix = os.path.relpath(self._prefix, beside)
        self._prefix = from_system(self._prefix)
        self._files: OrderedDict[str, tuple[int, int]] = OrderedDict()  # descriptor, size

    def append(self, location: str, id: int, attempt: int, stream: int, data: bytes) -> tuple[str, int]:
        """Append a piece of output; return the file, as `read` expects it, and the offset of the piece in bytes."""
        name = _file_of(location)
        try:
            fd, size = self._open(name)
            again = f", attempt {attempt}" if attempt > 1 else ""
            head = f"--- #{id} {_STREAMS[stream]}{again} ---\n".encode()
            tail = b"" if data.endswith(b"\n") else b"\n"
            _write(fd, head + data + tail)
        except OSError as error:
            path = shown(os.path.join(self.directory, name))
            raise StoreError(
                f"{path} cannot be written: {error.strerror}; run the same command again to continue"
            ) from None
        self._files[name] = (fd, size + len(head) + len(data) + len(tail))
        return os.path.join(self._prefix, name), size + len(head)

    def _open(self, name: str) -> tuple[int, int]:
        known = self._files.get(name)
        if known is not None:
            self._files.move_to_end(name)
            return known
        if len(self._files) >= OPEN:
            _, (fd, _) = self._files.popitem(last=False)
            os.close(fd)
        os.makedirs(self.directory, DIRECTORY_MODE, exist_ok=True)
        within = open_directory(self.directory)
        try:
            fd = open_mine(name, os.O_RDWR | os.O_CREAT | os.O_APPEND, within=within)
        finally:
            os.close(within)
        self._files[name] = (fd, os.fstat(fd).st_size)
        return self._files[name]

    def close(self) -> None:
        for fd, _ in self._files.values():
            os.close(fd)
        self._files.clear()


def _file_of(location: str) -> str:
    """Return the file name of a worker, shortened to what file systems accept."""
    name = _ODD.sub("_", location)
    if len(name) > _LONGEST:
        name = f"{name[:_LONGEST]}-{zlib.crc32(location.encode()):08x}"
    return f"{name}.log"


def read(record: str, file: str | bytes, offset: int, length: int) -> bytes:
    """Return a piece of output, shorter if the file is. OSError when the file cannot be read."""
    try:
        fd = os.open(os.path.join(os.path.dirname(record), to_system(untext(file))), os.O_RDONLY | os.O_CLOEXEC)
    except (TypeError, ValueError, AttributeError):  # the record is damaged
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), repr(file)) from None
    try:
        return os.pread(fd, length, offset)
    finally:
        os.close(fd)


def _write(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
