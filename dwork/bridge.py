"""The bridge: the hub's end of ZeroMQ, bound to an address of this machine."""

from __future__ import annotations

import socket

from dwork.connection import DEFAULT_PORT
from dwork.errors import UsageError
from dwork.transport.zmq import Router

_EVERYWHERE = {"0.0.0.0", "*", "::", "[::]"}


class Bridge(Router):
    """A Router; `server` is the address that others reach it at, the first one it was bound to."""

    def __init__(self, host: str, *addresses: str) -> None:
        super().__init__(*addresses)
        port = self.addresses[0].rpartition(":")[2]
        self.server = self.addresses[0] if host not in _EVERYWHERE else f"tcp://{socket.gethostname()}:{port}"


def listen(host: str, port: int | None, *others: str) -> Bridge:
    """Listen on host and port, and on other addresses besides.

    port None: the default one, or any free one when that is taken. UsageError says when a port is taken or an address
    is none of this machine's.
    """
    shown_host = f"[{host}]" if ":" in host and not host.startswith("[") else host
    try:
        return Bridge(host, f"tcp://{shown_host}:{port or DEFAULT_PORT}", *others)
    except UsageError:
        if port is not None:
            raise
    return Bridge(host, f"tcp://{shown_host}:*", *others)
