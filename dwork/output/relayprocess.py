"""The process that writes the output of a pool: `relayprocess.py STATUS IN:OUT...`, all descriptors. See relay.py.

It reads each IN at once, and one thread per stream writes to OUT, so that a stalled reader (`| less`, Ctrl-S, a file
system that hangs) blocks only that thread. Data that waits is kept in memory, then in unnamed temporary files; when
their disk is full too, reading stops until something has been written.

When OUT cannot be written any more, `OUT ERRNO` is written to STATUS, and then IN is closed. Signals are handled by the
parent, which has blocked them here. Only a little of the standard library is used, since this starts with each pool.
"""

import os
import select
import sys
import threading
from collections import deque

#: In bytes: what waits in memory per stream, the size of one temporary file, and what is read at a time.
MEMORY = 4 * 1024 * 1024
FILE = 64 * 1024 * 1024
PIECE = 256 * 1024


class _File:
    """An unnamed temporary file that is written and read once. Closing it frees its disk space."""

    def __init__(self) -> None:
        from tempfile import TemporaryFile  # rarely needed, and slower than all other imports

        self.file = TemporaryFile(buffering=0)  # noqa: SIM115
        self.end = self.read = 0

    def put(self, data: bytes) -> bytes:
        """Write what fits, and return the rest; OSError when nothing fits."""
        written = os.pwrite(self.file.fileno(), data, self.end)
        self.end += written
        return data[written:]

    def take(self) -> bytes:
        data = os.pread(self.file.fileno(), min(PIECE, self.end - self.read), self.read)
        self.read += len(data)
        return data


class Backlog:
    """Data that has been read and not yet written, in order: memory first, then files, then `held`.

    held: data for which there is no room; nothing more may be put while it is not empty. wake: a descriptor that gets a
    byte when there is room again.
    """

    def __init__(self, wake: int) -> None:
        self.held = b""
        self._wake = wake
        self._changed = threading.Condition()
        self._memory: deque[bytes] = deque()
        self._size = 0
        self._files: deque[_File] = deque()
        self._has_ended = False

    def put(self, data: bytes) -> None:
        with self._changed:
            self.held = self._stored(data)
            self._changed.notify()

    def end(self) -> None:
        """Mark the end of the data."""
        with self._changed:
            self._has_ended = True
            self._changed.notify()

    def take(self) -> bytes:
        """Wait for the next piece and return it; empty at the end."""
        with self._changed:
            while not (data := self._next()) and not (self._has_ended or self.held):
                self._changed.wait()
            if self.held:
                self.held = self._stored(self.held)
                data = data or self._next()
                if not self.held:
                    os.write(self._wake, b".")
            return data

    def _stored(self, data: bytes) -> bytes:
        """Store data, and return the part for which there is no room."""
        if not self._files and (not self._size or self._size + len(data) <= MEMORY):
            self._memory.append(data)
            self._size += len(data)
            return b""
        try:
            while data:
                if not self._files or self._files[-1].end >= FILE:
                    self._files.append(_File())
                data = self._files[-1].put(data)
        except OSError:  # the disk is full
            pass
        return data

    def _next(self) -> bytes:
        if self._memory:
            data = self._memory.popleft()
            self._size -= len(data)
            return data
        while self._files and self._files[0].read == self._files[0].end:
            self._files.popleft().file.close()
        return self._files[0].take() if self._files else b""


class RelayedStream:
    """One of the two streams that are passed on."""

    def __init__(self, source: int, target: int, status: int, wake: int) -> None:
        self.source = source
        self.is_broken = False
        self.backlog = Backlog(wake)
        self._target = target
        self._status = status
        self._wake = wake
        self.writer = threading.Thread(target=self._write, daemon=True)
        self.writer.start()

    def read(self) -> bool:
        """Read what is available; return False at the end of the stream."""
        data = os.read(self.source, PIECE)
        if data:
            self.backlog.put(data)
        else:
            self.backlog.end()
        return bool(data)

    def _write(self) -> None:
        try:
            while data := self.backlog.take():
                _write_all(self._target, data)
        except OSError as error:
            os.write(self._status, b"%d %d\n" % (self._target, error.errno or 0))
            self.is_broken = True
            os.write(self._wake, b".")


def _write_all(target: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(target, view) :]
        except BlockingIOError:  # another process has made it non-blocking
            select.select((), (target,), ())


def pass_on(status: int, pairs: list[tuple[int, int]]) -> None:
    """Pass on all streams until their ends are written, or cannot be."""
    woken, wake = os.pipe()
    streams = {source: RelayedStream(source, target, status, wake) for source, target in pairs}
    writers = [stream.writer for stream in streams.values()]
    while streams:
        free = [stream.source for stream in streams.values() if not stream.backlog.held]
        ready, _, _ = select.select([woken, *free], (), ())
        if woken in ready:
            os.read(woken, 4096)
        for stream in list(streams.values()):
            if stream.is_broken or (stream.source in ready and not stream.read()):
                os.close(stream.source)
                del streams[stream.source]
    for writer in writers:
        writer.join()


if __name__ == "__main__":
    pass_on(int(sys.argv[1]), [(int(pair.split(":")[0]), int(pair.split(":")[1])) for pair in sys.argv[2:]])
    os._exit(0)
