"""Whether a pool has anybody left to work for it, or to wait for.

Without workers nothing goes on. A rank that has not come yet may come, and a worker that was only silent may come back;
for both a pool waits a while. One that said goodbye does not come back, nor does a rank that MPI knows to be dead.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence

from dwork.core.events import Event, Joined, Left
from dwork.hub.workers import WorkerState
from dwork.server.rank_arrivals import ranks_of

#: Seconds that are waited at the most: for ranks to come, and for a silent worker to come back.
COME, COME_BACK = 60.0, 60.0


class Absence:
    """A listener. ranks: those that are to come; silence: seconds after which the hub takes a worker for lost."""

    def __init__(self, ranks: Iterable[str], silence: float, now: float) -> None:
        self._to_come = set(ranks)
        self._until = now + COME
        self._patience = min(silence, COME_BACK)
        self._silent: dict[str, float] = {}  # by location: until when it may come back

    def hear(self, happened: Sequence[Event]) -> None:
        for event in happened:
            if isinstance(event, Joined):
                self._to_come -= ranks_of([event.location])
                self._silent.pop(event.location, None)
            elif isinstance(event, Left) and event.died:
                self._silent[event.location] = event.time + self._patience

    @property
    def text(self) -> str:
        """For whom the pool waits, for people; empty as long as it only begins."""
        return f"no worker is there; it waits up to {self._patience:g} s for one to come back" if self._silent else ""

    def until(self, workers: Collection[WorkerState], dead: Collection[str]) -> float:
        """When nobody can be expected any more; infinity while a worker is there. dead: ranks known to be that."""
        if any(worker.slots or worker.held for worker in workers):
            return math.inf
        times = [until for location, until in self._silent.items() if not ranks_of([location]) & set(dead)]
        if self._to_come - set(dead):
            times.append(self._until)
        return max(times, default=-math.inf)
