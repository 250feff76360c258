"""How frames travel: in one process, over MPI, over ZeroMQ. Each keeps to this contract and shares one test suite.

A transport moves opaque frames (bytes) between this process and its peers. At the hub a peer is whatever the
transport uses to tell them apart; a worker or client has one peer, HUB. Frames of one peer arrive whole, in order
and at most once. None of these methods waits, but for `send` when a large frame must leave before memory fills.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final, Protocol

Peer = Hashable

#: The one peer of a worker or a client.
HUB: Final = "hub"

#: Frames above this are refused: nothing legal comes near, and a peer must not fill our memory.
LARGEST_FRAME: Final = 256 * 1024 * 1024


class Transport(Protocol):
    """See the module's text."""

    #: One of them becomes readable when something may have come; none when only looking tells.
    descriptors: tuple[int, ...]

    def send(self, peer: Peer, frame: bytes) -> None:
        """Send a frame; a peer that is found gone is told by `lost`. TransportError when a worker has lost its hub."""

    def receive(self) -> list[tuple[Peer, bytes]]:
        """The frames that are there, oldest first; not all of them when they are very many."""

    def lost(self) -> list[Peer]:
        """The peers found gone since the last call."""

    def drop(self, peer: Peer) -> None:
        """A peer has been silent for too long: send it nothing, until it says something."""

    def nap(self, hurry: bool = True) -> float:
        """How long one may sleep on `descriptors` before looking again, in seconds; 0 when frames are there.

        hurry: somebody waits for what may come, and a millisecond would be felt.
        """

    def close(self) -> None:
        """Send what is still to be sent, within bounds, and leave."""
