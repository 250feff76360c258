"""The clock of every loop, how a loop sleeps until a frame comes, and how it notices that it stood still."""

from __future__ import annotations

import math
import select
import time
from collections.abc import Sequence
from typing import Final, Protocol

from dwork.core.messages import STANDSTILL
from dwork.transport import Transport

#: The longest sleep in seconds: the system limits what it accepts, and peers may request more.
LONGEST = 3600.0

_EPOCH = time.time() - time.monotonic()


def clock() -> float:
    """Return seconds since the epoch, by a clock that is never set back."""
    return _EPOCH + time.monotonic()


def sleep(transports: Sequence[Transport], descriptors: Sequence[int], until: float, hurry: bool = True) -> None:
    """Sleep until a frame has or may have arrived, one of `descriptors` is readable, or the clock reaches `until`.

    hurry: as for Transport.nap.
    """
    watched = [*descriptors, *(fd for t in transports for fd in t.descriptors)]
    while True:
        nap = min([t.nap(hurry) for t in transports], default=math.inf)
        left = until - clock()
        if nap <= 0 or left <= 0:
            return
        nap = min(nap, left, LONGEST)
        if _is_readable(watched, nap):
            return


def _is_readable(watched: Sequence[int], seconds: float) -> bool:
    """Wait for one of these descriptors, with a precision of microseconds if possible."""
    try:
        return bool(select.select(watched, (), (), seconds)[0])
    except ValueError:  # one is above 1,023, as the tasks of a worker with hundreds of slots have the others
        poll = select.poll()
        for descriptor in watched:
            poll.register(descriptor, select.POLLIN)
        return bool(poll.poll(1000 * seconds))


class Clock(Protocol):
    """The time of a loop, and its sleep: `clock` and `sleep`, or those of a test."""

    def now(self) -> float: ...

    def sleep(
        self, transports: Sequence[Transport], descriptors: Sequence[int], until: float, hurry: bool = True
    ) -> None: ...


class _SystemClock:
    now = staticmethod(clock)
    sleep = staticmethod(sleep)


SYSTEM: Final[Clock] = _SystemClock()


class Standstill:
    """Notices that a loop stood still: its process was suspended, usually with its whole job, or its file system hung.

    A loop that is late by STANDSTILL stood still. Time that passes within its sleep is not noticed.
    """

    def __init__(self, now: float) -> None:
        self._awake_by = now

    def sleep(self, now: float, until: float, longest: float = math.inf) -> float:
        """Note a sleep until then, of at most `longest` seconds, and return when it ends."""
        self._awake_by = max(now, min(until, now + longest))
        return self._awake_by

    def check(self, now: float) -> float:
        """Return for how many seconds the loop stood still since the last check; 0.0 when it did not."""
        late, self._awake_by = now - self._awake_by, now
        return late if late >= STANDSTILL else 0.0
