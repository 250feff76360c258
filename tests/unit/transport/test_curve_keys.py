"""Who gets in at a hub that has keys, and what can be read on the way."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Iterator

import pytest
import zmq

from dwork.transport import HUB
from dwork.transport.curve_keys import PeerKeys
from dwork.transport.zmq import Dealer, Router, make_keys

SECRET = b"a command that nobody else may read"


@pytest.fixture
def hub() -> Iterator[tuple[Router, PeerKeys]]:
    ours, theirs = make_keys()
    router = Router("tcp://127.0.0.1:*", keys=ours)
    yield router, theirs
    router.close()


def hears(router: Router, seconds: float) -> list[bytes]:
    """What has come, as soon as something has, or nothing when nothing does in so many seconds."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        frames = router.receive()
        if frames:
            return [frame for _, frame in frames]
        select.select(router.descriptors, (), (), min(left, router.nap()))
    return []


def test_who_has_the_keys_of_this_run_gets_in(hub: tuple[Router, PeerKeys]) -> None:
    router, keys = hub
    peer = Dealer(router.addresses[0], keys=keys)
    peer.send(HUB, SECRET)
    assert hears(router, 20.0) == [SECRET]
    peer.close()


def test_nobody_else_gets_in(hub: tuple[Router, PeerKeys]) -> None:
    router, keys = hub
    _, others = make_keys()
    strangers = {
        "without keys": None,
        "the keys of another run": others,
        "the hub's key and one of their own": PeerKeys(keys.server, others.public, others.secret),
        "the right key for a wrong hub": PeerKeys(others.server, keys.public, keys.secret),
    }
    ends = [Dealer(router.addresses[0], keys=stranger, linger=0) for stranger in strangers.values()]
    for end in ends:
        end.send(HUB, SECRET)
    friend = Dealer(router.addresses[0], keys=keys)
    friend.send(HUB, b"in")
    assert hears(router, 20.0) == [b"in"]
    assert hears(router, 0.2) == []
    for end in (*ends, friend):
        end.close()


def test_what_travels_cannot_be_read(hub: tuple[Router, PeerKeys]) -> None:
    router, keys = hub
    port = int(router.addresses[0].rpartition(":")[2])
    seen = bytearray()
    with socket.create_server(("127.0.0.1", 0)) as tap:
        threading.Thread(target=pass_on, args=(tap, port, seen), daemon=True).start()
        peer = Dealer(f"tcp://127.0.0.1:{tap.getsockname()[1]}", keys=keys)
        peer.send(HUB, SECRET)
        assert hears(router, 20.0) == [SECRET]
        peer.close()
    assert len(seen) > 200 and SECRET not in seen


def pass_on(tap: socket.socket, port: int, seen: bytearray) -> None:
    """Connect whoever comes with the hub, and note all that goes by."""
    here, _ = tap.accept()
    there = socket.create_connection(("127.0.0.1", port))
    while True:
        for end in select.select([here, there], (), ())[0]:
            data = end.recv(65536)
            if not data:
                return
            seen += data
            (there if end is here else here).sendall(data)


def test_without_keys_a_hub_lets_anybody_in() -> None:
    router = Router("tcp://127.0.0.1:*")
    with zmq.Context() as context, context.socket(zmq.REQ) as peer:
        peer.linger = 0
        peer.connect(router.addresses[0])
        peer.send(b"hello")
        assert hears(router, 20.0) == [b"hello"]
    router.close()
