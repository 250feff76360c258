"""What tasks print: each stream of an attempt goes to an unnamed temporary file (in $TMPDIR).

So it is never in memory as a whole. What is short travels with the result, the rest in pieces through a sink. What a
task prints that runs for some time is passed on meanwhile, so that it can be followed, and is not lost with the worker.
Of more than `limit` bytes the middle is left out.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from typing import Final

#: Output up to this many bytes travels with the result.
SHORT: Final = 32 * 1024
#: The size of a piece of longer output, in bytes.
PIECE: Final = 256 * 1024

#: sink(task id, stream 1 or 2, bytes) takes output that is too long for a result, before its result is returned.
Sink = Callable[[int, int, bytes], None]


class Captured:
    """Of one attempt: the descriptors for its stdout and stderr, and how many bytes of each are passed on."""

    __slots__ = ("files", "passed")

    def __init__(self, files: tuple[int, int]) -> None:
        self.files = files
        self.passed = [0, 0]


class Capture:
    """The files of one worker, which are used again. limit: bytes of one stream that are passed on; 0: all."""

    def __init__(self, sink: Sink) -> None:
        self.limit = 0
        self._sink = sink
        self._directory = tempfile.gettempdir()
        self._spare: list[tuple[int, int]] = []

    def begin(self) -> Captured:
        """For an attempt that is about to start; OSError when no file can be made."""
        return Captured(self._spare.pop() if self._spare else (self._file(), self._file()))

    def drop(self, captured: Captured) -> None:
        """It could not start."""
        self._spare.append(captured.files)

    def pass_on(self, task: int, captured: Captured) -> None:
        """Pass on what it has printed so far."""
        for stream, fd in enumerate(captured.files):
            size = os.fstat(fd).st_size
            self._pass(task, captured, stream, min(size, self.limit // 2) if self.limit else size)

    def end(self, task: int, captured: Captured, *, is_open: bool) -> tuple[bytes, bytes]:
        """It has ended: what it printed, when that is short. is_open: something may still write to the files."""
        sizes = [os.fstat(fd).st_size for fd in captured.files]
        stdout, stderr = b"", b""
        if any(sizes):
            stdout = self._rest(task, captured, 0, sizes[0])
            stderr = self._rest(task, captured, 1, sizes[1])
        if is_open:
            for fd in captured.files:
                os.close(fd)
        else:
            for fd, size in zip(captured.files, sizes, strict=True):
                if size:
                    os.ftruncate(fd, 0)
            self._spare.append(captured.files)
        return stdout, stderr

    def close(self) -> None:
        """Nothing runs any more."""
        for pair in self._spare:
            for fd in pair:
                os.close(fd)
        self._spare.clear()

    def _rest(self, task: int, captured: Captured, stream: int, size: int) -> bytes:
        """What is short; else it goes through the sink, piece by piece."""
        if size <= min(SHORT, self.limit or SHORT) and not captured.passed[stream]:
            return os.pread(captured.files[stream], size, 0) if size else b""
        left_out = size - self.limit
        if self.limit and left_out > 0:
            self._pass(task, captured, stream, self.limit // 2)
            mark = f"\n[dwork: {left_out:,} bytes are left out here]\n"
            self._sink(task, stream + 1, mark.encode())
            captured.passed[stream] += left_out
        self._pass(task, captured, stream, size)
        return b""

    def _pass(self, task: int, captured: Captured, stream: int, end: int) -> None:
        passed = captured.passed
        while passed[stream] < end:
            piece = os.pread(captured.files[stream], min(PIECE, end - passed[stream]), passed[stream])
            if not piece:  # the task has cut its own output
                return
            self._sink(task, stream + 1, piece)
            passed[stream] += len(piece)

    def _file(self) -> int:
        try:
            return os.open(self._directory, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC | os.O_APPEND, 0o600)
        except OSError:  # a file system without unnamed files
            with tempfile.TemporaryFile(dir=self._directory) as file:
                return os.dup(file.fileno())
