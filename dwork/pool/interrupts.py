"""What stops a run before its end, such as a signal, the end of the batch job, or the loss of all workers.

The first Ctrl-C lets running tasks finish, a second one ends them. A signal with which the batch system ends the job
ends them at once, and puts recent ends in doubt: tasks may have received it, too.
"""

from __future__ import annotations

import os
import select
import signal
from typing import Final

from dwork.cli.exit_code import verdict
from dwork.cli.program import ExitCode
from dwork.core.task import State
from dwork.host import launcher
from dwork.host.batch_job import job
from dwork.host.signals import ENDS, Signals, end_of_job
from dwork.hub.endings import DOUBT
from dwork.server.hub_loop import HubLoop
from dwork.transport.waiting import clock

#: The signals that a pool handles.
CAUGHT: Final = (*ENDS, signal.SIGCHLD)
_INTERRUPTS: Final = {signal.SIGINT, signal.SIGHUP}
#: A terminal and mpirun may both deliver one Ctrl-C: the same signal twice within this many seconds counts once.
_ONE_SIGNAL: Final = 0.2
#: Seconds after its last task for which a pool outside a batch job waits for a signal sent to all processes.
_SIGNAL_DELAY: Final = 0.05


class Interrupts:
    """Stops the hub. has_ranks: whether a launcher may report the death of a rank."""

    def __init__(self, loop: HubLoop, signals: Signals, *, has_ranks: bool) -> None:
        self._loop = loop
        self._hub = loop.hub
        self._signals = signals
        self._sequel = "repeat to end running tasks"
        if has_ranks and launcher.kills_on_second_interrupt(os.environ):
            self._sequel = "`dquery drain --now` ends running tasks; at a second Ctrl-C mpirun kills this run"
        self._count = 0  # 1: running tasks may finish; 2: they are ended
        #: A signal that usually reports the death of a rank, not the end of the job.
        self._death_signals = {signal.SIGUSR1} if has_ranks and launcher.tells_deaths(os.environ) else set()
        self._has_death = False  # one of these has arrived
        self._unhandled: set[int] = set()  # signals that were taken only to look for these
        self._last: dict[int, float] = {}  # when each signal came last

    @property
    def is_stopped(self) -> bool:
        """Whether no more tasks are started."""
        return bool(self._hub.stop.reason)

    @property
    def is_urgent(self) -> bool:
        """Whether the run has to end at once."""
        return self._count > 1

    def handle(self, numbers: set[int]) -> None:
        """Act on these signals."""
        now = clock()
        if numbers & self._death_signals:
            self._has_death = True
            self._hub.suspect_deaths(now)
        numbers = numbers - self._death_signals
        fresh = {n for n in numbers & _INTERRUPTS if now - self._last.get(n, -1.0) > _ONE_SIGNAL}
        if number := end_of_job(numbers):
            self._end_of_job(number)
        elif fresh:
            self._last.update(dict.fromkeys(fresh, now))
            self._count += 1
            reason = "SIGHUP" if signal.SIGHUP in fresh else "interrupted"
            if self._count < 2:
                self._stop(f"{reason} ({self._sequel})", running=False)
            elif not self._hub.stop.kills:
                self._stop(reason, running=True)

    def is_death_reported(self) -> bool:
        """Whether the launcher seems to have reported the death of a rank, up to now."""
        self._unhandled |= self._signals.take()
        self._has_death = self._has_death or bool(self._unhandled & self._death_signals)
        return self._has_death

    def _end_of_job(self, number: int) -> None:
        """Handle a signal that ends the job. Recent ends of tasks are in doubt only if tasks may have received it."""
        self._count = 2
        name = signal.Signals(number).name
        if number == signal.SIGTERM and not job() and launcher.ends_ranks_alone(os.environ):
            if not self._hub.stop.kills:
                self._stop(name, running=True)
        elif not self._hub.stop.in_doubt:
            self._loop.carry_out(self._hub.end_of_job(clock(), name))

    def stop(self, reason: str) -> None:
        """Stop as after one Ctrl-C, since a part of the pool has failed, or no worker can run the remaining tasks."""
        self._count = max(1, self._count)
        self._stop(reason, running=False)

    def _stop(self, reason: str, *, running: bool) -> None:
        self._loop.carry_out(self._hub.drain(clock(), reason, running=running))

    def wait_for_end_of_job(self) -> bool:
        """Return whether the batch system was ending the job when the last tasks ended: then their ends are in doubt.

        Outside a job hardly anything signals tasks before the pool, so a short wait is enough.
        """
        until = self._hub.last_end + (DOUBT if job() else _SIGNAL_DELAY)
        while not (number := end_of_job((self._unhandled | self._signals.take()) - self._death_signals)):
            if (left := until - clock()) <= 0:
                return False
            select.select([self._signals.descriptor], (), (), left)
        if self._hub.stop.in_doubt:
            return False
        self._end_of_job(number)
        return self._hub.stop.in_doubt

    @property
    def outcome(self) -> str:
        """How the run has ended, for its record."""
        counts = self._hub.graph.counts
        return self._hub.stop.reason or ("done" if counts[State.DONE] == sum(counts.values()) else "some failed")

    @property
    def verdict(self) -> ExitCode:
        """The exit code of the run."""
        return verdict(self._hub.graph.counts, is_stopped=bool(self._count) or self._hub.stop.for_later)
