"""What tasks print: each stream of an attempt is a pipe, and the worker reads it when something is there.

Pipes, since a task may say `> /dev/stderr`, which empties a file. Fresh ones for each attempt, since what a task leaves
behind still has the old ones: what that says is read, so that it need not wait, and thrown away.

What is short travels with the result, the rest in pieces through a sink. What a task prints that runs for some time is
passed on meanwhile, so that it can be followed, and is not lost with the worker.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
from collections.abc import Callable
from typing import Final

from dwork.runner.stream import SHORT, TaskStream

#: The size of a piece of longer output, in bytes.
PIECE: Final = 256 * 1024
#: Bytes of a pipe that are read at a time, and at the most before something else is done.
READ, TURN = 64 * 1024, 1024 * 1024
#: Seconds that a worker leaves pipes alone which fill slowly, from the first to the longest such pause.
PAUSE: Final = (0.00025, 0.008)
#: Seconds that it leaves new ones alone: the end of a short task would wake it twice.
FRESH: Final = 0.002

#: sink(task id, attempt, stream 1 or 2, position in it, bytes) takes output that is too long for a result, before that
#: is returned. attempt: 0 for the one that runs.
Sink = Callable[[int, int, int, int, bytes], None]


class Captured:
    """Of one attempt: its stdout and stderr, and the ends of the pipes that it writes to and that are read."""

    __slots__ = ("ends", "fds", "streams")

    def __init__(self, fds: list[int], ends: tuple[int, int]) -> None:
        self.streams = (TaskStream(), TaskStream())
        self.fds = fds
        self.ends = ends

    @property
    def sent(self) -> tuple[int, ...]:
        """How many bytes of each stream have gone through the sink; empty when none has."""
        out, err = self.streams
        return (out.sent, err.sent) if out.sent or err.sent else ()

    def rewind(self) -> None:
        """All of it is to go through the sink again."""
        for stream in self.streams:
            stream.sent = 0

    def close(self) -> None:
        """Nobody wants what it printed any more."""
        for stream in self.streams:
            stream.close()

    @property
    def trouble(self) -> str:
        """Why not all of it could be kept, or empty."""
        return self.streams[0].trouble or self.streams[1].trouble


class Capture:
    """The pipes of one worker. limit: bytes of one stream that are passed on; 0: all.

    descriptor: readable when one of the pipes is, but for new ones. While it `rests`, `look` not before `rests_until`.
    """

    def __init__(self, sink: Sink) -> None:
        self.limit = 0
        self.rests_until = 0.0
        self._sink = sink
        self._pause = 0.0
        self._epoll = select.epoll()
        self.descriptor = self._epoll.fileno()
        self._streams: dict[int, TaskStream | None] = {}  # by the end that is read; None: of something left behind
        self._fresh: set[int] = set()  # those of them that wake nobody yet

    def begin(self) -> Captured:
        """For an attempt that is about to start; OSError when there can be no pipe."""
        while True:
            fds: list[int] = []
            try:
                fds += os.pipe2(os.O_CLOEXEC)
                fds += os.pipe2(os.O_CLOEXEC)
            except OSError as error:
                for fd in fds:
                    os.close(fd)
                left_behind = next((fd for fd, stream in self._streams.items() if stream is None), None)
                if error.errno != errno.EMFILE or left_behind is None:
                    raise
                self._close(left_behind)  # tasks come first
                continue
            out, out_end, err, err_end = fds
            return Captured([out, err], (out_end, err_end))

    def started(self, captured: Captured, now: float) -> None:
        """It runs, and has the other ends."""
        for end in captured.ends:
            os.close(end)
        for fd, stream in zip(captured.fds, captured.streams, strict=True):
            os.set_blocking(fd, False)
            self._streams[fd] = stream
        self._fresh.update(captured.fds)
        if now >= self.rests_until:
            self.rests_until = now + FRESH

    @staticmethod
    def drop(captured: Captured) -> None:
        """It could not start."""
        for fd in (*captured.ends, *captured.fds):
            os.close(fd)

    def rests(self, now: float) -> bool:
        """Whether it is not to be woken by a pipe: `look` when the rest is over, also when that has just been."""
        return bool(self._fresh) or now < self.rests_until

    def look(self, now: float) -> None:
        """Read what is there; while pipes fill slowly only now and then, or chatty tasks would keep the worker busy."""
        if not self._streams or now < self.rests_until:
            return
        while self._fresh:
            self._epoll.register(self._fresh.pop(), select.EPOLLIN)
        is_any = is_full = False
        for fd, _ in self._epoll.poll(0):
            capacity = fcntl.fcntl(fd, fcntl.F_GETPIPE_SZ)
            is_full = 2 * self._read(fd, TURN) >= capacity or is_full
            is_any = True
        if is_full:
            self._pause = 0.0
        elif is_any:
            least, most = PAUSE
            self._pause = min(max(least, 2 * self._pause), most)
            self.rests_until = now + self._pause

    def pass_on(self, task: int, captured: Captured, attempt: int = 0) -> None:
        """Pass on what it has printed so far."""
        for number, stream in enumerate(captured.streams, 1):
            while piece := stream.piece(PIECE):
                self._sink(task, attempt, number, stream.sent, piece)
                stream.sent += len(piece)
                stream.is_ahead = True

    def end(self, task: int, captured: Captured) -> tuple[bytes, bytes]:
        """It has ended: what it printed, when that is short; else that went through the sink, and may have to again."""
        for fd, stream in zip(captured.fds, captured.streams, strict=True):
            if self._streams.get(fd) is stream:  # else it has been closed, and the number may be another's
                self._drain(fd)
        out, err = captured.streams
        if not out.size and not err.size:
            return b"", b""
        short = self._short(out), self._short(err)
        self.pass_on(task, captured)
        return short

    def _short(self, stream: TaskStream) -> bytes:
        """All of it, when that can travel with the result."""
        stream.end(self.limit)
        if stream.is_ahead or stream.size > min(SHORT, self.limit or SHORT):
            return b""
        short = stream.piece(SHORT)
        stream.length = 0  # nothing is to be passed on
        return short

    def close(self) -> None:
        """Nothing runs any more."""
        for fd in list(self._streams):
            self._close(fd)
        self._epoll.close()

    def _read(self, fd: int, most: int) -> int:
        """Read what is there, or about so much of it; return how much it was."""
        stream = self._streams[fd]
        n = 0
        while n < most:
            try:
                data = os.read(fd, READ)
            except BlockingIOError:
                break
            if not data:
                self._close(fd)
                break
            n += len(data)
            if stream is not None:
                stream.add(data, self.limit)
        return n

    def _drain(self, fd: int) -> None:
        """Its task has ended: read what it can have left there, and no more, since something else may go on writing."""
        if self._read(fd, READ) >= READ and fd in self._streams:  # it may have made its pipe larger
            self._read(fd, fcntl.fcntl(fd, fcntl.F_GETPIPE_SZ))
        if fd in self._streams:
            self._streams[fd] = None

    def _close(self, fd: int) -> None:
        del self._streams[fd]
        if fd in self._fresh:
            self._fresh.remove(fd)
        else:  # a child that is just being started may still have a copy, and would keep it in there
            self._epoll.unregister(fd)
        os.close(fd)
