"""Whether a pool has the workers that its tasks need, or has to wait for them, or stops.

At the start, a pool with fixed workers waits for all of them, and refuses tasks that none of them can ever run. Later
it stops when no worker is left or can come, and when only held tasks are left that nobody can release.
"""

from __future__ import annotations

import math

from dwork.core.errors import UsageError
from dwork.hub.feasibility import Feasibility
from dwork.pool.console import Console
from dwork.pool.interrupts import Interrupts
from dwork.pool.local_worker import LocalWorker
from dwork.pool.ranks import Ranks
from dwork.pool.settings import PoolSettings
from dwork.server.hub_loop import HubLoop
from dwork.server.no_workers import Absence
from dwork.transport.waiting import clock


class MissingWorkers:
    """See the module docstring."""

    def __init__(
        self,
        settings: PoolSettings,
        loop: HubLoop,
        ranks: Ranks,
        local: LocalWorker,
        interrupts: Interrupts,
        console: Console,
    ) -> None:
        self._is_public = settings.endpoint.public
        self._is_elastic = settings.policy.elastic
        self._loop = loop
        self._hub = loop.hub
        self._ranks = ranks
        self._local = local
        self._interrupts = interrupts
        self._console = console
        self._absence = Absence(ranks.names, settings.policy.silence, clock())
        loop.listen(self._absence)
        self._next_check = math.inf  # when to check again whether workers can still come
        self._notice = ""  # the last one about what the run waits for
        self._feasibility = Feasibility(self._hub.graph.names.values())
        if self._feasibility.is_needed and not self._is_elastic:
            self._feasibility.begin(clock())
            loop.carry_out(self._hub.open(clock(), is_open=False))

    @property
    def next(self) -> float:
        """When to check again, even if nothing happens until then."""
        return min(self._feasibility.until, self._next_check)

    def check_feasibility(self) -> None:
        """Open the hub once all expected workers are there; UsageError if none of them can ever run some task."""
        if not self._feasibility.is_on:
            return
        workers = self._hub.workers.values()
        if self._feasibility.ends(len(workers), len(self._ranks) + bool(self._local.slots), clock()):
            if refusal := self._feasibility.refusal(workers):
                raise UsageError(refusal)
            self._loop.carry_out(self._hub.open(clock()))

    def check(self) -> None:
        """Stop when no worker can run the remaining tasks; print a notice once while waiting for one that can."""
        self._next_check = math.inf
        if self._interrupts.is_stopped or self._hub.over or self._feasibility.is_on:
            return
        stops, waits = self._all_held() if self._hub.waits_for_release else self._without_workers()
        if stops:
            if self._console.quiet:  # a stop needs its reason even with --quiet
                self._console.say(stops)
            self._interrupts.stop(stops)
        elif waits != self._notice:
            self._notice = waits
            if waits:
                self._console.tell(waits)

    def _all_held(self) -> tuple[str, str]:
        """All remaining tasks are held: return the reason to stop, or else a notice that the run waits."""
        if self._is_public:
            return "", "all remaining tasks are held; waiting for `dquery release`"
        return (
            "all remaining tasks are held; run again without --no-bridge, so that `dquery release` can start them",
            "",
        )

    def _without_workers(self) -> tuple[str, str]:
        """Return the reason to stop without workers, or a notice about the wait for one; both empty if one is there."""
        workers = self._hub.workers.values()
        until = math.inf if self._local.is_running else self._absence.until(workers, self._ranks.dead)
        if until == math.inf:
            return "", ""
        if clock() < until:
            self._next_check = until
            return "", self._absence.text
        if self._is_public and self._is_elastic:
            return "", "no worker is left; waiting for others to join"
        return "no worker is left" + (" (--elastic waits for others)" if self._is_public else ""), ""
