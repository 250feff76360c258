"""The hub's loop between transports: what could not be delivered is where it was."""

from __future__ import annotations

from dwork import messages as m
from dwork import wire
from dwork.hub import Hub
from dwork.loop.hub import HubLoop
from dwork.messages import Native
from dwork.task import State, Task
from dwork.transport import Peer


class Line:
    """A transport whose peers are as far away as a test says."""

    descriptors: tuple[int, ...] = ()

    def __init__(self) -> None:
        self.arrived: list[tuple[Peer, bytes]] = []
        self.sent: list[m.Message] = []
        self.dead: set[Peer] = set()
        self._lost: list[Peer] = []

    def hears(self, peer: Peer, message: m.Message) -> None:
        self.arrived.append((peer, wire.encode(message)))

    def receive(self) -> list[tuple[Peer, bytes]]:
        arrived, self.arrived = self.arrived, []
        return arrived

    def send(self, peer: Peer, frame: bytes) -> None:
        if peer in self.dead:
            self._lost.append(peer)
        else:
            self.sent.append(wire.decode_reply(frame))

    def lost(self) -> list[Peer]:
        lost, self._lost = self._lost, []
        return lost

    def drop(self, peer: Peer) -> None:
        self.dead.add(peer)

    def nap(self, hurry: bool = True) -> float:
        return 0.0

    def close(self) -> None:
        self.arrived.clear()


def test_what_a_client_never_got_is_ready_again_though_a_rank_is_lost_at_the_same_moment() -> None:
    ranks, bridge, hub = Line(), Line(), Hub()
    loop = HubLoop(hub, [ranks, bridge], [])
    bridge.hears("boss", m.Create((Task("a", "a"),)))
    ranks.hears(1, m.Steal("w:1", 1, Native(1, 60.0, 1, hello=True)))
    loop.turn()
    ranks.dead, bridge.dead = {1}, {"client"}
    ranks.hears(1, m.Steal("w:1", 1, Native(1, 60.0, 2)))
    bridge.hears("boss", m.Create((Task("b", "b"), Task("c", "c"))))
    bridge.hears("client", m.Steal("client", 1))
    loop.turn()
    assert {node.state for node in hub.graph.names.values()} == {State.READY}
    hub.check()
