"""Which ranks have come, when they talk over ZeroMQ.

MPI does not tell then who is alive. A rank that has come, and is there no more, is dead; one that never came may be a
little late: a run can be over before all its ranks have found the hub, and who is left behind waits for one in vain.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dwork.core.events import Event, Joined, Left


class RankArrivals:
    """A listener. until: when a rank that has not come yet is taken for dead, in seconds since the epoch."""

    def __init__(self, ranks: Iterable[str], until: float) -> None:
        self.until = until
        self._missing = set(ranks)
        self._parted: set[str] = set()

    def hear(self, happened: Sequence[Event]) -> None:
        if self._missing:
            self._missing -= ranks_of(event.location for event in happened if isinstance(event, Joined))
        self._parted |= ranks_of(event.location for event in happened if isinstance(event, Left) and not event.died)

    def awaits(self, locations: Iterable[str], now: float) -> bool:
        """Whether some rank may still come, when the workers at these locations are there."""
        self._missing -= ranks_of(locations)
        return bool(self._missing) and now < self.until

    def alive(self, locations: Iterable[str]) -> set[str]:
        """The ranks that are there, when these workers are; who was told to leave waits for the end as well."""
        return ranks_of(locations) | self._parted


def ranks_of(locations: Iterable[str]) -> set[str]:
    """The part behind the host: the rank, or the pid of a worker that is none."""
    return {location.rpartition(":")[2] for location in locations}
