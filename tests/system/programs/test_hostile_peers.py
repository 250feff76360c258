"""Peers that are broken or mean no good: the hub goes on, and the others notice nothing."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zmq

from dwork.client.client import Client
from dwork.core import messages as m
from dwork.transport import HUB
from dwork.transport.wire import encode
from dwork.transport.zmq import UNREAD, Dealer


@pytest.fixture
def plain(start: Callable, run: Callable, dhub: Callable) -> Any:
    """A dhub without keys: whatever these peers say reaches it."""
    return dhub("--insecure")


@pytest.fixture
def client(plain: Any) -> Any:
    with Client(plain.server, insecure=True) as client:
        yield client


def memory(process: Any) -> int:
    return int(Path(f"/proc/{process.pid}/statm").read_text().split()[1]) * 4096


def raw(server: str) -> socket.socket:
    host, _, port = server.removeprefix("tcp://").rpartition(":")
    return socket.create_connection((host, int(port)), 10)


def test_bytes_that_are_no_zeromq_are_dropped(plain: Any, client: Client) -> None:
    for junk in (b"GET / HTTP/1.1\r\n\r\n", os.urandom(4096), b"\xff" + b"\0" * 8 + b"\x7f" + b"\0" * 400):
        with raw(plain.server) as peer:
            peer.sendall(junk)
    assert client.status().active == 0


def test_half_open_connections_cost_nothing(plain: Any, client: Client) -> None:
    peers = [raw(plain.server) for _ in range(200)]
    before = memory(plain.process)
    assert client.status().active == 0
    assert memory(plain.process) - before < 20_000_000
    for peer in peers:
        peer.close()


def test_frames_in_parts_and_without_a_delimiter_get_an_error(plain: Any, client: Client) -> None:
    with zmq.Context() as context, context.socket(zmq.DEALER) as peer:
        peer.linger = 0
        peer.connect(plain.server)
        for parts in ([b"x"], [b"", b"a", b"b"], [b"", b""], [b"a", b"b"]):
            peer.send_multipart(parts)
            assert peer.poll(10_000), parts
            assert peer.recv_multipart()[-1].startswith(b"\x08\x08")
    assert client.status().active == 0


def test_a_peer_that_does_not_read_is_dropped_and_memory_stays(plain: Any, client: Client) -> None:
    client.create("x" * 60_000)
    peer = Dealer(plain.server, linger=0)
    before = memory(plain.process)
    question = encode(m.Lookup("x" * 60_000))
    for _ in range(3 * UNREAD):
        peer.send(HUB, question)  # its answers pile up here, then there
    assert client.status().active == 1
    assert memory(plain.process) - before < 150_000_000
    peer.close()


def test_a_client_that_dies_with_its_question_under_way_takes_nothing_along(plain: Any, client: Client) -> None:
    client.create("a")
    for _ in range(20):
        peer = Dealer(plain.server, linger=100)
        peer.send(HUB, encode(m.Steal("gone")))
        peer.close()
    client.exit_worker("gone")
    assert client.steal(wait=10.0)[0].name == "a"


@pytest.mark.parametrize("name", ["new\nline", "\x1b[2J\x1b[31mred", "nul\0byte", "../../etc/passwd", "a\tb", "\u202e"])
def test_names_of_any_kind_are_kept_as_they_are_and_shown_escaped(plain: Any, client: Client, name: str) -> None:
    client.create(name, "true")
    assert client.lookup(name) is not None
    shown = plain.dquery("--insecure", "list").out
    assert shown.count("\n") == 1 and "\x1b" not in shown and "\0" not in shown and "\u202e" not in shown


def test_a_location_with_slashes_writes_no_file_elsewhere(dhub: Callable, tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    hub = dhub("--insecure", "-f", place / "run.db")
    peer = Dealer(hub.server, linger=0)
    native = m.Native(1, 0.0, 1, None, True)
    with Client(hub.server, insecure=True) as client:
        client.create("a", "true")
        location = "../../../escaped:1"
        for message in (m.Steal(location, 1, native), m.Output(location, 0, 1, b"text"), m.Lookup("a")):
            peer.send(HUB, encode(message))
        while client.status().counts["assigned"] == 0:
            pass
        piece = client.task("a")
    assert piece is not None
    assert {path.name for path in tmp_path.iterdir()} <= {"place", ".dwork"}
    peer.close()


def test_a_flood_of_one_does_not_keep_the_others_waiting(plain: Any, client: Client, start: Callable) -> None:
    import sys
    import time

    flood = (
        "import sys\nfrom dwork.transport.zmq import Dealer\n"
        "from dwork.core.messages import OK\nfrom dwork.transport.wire import encode\n"
        "d = Dealer(sys.argv[1], linger=0)\nq = encode(OK())\nprint('begun', flush=True)\n"
        "while True:\n    d.send('hub', q)\n    d.receive()\n"
    )
    process = start(sys.executable, "-c", flood, plain.server)
    assert process.stdout.readline() == "begun\n"
    times = []
    for _ in range(50):
        begin = time.perf_counter()
        client.status()
        times.append(time.perf_counter() - begin)
    assert sorted(times)[25] < 1.0
    process.kill()


def test_what_a_stranger_says_to_a_hub_with_keys_never_arrives(dhub: Callable) -> None:
    hub = dhub()
    with raw(hub.server) as peer:
        peer.sendall(os.urandom(1000))
    stranger = Dealer(hub.server, linger=0)
    stranger.send(HUB, encode(m.OK()))
    assert not stranger.wait(0.5)
    stranger.close()
    assert hub.dquery("status").code == 0
