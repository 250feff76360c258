"""Whether a pool has workers left, or can expect some.

Without workers, nothing runs. A rank that has not joined yet may still join, and a worker that was lost because it was
silent may return; a pool waits a while for both. A worker that has signed off does not return, nor does a rank that MPI
knows to be dead.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence

from dwork.core.events import Event, Joined, Left
from dwork.hub.workers import WorkerState
from dwork.server.rank_arrivals import ranks_of

#: The longest wait in seconds for ranks to join, and for a silent worker to return.
COME, COME_BACK = 60.0, 60.0


class Absence:
    """A listener. ranks: the expected ranks; silence: seconds after which the hub declares a worker lost."""

    def __init__(self, ranks: Iterable[str], silence: float, now: float) -> None:
        self._to_come = set(ranks)
        self._until = now + COME
        self._patience = min(silence, COME_BACK)
        self._silent: dict[str, float] = {}  # by location: until when it may return

    def hear(self, happened: Sequence[Event]) -> None:
        for event in happened:
            if isinstance(event, Joined):
                self._to_come -= ranks_of([event.location])
                self._silent.pop(event.location, None)
            elif isinstance(event, Left) and event.died:
                self._silent[event.location] = event.time + self._patience

    @property
    def text(self) -> str:
        """What the pool waits for, as a message; empty while no worker has been lost."""
        return f"no worker is connected; waiting up to {self._patience:g} s for one to return" if self._silent else ""

    def until(self, workers: Collection[WorkerState], dead: Collection[str]) -> float:
        """Return when to stop waiting for workers; infinity while one is present. dead: ranks known to be dead."""
        if any(worker.slots or worker.held for worker in workers):
            return math.inf
        times = [until for location, until in self._silent.items() if not ranks_of([location]) & set(dead)]
        if self._to_come - set(dead):
            times.append(self._until)
        return max(times, default=-math.inf)
