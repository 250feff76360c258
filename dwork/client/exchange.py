"""Requests and replies, in order and one at a time: the transport of the client.

While the hub is away, ZeroMQ keeps the request and delivers it when the hub is back. If the hub received it and died,
no reply ever arrives: a request that may be carried out twice is then sent again, over a new socket so that replies
cannot be mixed up; for any other it remains unknown whether it was carried out.
"""

from __future__ import annotations

import threading
import time
import weakref
from typing import Any, Final

from dwork.connection.file import Connection
from dwork.connection.reach import reach
from dwork.core import messages
from dwork.core.errors import GraphError, TransportError, UsageError, WireError
from dwork.core.messages import Message, Request
from dwork.transport import HUB, wire
from dwork.transport.zmq import Dealer

#: Maximum number of seconds after which a request without a reply is sent again.
PATIENCE: Final = 5.0


class Exchange:
    """Requests to one hub; threads may share it. timeout: seconds that a request may take.

    server: an address of the hub; the first request finds out which of its addresses answers.
    """

    def __init__(self, connection: Connection, timeout: float) -> None:
        self.server = connection.addresses[0]
        self._connection = connection
        self.timeout = timeout
        self._lock = threading.Lock()
        self._closed = threading.Event()
        # At most one. The finalizer closes it for clients left open: a collected ZeroMQ context waits for its socket.
        self._dealers: list[Dealer] = []
        weakref.finalize(self, _close_all, self._dealers).atexit = False

    def close(self) -> None:
        self._closed.set()
        with self._lock:
            _close_all(self._dealers)

    def pause(self, seconds: float) -> None:
        """Wait, or return early when this is closed."""
        self._closed.wait(seconds)

    def ask(self, request: Request, *, again: bool = False, wait: float = 0.0) -> Message:
        """Return the reply. again: the request may be carried out twice.

        wait: extra seconds that the hub may take. GraphError when the reply is Error, TransportError without a reply.
        """
        frame = wire.encode(request)
        with self._lock:
            deadline = time.monotonic() + self.timeout + wait
            once = (min(self.timeout / 4, PATIENCE) if again else self.timeout) + wait
            while (left := deadline - time.monotonic()) > 0:
                reply = self._exchange(frame, min(left, once))
                if reply is not None:
                    break
            else:
                raise TransportError(self._no_answer(again))
        try:
            message = wire.decode_reply(reply)
        except WireError as error:
            raise WireError(f"the peer at {self.server} is not a hub: {error}") from None
        if isinstance(message, messages.Error):
            raise GraphError(message.text)
        return message

    def strange(self, reply: object) -> WireError:
        """Return the error for a reply that does not fit its request."""
        return WireError(f"the peer at {self.server} is not a hub: unexpected reply {reply!r:.200}")

    def _exchange(self, frame: bytes, seconds: float) -> bytes | None:
        """Send a request and return the reply, or None without one; then, or when interrupted, close the socket."""
        if self._closed.is_set():
            raise UsageError("this client is closed; create a new one")
        if not self._dealers:
            self.server = reach(self._connection, seconds)
            self._dealers.append(Dealer(self.server, keys=self._connection.keys, linger=0))
        dealer = self._dealers[0]
        replies: list[Any] = []
        try:
            dealer.send(HUB, frame)
            deadline = time.monotonic() + seconds
            while not replies and (left := deadline - time.monotonic()) > 0:
                if dealer.wait(min(left, 3600.0)):
                    replies = dealer.receive()
        finally:
            if not replies:
                _close_all(self._dealers)
        return replies[0][1] if replies else None

    def _no_answer(self, again: bool) -> str:
        text = (
            f"no answer from {self.server} within {self.timeout:g} s; check that the pool or dhub is running there. "
            "Give its connection file, or with --insecure the address of a hub without keys"
        )
        return text if again else f"{text} (the request may have been carried out, and its reply lost)"


def _close_all(dealers: list[Dealer]) -> None:
    while dealers:
        dealers.pop().close()
