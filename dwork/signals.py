"""Signals as input: handlers do nothing, the signal's number arrives at a descriptor that a loop can sleep on."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Container, Iterable
from types import FrameType, TracebackType


def _ignore(_signal: int, _frame: FrameType | None) -> None:
    """A handler must exist for the wake-up descriptor to be written; SIG_IGN would lose the signal."""


class Signals:
    """Catches the given signals while it is open, in the main thread of a process; there can be one at a time."""

    def __init__(self, wanted: Iterable[signal.Signals]) -> None:
        self.descriptor, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._old_descriptor = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        self._old = {number: signal.signal(number, _ignore) for number in wanted}
        for number in self._old:
            signal.siginterrupt(number, False)

    def take(self) -> set[int]:
        """The signals that have come since the last call."""
        try:
            return set(os.read(self.descriptor, 4096))
        except BlockingIOError:
            return set()

    def pause(self, seconds: float, wanted: Container[int]) -> bool:
        """Sleep for so long, or until one of these comes, and return whether it has; others are lost."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            select.select([self.descriptor], (), (), left)
            if any(number in wanted for number in self.take()):
                return True
        return False

    def close(self) -> None:
        for number, handler in self._old.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._old_descriptor)
        os.close(self.descriptor)
        os.close(self._write)

    def __enter__(self) -> Signals:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
