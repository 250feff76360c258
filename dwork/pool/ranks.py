"""The ranks of a pool: how they communicate, and their dismissal at the end."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final

from dwork.connection.file import Connection
from dwork.core.messages import Exit, Move
from dwork.server.hub_loop import HubLoop
from dwork.server.rank_arrivals import RankArrivals
from dwork.transport import Transport
from dwork.transport.mpi import Mpi
from dwork.transport.waiting import clock
from dwork.transport.wire import encode

#: Seconds that ranks may take to connect over ZeroMQ; a rank that has not by then is dead.
_ARRIVAL_TIMEOUT: Final = 60.0


class Ranks:
    """The worker ranks. mpi: their transport; None, or without peers, when there are none."""

    def __init__(self, mpi: Mpi | None) -> None:
        self._mpi = mpi if mpi is not None and mpi.peers else None
        self._arrivals: RankArrivals | None = None  # of ranks that communicate over ZeroMQ

    @property
    def names(self) -> list[str]:
        """Return the numbers of all ranks, as text."""
        return list(map(str, self._mpi.peers)) if self._mpi is not None else []

    @property
    def dead(self) -> list[str]:
        """Return the ranks that MPI knows to be dead."""
        return list(map(str, self._mpi.dead)) if self._mpi is not None else []

    def __len__(self) -> int:
        return len(self._mpi.peers) if self._mpi is not None else 0

    def transports(self, transport: str) -> list[Transport]:
        """Return what the hub polls for the ranks. transport: mpi or zmq."""
        return [self._mpi] if self._mpi is not None and transport == "mpi" else []

    def move_to_zmq(self, connection: Connection, loop: HubLoop) -> None:
        """Make the ranks communicate over ZeroMQ; they do not use MPI again until they are dismissed."""
        if self._mpi is None:
            return
        move = encode(Move(connection.to_json()))
        for rank in self._mpi.peers:
            self._mpi.send(rank, move)
        self._mpi.flush(_ARRIVAL_TIMEOUT)
        self._arrivals = RankArrivals(self.names, clock() + _ARRIVAL_TIMEOUT)
        loop.listen(self._arrivals)

    def bury_missing(self, locations: Collection[str], turn: Callable[[float], bool]) -> None:
        """Wait for ranks that have yet to connect over ZeroMQ. Those that are gone are dead for MPI as well.

        locations: the workers that are present. turn(until): runs the hub once; returns whether to wait any longer.
        """
        if self._mpi is None or self._arrivals is None:
            return
        while self._arrivals.awaits(locations, clock()) and turn(self._arrivals.until):
            pass
        there = self._arrivals.alive(locations)
        for rank in self._mpi.peers:
            if str(rank) not in there:
                self._mpi.bury(rank)  # it does not use MPI, so it cannot come back there

    def send_home(self, is_death_reported: Callable[[], bool]) -> None:
        if self._mpi is not None:
            send_home(self._mpi, is_death_reported)


def send_home(ranks: Mpi, is_death_reported: Callable[[], bool] = lambda: False) -> None:
    """Dismiss all ranks and disconnect from them; a second dismissal does no harm."""
    farewell = encode(Exit())
    for rank in ranks.peers:
        ranks.send(rank, farewell)
    ranks.part(farewell, is_death_reported)
