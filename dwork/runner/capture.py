"""The output of tasks: each stream of an attempt is a pipe, which the worker reads when there is data.

Pipes, since a task may use `> /dev/stderr`, which would truncate a file. New ones for each attempt, since processes
that a task leaves behind still have the old ones: their output is read, so that they do not block, and discarded.

Short output travels with the result, longer output in pieces through a sink. The output of a task that runs for some
time is passed on while it runs, so that it can be followed, and is not lost with the worker.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from dwork.runner.setup_output import SetupOutput
from dwork.runner.stream import SHORT, TaskStream

#: Size of a piece of longer output, in bytes.
PIECE: Final = 256 * 1024
#: Bytes read from a pipe at a time, and at most before another pipe has its turn.
READ, TURN = 64 * 1024, 1024 * 1024
#: Shortest and longest pause in seconds between two readings of pipes that fill slowly.
PAUSE: Final = (0.00025, 0.008)
#: Seconds before a new pipe is watched: the end of a short task would wake the worker twice.
FRESH: Final = 0.002

#: The first descriptor that a script cannot name in every shell.
_ABOVE_SHELLS: Final = 10

#: sink(task id, attempt, stream 1 or 2, position in the stream, bytes) takes output that is too long for a result,
#: before the result is returned. attempt: 0 for the running one.
Sink = Callable[[int, int, int, int, bytes], None]


class Captured:
    """The output of one attempt. streams: its stdout and stderr; ends: the pipe ends it writes to; fds: those read.

    setup: the output of its setup block, for which there is a third pipe; None: it has none.
    """

    __slots__ = ("ends", "fds", "setup", "streams")

    def __init__(self, fds: Sequence[int], ends: Sequence[int]) -> None:
        self.streams = (TaskStream(), TaskStream())
        self.setup = SetupOutput(self.streams[1]) if len(fds) > len(self.streams) else None
        self.fds = fds
        self.ends = ends

    @property
    def readers(self) -> Iterator[tuple[int, TaskStream | SetupOutput]]:
        """What is read from each pipe, in the order in which to read them: a setup block prints before its task."""
        out, err = self.streams
        return zip(reversed(self.fds), (err, out) if self.setup is None else (self.setup, err, out), strict=True)

    @property
    def sent(self) -> tuple[int, ...]:
        """Bytes of each stream that went through the sink; empty when none did."""
        out, err = self.streams
        return (out.sent, err.sent) if out.sent or err.sent else ()

    @property
    def has_more(self) -> bool:
        """Whether there is output to pass on."""
        out, err = self.streams
        return out.sent < out.length or err.sent < err.length

    def rewind(self) -> None:
        """Send all output through the sink again, from its start."""
        for stream in self.streams:
            stream.sent = 0

    def close(self) -> None:
        """Discard the output."""
        for stream in self.streams:
            stream.close()

    @property
    def trouble(self) -> str:
        """Why not all output could be stored, or empty."""
        return self.streams[0].trouble or self.streams[1].trouble


class Capture:
    """The pipes of one worker. limit: most bytes of one stream that are passed on; 0: all.

    passes_on: whether to pass on output before its task ends. discarded: bytes that processes left behind have printed.
    descriptor: readable when any of the pipes is, except new ones. While it `rests`, call `look` at `rests_until`.
    """

    def __init__(self, sink: Sink) -> None:
        self.limit = 0
        self.passes_on = False
        self.discarded = 0
        self.rests_until = 0.0
        self._sink = sink
        self._pause = 0.0
        self._epoll = select.epoll()
        self.descriptor = self._epoll.fileno()
        # By the read end; None: only a process left behind has it.
        self._streams: dict[int, TaskStream | SetupOutput | None] = {}
        self._fresh: set[int] = set()  # new ones, which are not watched yet

    def begin(self, *, has_setup: bool = False) -> Captured:
        """Create the pipes of an attempt that is about to start; OSError when that fails."""
        while True:
            fds: list[int] = []
            try:
                for _ in range(3 if has_setup else 2):
                    fds += os.pipe2(os.O_CLOEXEC)
            except OSError as error:
                for fd in fds:
                    os.close(fd)
                left_behind = next((fd for fd, stream in self._streams.items() if stream is None), None)
                if error.errno != errno.EMFILE or left_behind is None:
                    raise
                self._close(left_behind)  # a task is worth more
                continue
            if has_setup and fds[-1] < _ABOVE_SHELLS:  # posix_spawn may not be able to pass a descriptor on as itself
                low, fds[-1] = fds[-1], fcntl.fcntl(fds[-1], fcntl.F_DUPFD_CLOEXEC, _ABOVE_SHELLS)
                os.close(low)
            return Captured(fds[::2], fds[1::2])

    def started(self, captured: Captured, now: float) -> None:
        """Watch the pipes of an attempt that has started, and close our copies of its ends."""
        for end in captured.ends:
            os.close(end)
        for fd, stream in captured.readers:
            os.set_blocking(fd, False)
            self._streams[fd] = stream
        self._fresh.update(captured.fds)
        if now >= self.rests_until:
            self.rests_until = now + FRESH

    @staticmethod
    def drop(captured: Captured) -> None:
        """Close the pipes of an attempt that could not start."""
        for fd in (*captured.ends, *captured.fds):
            os.close(fd)

    def rests(self, now: float) -> bool:
        """Whether to ignore `descriptor`, and to call `look` at `rests_until`, even if that has just passed."""
        return bool(self._fresh) or now < self.rests_until

    def look(self, now: float) -> bool:
        """Read what is available; return whether there was anything.

        Slow pipes are read only now and then: small writes must not keep the worker busy.
        """
        if not self._streams or now < self.rests_until:
            return False
        while self._fresh:
            self._epoll.register(self._fresh.pop(), select.EPOLLIN)
        is_any = is_full = False
        for fd in self._readable():
            capacity = fcntl.fcntl(fd, fcntl.F_GETPIPE_SZ)
            is_full = 2 * self._read(fd, TURN) >= capacity or is_full
            is_any = True
        if is_full:
            self._pause = 0.0
        elif is_any:
            least, most = PAUSE
            self._pause = min(max(least, 2 * self._pause), most)
            self.rests_until = now + self._pause
        return is_any

    def _readable(self) -> list[int]:
        """Return the pipes that have data, those of setup blocks first."""
        fds = [fd for fd, _ in self._epoll.poll(0)]
        return sorted(fds, key=lambda fd: not isinstance(self._streams[fd], SetupOutput)) if len(fds) > 1 else fds

    def pass_on(self, task: int, captured: Captured, attempt: int = 0) -> None:
        """Pass the output so far on through the sink."""
        for number, stream in enumerate(captured.streams, 1):
            while piece := stream.piece(PIECE):
                self._sink(task, attempt, number, stream.sent, piece)
                stream.sent += len(piece)
                stream.is_ahead = True

    def end(self, task: int, captured: Captured) -> tuple[bytes, bytes]:
        """Return stdout and stderr of an ended attempt, each if it is short; longer output went through the sink.

        The sink may need that again: see `rewind`.
        """
        for fd, stream in captured.readers:
            if self._streams.get(fd) is stream:  # else it was closed, and the number may be reused
                self._drain(fd)
            if isinstance(stream, SetupOutput):
                stream.end(self.limit)
        out, err = captured.streams
        if not out.size and not err.size:
            return b"", b""
        short = self._short(out), self._short(err)
        self.pass_on(task, captured)
        return short

    def _short(self, stream: TaskStream) -> bytes:
        """Return the whole stream if it can travel with the result; else nothing."""
        stream.end(self.limit)
        if stream.is_ahead or stream.size > min(SHORT, self.limit or SHORT):
            return b""
        short = stream.piece(SHORT)
        stream.length = 0  # nothing is to be passed on
        return short

    def close(self) -> None:
        """Close all pipes, once nothing runs any more."""
        for fd in list(self._streams):
            self._close(fd)
        self._epoll.close()

    def _read(self, fd: int, most: int) -> int:
        """Read what is available, about `most` bytes at most; return the number of bytes."""
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
            if stream is None:
                self.discarded += len(data)
            else:
                stream.add(data, self.limit)
        return n

    def _drain(self, fd: int) -> None:
        """Read what an ended task can have left in the pipe, and no more: processes it left behind may keep writing."""
        if self._read(fd, READ) >= READ and fd in self._streams:  # it may have made its pipe larger
            self._read(fd, fcntl.fcntl(fd, fcntl.F_GETPIPE_SZ))
        if fd in self._streams:
            self._streams[fd] = None

    def _close(self, fd: int) -> None:
        del self._streams[fd]
        if fd in self._fresh:
            self._fresh.remove(fd)
        else:  # a child that is being started may have a copy, which would keep it registered
            self._epoll.unregister(fd)
        os.close(fd)
