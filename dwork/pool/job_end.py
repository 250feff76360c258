"""The end of the batch job, for the hub and for people."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from dwork.host.walltime import Walltime
from dwork.pool.settings import PoolSettings
from dwork.server.hub_loop import HubLoop
from dwork.transport.waiting import clock


class JobEnd:
    """Sets the hub's end of the job, now and whenever `check` finds that it has changed."""

    def __init__(self, settings: PoolSettings, loop: HubLoop, tell: Callable[[str], None]) -> None:
        self._settings = settings
        self._loop = loop
        self._tell = tell
        self._walltime = Walltime(settings.walltime, clock())
        self.close = self._walltime.close
        self._expect()

    @property
    def next(self) -> float:
        """When to check again, even if nothing happens until then."""
        return self._walltime.next

    def check(self) -> None:
        """Check whether the end of the job has changed."""
        is_time = clock() >= self._walltime.next or self._walltime.is_asking
        if is_time and self._walltime.poll(clock()):
            self._expect()

    def _expect(self) -> None:
        end, before = self._walltime.end, self._settings.drain_before
        if end < math.inf:
            self._loop.carry_out(self._loop.hub.expect_end(end, before, self._settings.min_time, clock()))
            at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(end))
            self._tell(f"the job ends at {at}; running tasks are ended {before:g} s before")
