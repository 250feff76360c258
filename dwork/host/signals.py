"""Signals as input: handlers do nothing; the signal's number arrives at a descriptor that a loop can wait for."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Container, Iterable
from types import FrameType, TracebackType
from typing import Final

from dwork.core.errors import InterruptError
from dwork.host.batch_job import job

#: What batch systems send when a job ends or is about to; HUP and INT come from terminals as well.
ENDS: Final = (signal.SIGHUP, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM, signal.SIGXCPU)
_FROM_TERMINALS: Final = {signal.SIGHUP, signal.SIGINT}


def within_a_job() -> bool:
    """Whether a signal may come from a batch system, which sends it to the tasks, too."""
    return bool(job())


def end_of_job(numbers: set[int]) -> int:
    """Return the signal that announces the end of the job, of those given; 0 when none does.

    SIGHUP and SIGINT (Ctrl-C) announce it only within a batch job.
    """
    for number in sorted(numbers.intersection(ENDS)):
        if number not in _FROM_TERMINALS or within_a_job():
            return number
    return 0


def _interrupt(number: int, _frame: FrameType | None) -> None:
    name = signal.Signals(number).name
    raise InterruptError(f"{name} received before any task was started; run the same command again to continue")


def hold() -> None:
    """Block the signals of ENDS until `interrupt` or `Signals` is used: there is no way to clean up yet."""
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDS)


def interrupt() -> None:
    """Let each signal of ENDS that is not ignored raise InterruptError, until `Signals` or `ignore` is called."""
    for number in ENDS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDS)


def _caught(wanted: Iterable[signal.Signals]) -> list[signal.Signals]:
    """Return the wanted signals, without SIGHUP if the parent (nohup) has set it to be ignored."""
    is_nohup = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return [number for number in wanted if number is not signal.SIGHUP or not is_nohup]


def ignore() -> None:
    """Ignore the signals of ENDS from now on: the work is done, and the exit code must not change."""
    for number in ENDS:
        signal.signal(number, signal.SIG_IGN)


def _pass(_signal: int, _frame: FrameType | None) -> None:
    """Do nothing: the wake-up descriptor is written only for signals with a handler; SIG_IGN would lose them."""


class Signals:
    """Catch the given signals while this is open; one at a time, in the main thread.

    is_last: nothing is left to do when it is closed, so `close` makes the process ignore the signals of ENDS.
    """

    def __init__(self, wanted: Iterable[signal.Signals], *, is_last: bool = False) -> None:
        self._is_last = is_last
        self.descriptor, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._old_descriptor = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        self._old = {number: signal.signal(number, _pass) for number in _caught(wanted)}
        for number in self._old:
            signal.siginterrupt(number, False)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, self._old)

    def take(self) -> set[int]:
        """Return the signals received since the last call."""
        try:
            return set(os.read(self.descriptor, 4096))
        except BlockingIOError:
            return set()

    def pause(self, seconds: float, wanted: Container[int]) -> bool:
        """Sleep for `seconds`, or until a wanted signal arrives; return whether one has. Other signals are lost."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            select.select([self.descriptor], (), (), left)
            if any(number in wanted for number in self.take()):
                return True
        return False

    def close(self) -> None:
        for number, handler in self._old.items():
            signal.signal(number, signal.SIG_IGN if self._is_last and number in ENDS else handler)
        signal.set_wakeup_fd(self._old_descriptor)
        os.close(self.descriptor)
        os.close(self._write)

    def __enter__(self) -> Signals:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
