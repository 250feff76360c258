"""Standard output and standard error, with what keeps the end of a task's output apart from what is printed next.

The last line of a task's output need not have a newline. In a file or pipe its bytes stay as they are. On a terminal
its line is ended, and a message or row of dwork's own begins on a new line wherever it is printed.
"""

from __future__ import annotations

import contextlib
import os
import stat
from typing import Protocol


class Stream(Protocol):
    """Where output is printed: a binary file, or a replacement for one."""

    def write(self, data: bytes, /) -> int: ...

    def flush(self) -> None: ...

    def fileno(self) -> int: ...

    def isatty(self) -> bool: ...


class Streams:
    """The two streams, numbered 1 (out) and 2 (err)."""

    def __init__(self, out: Stream, err: Stream) -> None:
        self._streams = (out, err)
        self._is_terminal = (out.isatty(), err.isatty())
        self._are_together = _are_together(out, err)
        self._open = [False, False]  # what is seen there last is not a newline

    def write(self, number: int, data: bytes) -> None:
        """Write a part of a task's output."""
        self._streams[number - 1].write(data)
        if data:
            self._note(number, is_open=not data.endswith(b"\n"))

    def end(self) -> None:
        """Note the end of a task's output."""
        for i, is_terminal in enumerate(self._is_terminal):
            if is_terminal and self._open[i]:
                self.write(i + 1, b"\n")

    def begin(self, number: int) -> None:
        """Begin a new line, where necessary, for what is about to be printed on this stream."""
        if self._open[number - 1]:
            self._note(number, is_open=False)
            with contextlib.suppress(OSError):  # what is printed next fails as well
                self._streams[number - 1].write(b"\n")
                self._streams[number - 1].flush()

    def flush(self) -> None:
        for stream in self._streams:
            stream.flush()

    def _note(self, number: int, *, is_open: bool) -> None:
        for i in (0, 1) if self._are_together else (number - 1,):
            self._open[i] = is_open


def _are_together(out: Stream, err: Stream) -> bool:
    """Whether people see both streams in one place: in one file, or through two pipes, as those to mpirun."""
    try:
        one, other = os.fstat(out.fileno()), os.fstat(err.fileno())
    except (OSError, ValueError):
        return False
    is_same = (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)
    return is_same or (_is_pipe(one.st_mode) and _is_pipe(other.st_mode))


def _is_pipe(mode: int) -> bool:
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)
