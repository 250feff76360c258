"""How frames travel: in one process, over MPI, over ZeroMQ.

All transports follow this contract and share one test suite. A transport moves opaque frames (bytes) between this
process and its peers. At the hub a peer is any value by which the transport distinguishes peers; a worker or client has
one peer, HUB. Frames of one peer arrive whole, in order and at most once. No method blocks, except `send` when a large
frame must leave before memory fills.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final, Protocol

Peer = Hashable

#: The one peer of a worker or a client.
HUB: Final = "hub"

#: Larger frames are refused: no valid frame comes near this size, and a peer must not fill our memory.
LARGEST_FRAME: Final = 256 * 1024 * 1024


class Transport(Protocol):
    """The interface of a transport; the module's docstring describes its contract."""

    #: One of these becomes readable when a frame may have arrived; empty for a transport that must be polled.
    descriptors: tuple[int, ...]

    def send(self, peer: Peer, frame: bytes) -> None:
        """Send a frame; `lost` returns a peer found gone. Raises TransportError when a worker has lost its hub."""

    def receive(self) -> list[tuple[Peer, bytes]]:
        """Return frames that have arrived, oldest first; a very long queue takes several calls."""

    def lost(self) -> list[Peer]:
        """Return the peers found gone since the last call."""

    def drop(self, peer: Peer) -> None:
        """Send nothing to a peer that has been silent for too long, until a frame of it arrives."""

    def nap(self, hurry: bool = True) -> float:
        """Return how many seconds to sleep on `descriptors` before the next poll; 0 when frames have arrived.

        hurry: a peer or this process waits for the next frame, so that a delay of a millisecond matters.
        """

    def close(self) -> None:
        """Send what is queued, within a time limit, and leave."""
