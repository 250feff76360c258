"""Where a run stands, read off what hub and report keep anyway: nothing is counted for it as things happen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dwork.core.task import State

if TYPE_CHECKING:
    from dwork.hub.hub import Hub
    from dwork.output.summary import Report


@dataclass(frozen=True, slots=True)
class Standing:
    """A run at one moment.

    time: seconds since the epoch. counts: tasks by state, where those in workers' hands are assigned; running: those of
    them that run; cores: what these have. busy: slots that are, of `slots`. ended: tasks that have ended in this run,
    well or not; seconds: what that took, for each core. stopping: nothing more is started.
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
        """Tasks that could run now, also those that wait in a worker's hands."""
        return self.counts[State.READY] + self.counts[State.ASSIGNED] - self.running

    @property
    def unstarted(self) -> int:
        return self.ready + self.counts[State.WAITING]

    @property
    def over(self) -> int:
        """Tasks that will not run any more, whatever became of them."""
        return self.total - self.unstarted - self.running


def standing(hub: Hub, report: Report, now: float) -> Standing:
    """How the run stands that they know."""
    running = cores = busy = slots = 0
    for worker in hub.workers.values():
        slots += worker.slots or 1
        if worker.held:
            runs = worker.running
            running += runs
            cores += runs + worker.more.cores
            busy += worker.busy
    counts = dict(hub.graph.counts)
    return Standing(now, counts, running, cores, busy, slots, report.ran, report.seconds, bool(hub.stopping))
