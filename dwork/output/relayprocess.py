"""The process that writes what a pool prints: `relayprocess.py STATUS IN:OUT...`, by descriptors. See relay.py.

It takes in what comes at each IN at once, and a thread of its own writes it to OUT, so that a reader who stands still
(`| less`, Ctrl-S, a file system that hangs) holds up that thread alone. What waits is in memory, then in unnamed
temporary files; when their disk is full too, nothing more is taken in until something has been written.

When OUT cannot be written any more, `OUT ERRNO` is said at STATUS, and then IN is closed. Signals are for whoever
started this: they are blocked already. Only the standard library is used, and little of it: this starts with each pool.
"""

import os
import select
import sys
import threading
from collections import deque

#: Bytes of a stream that wait in memory, that one file has, and that are read at a time.
MEMORY = 4 * 1024 * 1024
FILE = 64 * 1024 * 1024
PIECE = 256 * 1024


class _File:
    """An unnamed temporary file, which is written and read once. Its disk is free again when it is closed."""

    def __init__(self) -> None:
        from tempfile import TemporaryFile  # most never need it, and it takes longer than all the rest

        self.file = TemporaryFile(buffering=0)  # noqa: SIM115
        self.end = self.read = 0

    def put(self, data: bytes) -> bytes:
        """Keep what there is room for, and return the rest; OSError when there is room for nothing."""
        written = os.pwrite(self.file.fileno(), data, self.end)
        self.end += written
        return data[written:]

    def take(self) -> bytes:
        data = os.pread(self.file.fileno(), min(PIECE, self.end - self.read), self.read)
        self.read += len(data)
        return data


class Backlog:
    """What has been read and not yet written, in order: memory first, then files, then `held`.

    held: what there is no room for; until there is, nothing more may be put in. wake: told when there is again.
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
        """Nothing more will come."""
        with self._changed:
            self._has_ended = True
            self._changed.notify()

    def take(self) -> bytes:
        """Wait for the next piece; empty when there is none any more."""
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
        """Keep it, and return what there is no room for."""
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
    """One of the two that are passed on."""

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
        """Take in what is there; False at the end."""
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
        except BlockingIOError:  # somebody who shares it wants it so
            select.select((), (target,), ())


def pass_on(status: int, pairs: list[tuple[int, int]]) -> None:
    """Do so until all that comes is written, or cannot be."""
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
