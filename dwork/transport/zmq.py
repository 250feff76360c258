"""The transport over ZeroMQ: a ROUTER at the hub, a DEALER at workers, both with the empty frame that REQ sends.

High-water marks. No frame is dropped silently: with ROUTER_MANDATORY a ROUTER reports a peer that is gone or does not
read, and such a peer counts as lost; a DEALER that cannot send waits, up to `patience`. The marks are low, since a
worker's output comes in large pieces and must queue in its temporary file, not in our memory.

Keys. A hub with keys uses CURVE: everything is encrypted, a peer needs the hub's public key to send anything, and the
hub checks (ZAP, RFC 27) that the peer's own key is the one that it has issued. The requests for these checks come from
ZeroMQ's own thread, over a socket that is polled with the others.
"""

from __future__ import annotations

import math
from typing import Final

import zmq
from zmq.utils import z85

from dwork.core.errors import TransportError, UsageError
from dwork.transport import HUB, LARGEST_FRAME, Peer
from dwork.transport.curve_keys import HubKeys, PeerKeys

#: The most messages that queue for one peer, in each direction.
HIGH_WATER: Final = 64
#: The most answers that a peer may leave unread; a worker has a few unread, a client one.
UNREAD: Final = 1000
#: Milliseconds that a close may take to send what is queued.
LINGER: Final = 2000
#: Milliseconds between ZeroMQ's own heartbeats, and of silence after which it reconnects.
HEARTBEAT, SILENCE = 5000, 20000
#: The most frames that one `receive` returns.
AT_ONCE: Final = 256


def make_keys() -> tuple[HubKeys, PeerKeys]:
    """Return new keys for a run."""
    server, server_secret = (key.decode() for key in zmq.curve_keypair())
    public, secret = (key.decode() for key in zmq.curve_keypair())
    return HubKeys(server_secret, public), PeerKeys(server, public, secret)


def _prepare(socket: zmq.Socket[bytes], *addresses: str) -> None:
    socket.linger = LINGER
    socket.rcvhwm = HIGH_WATER
    socket.set(zmq.MAXMSGSIZE, LARGEST_FRAME)
    socket.set(zmq.HEARTBEAT_IVL, HEARTBEAT)
    socket.set(zmq.HEARTBEAT_TIMEOUT, SILENCE)
    socket.set(zmq.RECONNECT_IVL, 100)
    socket.set(zmq.RECONNECT_IVL_MAX, 2000)
    # Host names resolve to IPv4: ZeroMQ tries one address only, and hubs listen on IPv4.
    socket.ipv6 = any("[" in address for address in addresses)


