"""The transport within one process, for tests and for programs that are both hub and worker."""

from __future__ import annotations

import math
from collections import deque

from dwork.transport import HUB, Peer


class Inproc:
    """One end; `peers` maps each peer to its end, and to this end's name there."""

    descriptors: tuple[int, ...] = ()

    def __init__(self) -> None:
        self.peers: dict[Peer, tuple[Inproc, Peer]] = {}
        self._inbox: deque[tuple[Peer, bytes]] = deque()
        self._lost: list[Peer] = []

    def connect(self, hub: Inproc, name: Peer) -> None:
        """Make this a worker's or client's end, which the hub's end knows as `name`."""
        self.peers[HUB] = (hub, name)
        hub.peers[name] = (self, HUB)

    def send(self, peer: Peer, frame: bytes) -> None:
        if peer in self.peers:
            other, me = self.peers[peer]
            other._inbox.append((me, bytes(frame)))
        else:
            self._lost.append(peer)

    def receive(self) -> list[tuple[Peer, bytes]]:
        frames = list(self._inbox)
        self._inbox.clear()
        return frames

    def lost(self) -> list[Peer]:
        lost, self._lost = self._lost, []
        return lost

    def drop(self, peer: Peer) -> None:
        pass

    def nap(self, hurry: bool = True) -> float:
        return 0.0 if self._inbox else math.inf

    def close(self) -> None:
        for other, me in self.peers.values():
            if other.peers.pop(me, None):
                other._lost.append(me)
        self.peers.clear()
