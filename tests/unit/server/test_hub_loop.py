"""The hub's loop between transports: what could not be delivered is where it was."""

from __future__ import annotations

import math
import os
from typing import Any

import pytest

from dwork.core import messages as m
from dwork.core.errors import StoreError
from dwork.core.messages import Native
from dwork.core.task import Options, Result, State, Task
from dwork.hub.hub import Hub
from dwork.server.hub_loop import HubLoop
from dwork.transport import Peer, wire


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


def test_a_crowd_that_is_gone_at_once_costs_no_stack_and_its_tasks_are_ready() -> None:
    crowd, hub = Line(), Hub()
    loop = HubLoop(hub, [crowd], [])
    n = 1500  # more than recursion could bear
    for i in range(n):
        crowd.hears(i, m.Steal(f"w:{i}", 1, Native(1, math.inf, 1, hello=True)))
    loop.turn()
    crowd.dead = set(range(n))
    crowd.hears("boss", m.Create(tuple(Task(f"t{i}", "x") for i in range(2 * n))))
    loop.turn()
    assert not hub.workers and hub.graph.counts[State.READY] == 2 * n
    hub.check()


@pytest.mark.parametrize(
    "request_",
    [
        m.Await(1e18),
        m.Steal("w:1", 1, Native(1, 1e18, 1, hello=True)),
        m.Steal("w:1", 1, Native(1, 1.0, 1, hello=True, beat=1e300)),
    ],
)
def test_whoever_waits_for_ever_does_not_end_the_hub(request_: m.Request) -> None:
    line, hub = Line(), Hub()
    loop = HubLoop(hub, [line], [])
    line.hears("odd", request_)
    loop.turn()
    loop.sleep(readable())
    assert hub.deadline > 0


def test_a_huge_number_of_slots_and_a_huge_task_are_only_odd() -> None:
    line, hub = Line(), Hub()
    loop = HubLoop(hub, [line], [])
    slots = 2**32 - 1
    line.hears("odd", m.Steal("w:1", 2**31 - 1, Native(slots, math.inf, 1, hello=True)))
    line.hears("boss", m.Create((Task("huge", "x", options=Options(cores=slots)), Task("a", "a"), Task("b", "b"))))
    line.hears("other", m.Steal("w:2", 9, Native(1, math.inf, 1, hello=True)))
    loop.turn()
    line.hears("odd", m.Steal("w:1", 9, Native(slots, math.inf, 2)))
    loop.turn()
    assert any(isinstance(sent, m.Transfer) for sent in line.sent)
    hub.check()


def test_a_bug_that_one_message_shows_costs_its_peer_and_the_rest_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    line, hub, said = Line(), Hub(), []
    loop = HubLoop(hub, [line], [], said.append)
    line.hears(1, m.Steal("w:1", 1, Native(1, math.inf, 1, hello=True)))
    line.hears(2, m.Steal("w:2", 1, Native(1, math.inf, 1, hello=True)))
    loop.turn()
    monkeypatch.setitem(hub._handlers, m.Lookup, lambda *arguments: 1 / 0)
    line.hears(1, m.Lookup("x"))
    line.hears("boss", m.Create((Task("a", "a"),)))
    loop.turn()
    assert isinstance(line.sent[-2], m.Error | m.OK | m.Transfer)
    assert list(hub.workers) == ["w:2"] and hub.graph.counts[State.ASSIGNED] == 1
    assert len(said) == 1 and "ZeroDivisionError" in said[0] and "\n" not in said[0]


def broken(*arguments: Any) -> Any:
    raise KeyError("nobody thought of this")


@pytest.mark.parametrize("place", ["decode", "answer", "encode"])
def test_a_bug_anywhere_between_a_message_and_its_answer_costs_that_peer(
    monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    line, hub, said = Line(), Hub(), []
    loop = HubLoop(hub, [line], [], said.append, answer=broken)
    line.hears(1, m.Steal("w:1", 1, Native(1, math.inf, 1, hello=True)))
    line.hears(2, m.Steal("w:2", 1, Native(1, math.inf, 1, hello=True)))
    loop.turn()
    line.hears(1, m.Watch() if place == "answer" else m.OK())
    with monkeypatch.context() as patch:
        if place == "decode":
            patch.setattr(wire, "decode_request", broken)
        if place == "encode":
            encode = wire.encode
            patch.setattr(wire, "encode", lambda message: broken() if isinstance(message, m.OK) else encode(message))
        loop.turn()
    assert list(hub.workers) == ["w:2"]
    line.hears("boss", m.Create((Task("a", "a"),)))
    loop.turn()
    assert hub.workers["w:2"].held
    assert len(said) == 1 and "KeyError" in said[0] and "please report it" in said[0]


def test_a_record_that_cannot_be_written_is_no_bug_of_a_peer() -> None:
    def full(inquiry: Any) -> Any:
        raise StoreError("the disk is full")

    line = Line()
    loop = HubLoop(Hub(), [line], [], answer=full)
    line.hears(1, m.Watch())
    with pytest.raises(StoreError):
        loop.turn()


def test_an_answer_that_cannot_be_said_costs_its_peer_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    line, hub, said = Line(), Hub(), []
    loop = HubLoop(hub, [line], [], said.append)
    line.hears(1, m.Steal("w:1", 1, Native(1, math.inf, 1, hello=True)))
    loop.turn()
    monkeypatch.setitem(hub._handlers, m.Lookup, lambda peer, *more: more[-1].sends.append((peer, m.OK("\udcff"))))
    line.hears(1, m.Lookup("x"))
    line.hears("boss", m.OK())
    loop.turn()
    assert not hub.workers and isinstance(line.sent[-1], m.OK)
    assert len(said) == 1


def test_a_task_that_cannot_be_sent_fails_in_the_end_and_costs_no_other_task() -> None:
    line, hub, said = Line(), Hub(), []
    loop = HubLoop(hub, [line], [], said.append)
    loop.carry_out(hub.receive((line, "boss"), m.Create((Task("bad", "\ud800"), Task("good", "true"))), 0.0))
    sequence = 0
    while hub.graph.active:
        sequence += 1
        line.hears(sequence, m.Steal("w:1", 1, Native(1, math.inf, 1, hello=True)))
        loop.turn()
        worker = hub.workers.get("w:1")
        for id in list(worker.held) if worker else ():
            line.hears(
                sequence, m.Complete("w:1", (Result(id, hub.graph.nodes[id].attempt),), 0, Native(1, math.inf, 2))
            )
            loop.turn()
        assert sequence < 20
    assert [hub.graph.names[name].state for name in ("bad", "good")] == [State.FAILED, State.DONE]
    hub.check()


def test_a_broken_graph_ends_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    line, hub = Line(), Hub()
    loop = HubLoop(hub, [line], [])

    def breaks(*arguments: object) -> None:
        hub.graph.counts[State.READY] += 1
        raise ZeroDivisionError

    monkeypatch.setitem(hub._handlers, m.Lookup, breaks)
    line.hears(1, m.Lookup("x"))
    with pytest.raises(AssertionError):
        loop.turn()


def readable() -> int:
    """A descriptor that ends a sleep at once."""
    reading, writing = os.pipe()
    os.write(writing, b"x")
    os.close(writing)
    return reading
