"""The clock of every loop, and how a loop sleeps until a frame comes."""

from __future__ import annotations

import math
import select
import time
from collections.abc import Sequence
from typing import Final, Protocol

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
