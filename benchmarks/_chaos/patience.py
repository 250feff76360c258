"""Limits of waits on a machine that others use, too: seconds count less while more processes want to run than can.

What is waited for is mostly due at a time, and partly work: a share of _WORK, which takes as many times longer as there
are processes for each core.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Final

#: Seconds between two looks at a condition.
_LOOK: Final = 0.05
#: A longer pause between two looks says that this process got no time, and counts as one of this length.
_LONGEST: Final = 0.5
#: How limits are meant.
MACHINE: Final = "on a machine without other load"
#: The share of a wait that is work.
_WORK: Final = 0.1


class Stalled(Exception):
    """Something took longer than it may."""


class GivenUp(Exception):
    """The rounds were interrupted."""


#: Set when the rounds are interrupted: all waits end.
given_up = threading.Event()


class Patience:
    """Counts seconds of a machine without other load."""

    def __init__(self) -> None:
        self._cores = len(os.sched_getaffinity(0))
        self._last = time.monotonic()
        self.spent = 0.0

    def look(self) -> float:
        """Return the seconds so far; GivenUp when there is nothing to wait for any more."""
        if given_up.is_set():
            raise GivenUp
        now = time.monotonic()
        slowness = max(1.0, (_runnable() - 1) / self._cores)
        self.spent += min(now - self._last, _LONGEST) / (1.0 - _WORK + _WORK * slowness)
        self._last = now
        return self.spent


def wait_until(condition: Callable[[], object], limit: float, what: Callable[[], str]) -> None:
    """Look again and again until a condition holds; Stalled after `limit` seconds of a machine without other load."""
    patience = Patience()
    while not condition():
        if patience.look() > limit:
            raise Stalled(f"{what()} ({limit:g} s, {MACHINE})")
        time.sleep(_LOOK)


def _runnable() -> int:
    """Return the number of processes that run or want to."""
    with open("/proc/loadavg") as file:
        return int(file.read().split()[3].partition("/")[0])
