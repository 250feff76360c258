"""Which ranks have joined, when they use ZeroMQ.

MPI does not report then which ranks are alive. A rank that has joined and is no longer there is dead. A rank that has
not joined may only be late: a run can end before all its ranks have found the hub, and a rank that comes later would
wait for a hub that is gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dwork.core.events import Event, Joined, Left


class RankArrivals:
    """A listener. until: when a rank that has not joined counts as dead, in seconds since the epoch."""

    def __init__(self, ranks: Iterable[str], until: float) -> None:
        self.until = until
        self._missing = set(ranks)
        self._left: set[str] = set()

    def hear(self, happened: Sequence[Event]) -> None:
        if self._missing:
            self._missing -= ranks_of(event.location for event in happened if isinstance(event, Joined))
        self._left |= ranks_of(event.location for event in happened if isinstance(event, Left) and not event.died)

    def awaits(self, locations: Iterable[str], now: float) -> bool:
        """Whether some rank may still join; locations: the workers that are present."""
        self._missing -= ranks_of(locations)
        return bool(self._missing) and now < self.until

    def alive(self, locations: Iterable[str]) -> set[str]:
        """Return the ranks that are alive: the workers at locations, and those that left and wait for the end."""
        return ranks_of(locations) | self._left


def ranks_of(locations: Iterable[str]) -> set[str]:
    """Return the part after the host of each location: the rank, or the pid of a kworker."""
    return {location.rpartition(":")[2] for location in locations}
