"""The standing of a run, read from what the hub and the totals keep anyway: events need no extra counting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dwork.core.task import State
from dwork.hub.stop import OPEN

if TYPE_CHECKING:
    from dwork.hub.hub import Hub
    from dwork.output.totals import Totals


@dataclass(frozen=True, slots=True)
class Standing:
    """The state of a run at one moment.

    time: seconds since the epoch. counts: number of tasks by state; those held by workers are assigned. running: number
    of assigned tasks that run; cores: the cores that these use. busy: busy slots, of `slots`. ended: tasks that ended
    in this run, whether they succeeded or failed; seconds: their run times times their cores (core seconds). stopping:
    no more tasks are started.
    """

    time: float
    counts: dict[State, int]
    running: int
    cores: int
    busy: int
    slots: int
    ended: int
    seconds: float
    stopping: bool = False

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def ready(self) -> int:
        """Tasks that could run now, including those that wait at a worker."""
        return self.counts[State.READY] + self.counts[State.ASSIGNED] - self.running

    @property
    def unstarted(self) -> int:
        return self.ready + self.counts[State.WAITING]

    @property
    def over(self) -> int:
        """Tasks that will not run any more: done, failed, skipped or cancelled."""
        return self.total - self.unstarted - self.running


def standing(hub: Hub, totals: Totals, now: float) -> Standing:
    """Return the standing of the run of this hub. now: seconds since the epoch."""
    running = cores = busy = slots = 0
    for worker in hub.workers.values():
        slots += worker.slots or 1
        if worker.held:
            runs = worker.running
            running += runs
            cores += runs + worker.more.cores
            busy += worker.busy
    counts = dict(hub.graph.counts)
    return Standing(now, counts, running, cores, busy, slots, totals.ran, totals.seconds, hub.stop is not OPEN)