def _has_frames(socket: zmq.Socket[bytes]) -> bool:
    return bool(int(socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN)  # `socket.events` takes twice as long


class Router:
    """The hub's end, bound to its addresses; a peer is the identity that ZeroMQ assigns to it."""

    def __init__(self, *addresses: str, keys: HubKeys | None = None) -> None:
        self._context = zmq.Context()
        self._door: zmq.Socket[bytes] | None = None
        self._socket = self._context.socket(zmq.ROUTER)
        _prepare(self._socket, *addresses)
        if keys is not None:
            self._lock(keys)
        self._socket.sndhwm = UNREAD
        self._socket.router_mandatory = True
        self._lost: list[Peer] = []
        self.addresses: list[str] = []
        for address in addresses:
            try:
                self._socket.bind(address)
            except zmq.ZMQError as error:
                self.close()
                if error.errno == zmq.EADDRINUSE:
                    raise UsageError(
                        f"cannot listen on {address}: it is in use; choose another port with -p or --port"
                    ) from None
                reason = (error.strerror or "").partition(" (addr=")[0]
                raise UsageError(f"cannot listen on {address}: {reason}; choose another address with --bind") from None
            self.addresses.append(str(self._socket.get_string(zmq.LAST_ENDPOINT)).rstrip("\0"))
        sockets = [self._socket] if self._door is None else [self._socket, self._door]
        self.descriptors: tuple[int, ...] = tuple(int(each.fd) for each in sockets)

    def _lock(self, keys: HubKeys) -> None:
        self._admitted = z85.decode(keys.admitted)
        self._door = self._context.socket(zmq.REP)
        self._door.linger = 0
        self._door.bind("inproc://zeromq.zap.01")
        self._socket.curve_server = True
        self._socket.curve_secretkey = keys.secret.encode()
        self._socket.set_string(zmq.ZAP_DOMAIN, "dwork")

    def _answer_door(self) -> None:
        """Answer ZAP's requests: admit the peers that have the issued key."""
        assert self._door is not None
        while _has_frames(self._door):
            version, request, _domain, _address, _identity, mechanism, *credentials = self._door.recv_multipart()
            admitted = mechanism == b"CURVE" and credentials == [self._admitted]
            code, text = (b"200", b"OK") if admitted else (b"400", b"unknown key")
            self._door.send_multipart([version, request, code, text, b"", b""])

    def send(self, peer: Peer, frame: bytes) -> None:
        try:
            self._socket.send_multipart([peer, b"", frame], zmq.NOBLOCK)  # type: ignore[list-item]
        except zmq.ZMQError:  # the peer is gone (EHOSTUNREACH), or does not read (EAGAIN)
            self._lost.append(peer)

    def receive(self) -> list[tuple[Peer, bytes]]:
        frames: list[tuple[Peer, bytes]] = []
        if self._door is not None:
            self._answer_door()
        if not _has_frames(self._socket):
            return frames  # an exception costs more
        while len(frames) < AT_ONCE:
            try:
                parts = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                break
            # Without a delimiter, or with several parts, the frame is taken as empty: the peer gets an Error for that.
            frames.append((parts[0], parts[2] if len(parts) == 3 and not parts[1] else b""))
        return frames

    def lost(self) -> list[Peer]:
        lost, self._lost = self._lost, []
        return lost

    def drop(self, peer: Peer) -> None:
        pass  # the peer may come back

    def nap(self, hurry: bool = True) -> float:
        waiting = _has_frames(self._socket) or (self._door is not None and _has_frames(self._door))
        return 0.0 if waiting else math.inf

    def close(self) -> None:
        self._socket.close()
        if self._door is not None:
            self._door.close()
        self._context.term()


class Dealer:
    """A worker's or client's end, connected to one address.

    keys: required by a hub that has keys. patience: seconds that `send` may wait for space in the queue. linger:
    milliseconds that `close` may take to send what is queued.
    """

    def __init__(
        self, address: str, *, keys: PeerKeys | None = None, patience: float = 60.0, linger: int = LINGER
    ) -> None:
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        _prepare(self._socket, address)
        self._socket.linger = linger
        self._socket.sndhwm = HIGH_WATER
        self._socket.sndtimeo = int(patience * 1000)
        if keys is not None:
            self._socket.curve_serverkey = keys.server.encode()
            self._socket.curve_publickey, self._socket.curve_secretkey = keys.public.encode(), keys.secret.encode()
        self._address = address
        try:
            self._socket.connect(address)
        except zmq.ZMQError:
            self.close()
            raise UsageError(f"{address!r} is not a hub address; write tcp://HOST:PORT") from None
        self.descriptors: tuple[int, ...] = (int(self._socket.fd),)

    def send(self, peer: Peer, frame: bytes) -> None:
        try:
            self._socket.send_multipart([b"", frame])
        except zmq.Again:
            raise TransportError(f"the hub at {self._address} accepts no more messages") from None

    def receive(self) -> list[tuple[Peer, bytes]]:
        frames: list[tuple[Peer, bytes]] = []
        while len(frames) < AT_ONCE:
            try:
                frames.append((HUB, self._socket.recv_multipart(zmq.NOBLOCK)[-1]))
            except zmq.Again:
                break
        return frames

    def lost(self) -> list[Peer]:
        return []

    def drop(self, peer: Peer) -> None:
        pass

    def nap(self, hurry: bool = True) -> float:
        return 0.0 if _has_frames(self._socket) else math.inf

    def wait(self, seconds: float) -> bool:
        """Sleep until a frame arrives; return False when none has within `seconds`."""
        return bool(self._socket.poll(max(1, math.ceil(seconds * 1000))))

    def close(self) -> None:
        self._socket.close()
        self._context.term()
