"""Requests and replies of a client: one at a time, again when that is harmless, and never mixed up."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from dwork.client.exchange import Exchange
from dwork.connection.file import Connection
from dwork.core import messages as m
from dwork.core.errors import GraphError, TransportError, UsageError, WireError
from dwork.transport import Peer, wire
from dwork.transport.zmq import Router

ASK = m.Lookup("a")


class Hub:
    """The other end: a thread answers each request with what `answer` returns; with nothing when that is None."""

    def __init__(self) -> None:
        self.answer: Callable[[int, m.Message], bytes | None] = lambda n, request: wire.encode(m.OK(n=n))
        self.heard: list[m.Message] = []
        self.peers: list[Peer] = []
        self._router = Router("tcp://127.0.0.1:*")
        self.address = self._router.addresses[0]
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while not self._is_over.wait(0.001):
            for peer, frame in self._router.receive():
                self.peers.append(peer)
                self.heard.append(wire.decode_request(frame))
                reply = self.answer(len(self.heard), self.heard[-1])
                if reply is not None:
                    self._router.send(peer, reply)

    def close(self) -> None:
        self._is_over.set()
        self._thread.join()
        self._router.close()


@pytest.fixture
def hub() -> Iterator[Hub]:
    hub = Hub()
    yield hub
    hub.close()


@pytest.fixture
def exchange(hub: Hub) -> Iterator[Exchange]:
    exchange = Exchange(Connection((hub.address,)), 20.0)
    yield exchange
    exchange.close()


def test_each_request_gets_its_reply_over_one_socket(hub: Hub, exchange: Exchange) -> None:
    assert [exchange.ask(ASK) for _ in range(3)] == [m.OK(n=1), m.OK(n=2), m.OK(n=3)]
    assert hub.heard == [ASK] * 3 and len(set(hub.peers)) == 1


def test_an_error_of_the_hub_is_a_graph_error_and_the_next_request_works(hub: Hub, exchange: Exchange) -> None:
    hub.answer = lambda n, request: wire.encode(m.Error("no such task") if n == 1 else m.OK())
    with pytest.raises(GraphError, match="no such task"):
        exchange.ask(ASK)
    assert exchange.ask(ASK) == m.OK()


def test_a_peer_that_is_not_a_hub_is_named(hub: Hub, exchange: Exchange) -> None:
    hub.answer = lambda n, request: b"HTTP/1.1 400 Bad Request"
    with pytest.raises(WireError, match=f"the peer at {hub.address} is not a hub"):
        exchange.ask(ASK)
    assert str(exchange.strange(m.OK())).startswith(f"the peer at {hub.address} is not a hub: unexpected reply OK(")


def test_a_request_that_may_be_carried_out_twice_is_sent_again_over_another_socket(
    hub: Hub, exchange: Exchange
) -> None:
    exchange.timeout = 2.0  # and again after a quarter of that
    hub.answer = lambda n, request: None if n == 1 else wire.encode(m.OK(n=n))
    assert exchange.ask(ASK, again=True) == m.OK(n=2)
    assert len(set(hub.peers)) == 2


def test_any_other_request_is_sent_once_and_its_outcome_is_unknown(hub: Hub, exchange: Exchange) -> None:
    exchange.timeout = 0.3
    hub.answer = lambda n, request: None
    with pytest.raises(TransportError, match=r"no answer from .* within 0.3 s; .*may have been carried out"):
        exchange.ask(ASK)
    assert len(hub.heard) == 1


def test_a_reply_that_comes_too_late_is_not_taken_for_that_of_the_next_request(hub: Hub, exchange: Exchange) -> None:
    late = threading.Event()

    def answer(n: int, request: m.Message) -> bytes:
        if n == 1:
            late.wait(20.0)
        return wire.encode(m.OK(n=n))

    hub.answer = answer
    exchange.timeout = 0.3
    with pytest.raises(TransportError):
        exchange.ask(ASK)
    late.set()
    exchange.timeout = 20.0
    assert exchange.ask(ASK) == m.OK(n=2)


def test_a_client_that_is_closed_asks_no_more_and_pauses_no_more(exchange: Exchange) -> None:
    exchange.close()
    exchange.pause(3600.0)
    with pytest.raises(UsageError, match="this client is closed"):
        exchange.ask(ASK)
