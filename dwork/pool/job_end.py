"""The end of the batch job, for the hub and for people."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from typing import Final

from dwork.core.errors import UsageError
from dwork.core.task import Task
from dwork.core.text import shown
from dwork.host.signals import within_a_job
from dwork.host.walltime import Walltime
from dwork.pool.settings import PoolSettings
from dwork.server.hub_loop import HubLoop
from dwork.transport.waiting import Standstill, clock

#: The longest sleep in seconds of a pool whose end is known: a standstill within it is not noticed.
LONGEST_SLEEP: Final = 1.0


def check_times(tasks: Iterable[Task], settings: PoolSettings) -> None:
    """Raise UsageError when a task may take longer to end than the rest of the job, or is warned too late."""
    if settings.walltime is None and not within_a_job():
        return
    before, policy = settings.drain_before, settings.policy
    given = [("--grace ", "--warn ", policy.grace, policy.warn)]
    asked = {id(task.options): task for task in tasks}.values()  # a million tasks share a few
    for task in asked:
        name = shown(task.name)
        given.append((f"{name}: grace=", f"{name}: warn=", task.options.grace, task.options.warn))
    for grace_of, warn_of, grace, warn in given:
        if grace is not None and grace >= before:
            raise UsageError(
                f"{grace_of}{grace:g}s is not shorter than --drain-before ({before:g} s), so the job could end first; "
                "give a longer --drain-before"
            )
        if warn is not None and warn.before <= before:
            raise UsageError(
                f"{warn_of}{warn} is too late: running tasks get SIGTERM {before:g} s before the end of the job "
                "(--drain-before); give an earlier time"
            )


class JobEnd:
    """Sets the hub's end of the job, now and whenever `check` finds that it has changed."""

    def __init__(self, settings: PoolSettings, loop: HubLoop, tell: Callable[[str], None]) -> None:
        self._settings = settings
        self._loop = loop
        self._tell = tell
        self._walltime = Walltime(settings.walltime, clock())
        self.close = self._walltime.close
        self._standstill = Standstill(clock())
        self._expected = self._printed = math.inf
        self._expect()

    def sleep(self, until: float) -> float:
        """Return until when the pool may sleep, at most `until`; to be called right before it does."""
        longest = LONGEST_SLEEP if self._expected < math.inf else math.inf
        return self._standstill.sleep(clock(), min(until, self._walltime.next), longest)

    def check(self) -> None:
        """Check whether the end of the job has changed; after a sleep, before the hub acts on the old one."""
        now = clock()
        if gap := self._standstill.check(now):
            self._walltime.stood_still(gap, now)
        if now >= self._walltime.next or self._walltime.is_asking:
            self._walltime.poll(now)
        if self._walltime.end != self._expected:
            self._expect()

    def _expect(self) -> None:
        end, before = self._walltime.end, self._settings.drain_before
        if end < math.inf:
            self._expected = end
            self._loop.carry_out(self._loop.hub.expect_end(end, before, self._settings.min_time, clock()))
            if self._walltime.is_known and end != self._printed:
                self._printed = end
                at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(end))
                self._tell(f"the job ends at {at}; running tasks are ended {before:g} s before")
