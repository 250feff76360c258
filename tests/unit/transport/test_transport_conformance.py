"""What every transport must do. MPI takes the same test in tests/mpi, since it needs an mpirun."""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

import dwork.transport.zmq
from dwork.core.errors import TransportError, UsageError
from dwork.transport import HUB, Peer, Transport
from dwork.transport.inproc import Inproc
from dwork.transport.zmq import AT_ONCE, Dealer, Router, make_keys

MIB = 1024 * 1024


@dataclass
class Pair:
    """A hub's end, and how to make ends of workers."""

    hub: Transport
    connect: Callable[[], Transport]


@pytest.fixture(params=["inproc", "zmq tcp", "zmq ipc", "zmq keys"])
def pair(request: pytest.FixtureRequest, tmp_path: object) -> Iterator[Pair]:
    ends: list[Transport] = []
    if request.param == "inproc":
        here = Inproc()

        def connect() -> Transport:
            end = Inproc()
            end.connect(here, len(ends))
            ends.append(end)
            return end

        yield Pair(here, connect)
    else:
        ours, theirs = make_keys() if request.param == "zmq keys" else (None, None)
        address = f"ipc://{tmp_path}/hub" if request.param == "zmq ipc" else "tcp://127.0.0.1:*"
        router = Router(address, keys=ours)

        def connect() -> Transport:
            end = Dealer(router.addresses[0], keys=theirs, patience=5)
            ends.append(end)
            if theirs:  # the hub must look, to let it in; elsewhere it is another process that waits
                end.send(HUB, b"let me in")
                receive(router, 1)
            return end

        yield Pair(router, connect)
        router.close()
    for end in ends:
        end.close()


def receive(end: Transport, n: int, limit: float = 20.0) -> list[tuple[Peer, bytes]]:
    """n frames, waiting as a loop waits: as long as nap allows, on the descriptors."""
    frames: list[tuple[Peer, bytes]] = []
    until = time.monotonic() + limit
    while len(frames) < n:
        assert time.monotonic() < until, f"{len(frames)} of {n} frames came"
        frames += end.receive()
        nap = min(end.nap(), limit)
        if len(frames) < n and nap and end.descriptors:
            select.select(end.descriptors, (), (), nap)
    return frames


@pytest.mark.parametrize("size", [0, 1, 8 * MIB])
def test_a_frame_of_any_size_arrives_whole_both_ways(pair: Pair, size: int) -> None:
    worker = pair.connect()
    frame = bytes(range(256)) * (size // 256) if size > 1 else b"x" * size
    worker.send(HUB, frame)
    [(peer, there)] = receive(pair.hub, 1)
    assert there == frame
    pair.hub.send(peer, frame)
    assert receive(worker, 1) == [(HUB, frame)]


def test_frames_of_one_peer_arrive_in_order_and_once(pair: Pair) -> None:
    worker = pair.connect()
    n = 3 * AT_ONCE
    there = []
    for i in range(n):
        worker.send(HUB, b"%d" % i)
        there += pair.hub.receive()
    there += receive(pair.hub, n - len(there))
    assert [frame for _, frame in there] == [b"%d" % i for i in range(n)]
    assert pair.hub.receive() == []


def test_peers_are_told_apart(pair: Pair) -> None:
    workers = [pair.connect() for _ in range(3)]
    for i, worker in enumerate(workers):
        worker.send(HUB, b"%d" % i)
    for peer, frame in receive(pair.hub, 3):
        pair.hub.send(peer, b"you are " + frame)
    for i, worker in enumerate(workers):
        assert receive(worker, 1) == [(HUB, b"you are %d" % i)]


def test_a_peer_that_has_vanished_is_told_once_one_sends_to_it(pair: Pair) -> None:
    worker, other = pair.connect(), pair.connect()
    worker.send(HUB, b"hello")
    [(peer, _)] = receive(pair.hub, 1)
    assert pair.hub.lost() == []
    worker.close()
    until = time.monotonic() + 10
    lost: list[Peer] = []
    while not lost and time.monotonic() < until:
        pair.hub.send(peer, b"are you there?")
        pair.hub.receive()
        lost = pair.hub.lost()
    assert peer in lost
    other.send(HUB, b"I am")
    assert receive(pair.hub, 1)[0][1] == b"I am"


def test_nothing_is_there_before_something_is_sent(pair: Pair) -> None:
    worker = pair.connect()
    assert worker.receive() == []
    assert pair.hub.receive() == []
    assert worker.nap() > 0


def test_what_a_worker_has_sent_before_it_closes_still_arrives(pair: Pair) -> None:
    worker = pair.connect()
    worker.send(HUB, b"last words")
    worker.close()
    assert receive(pair.hub, 1)[0][1] == b"last words"


def test_a_port_that_is_taken_is_a_usage_error_that_names_it() -> None:
    router = Router("tcp://127.0.0.1:*")
    with pytest.raises(UsageError, match=r"cannot listen on tcp://127.0.0.1:.*in use.*--port"):
        Router(router.addresses[0])
    router.close()


def test_an_address_that_is_none_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="tcp://HOST:PORT"):
        Dealer("nonsense")


def test_a_dealer_does_not_hang_for_ever_on_a_hub_that_never_was() -> None:
    dealer = Dealer("tcp://127.0.0.1:9", patience=0.05, linger=0)
    with pytest.raises(TransportError, match="accepts no more messages"):
        for _ in range(1000):
            dealer.send(HUB, b"hello?")
    dealer.close()


def test_a_router_does_not_wait_for_a_peer_that_never_reads_and_counts_it_as_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dwork.transport.zmq, "LINGER", 0)  # its close would wait for that peer as well
    router = Router("tcp://127.0.0.1:*")
    dealer = Dealer(router.addresses[0])
    dealer.send(HUB, b"hello")
    [(peer, _)] = receive(router, 1)
    for _ in range(5000):
        router.send(peer, b"x" * 10_000)
        if lost := router.lost():
            break
    assert peer in lost
    router.close()
    dealer.close()
