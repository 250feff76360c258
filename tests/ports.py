"""Ports for hubs that must be given one: below those that the kernel hands out, and other ones in each xdist worker."""

from __future__ import annotations

import contextlib
import os
import random
import socket
from typing import Final

_PORTS: Final = range(10_240, 32_768)
_WORKERS: Final = 32


def free_ports(n: int) -> list[int]:
    """Return ports on which nobody listens."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _WORKERS
    own = _PORTS[worker::_WORKERS]
    found: list[int] = []
    with contextlib.ExitStack() as stack:
        for port in random.SystemRandom().sample(own, len(own)):
            if len(found) < n:
                probe = stack.enter_context(socket.socket())
                with contextlib.suppress(OSError):
                    probe.bind(("", port))
                    found.append(port)
    assert len(found) == n, "no port is free"
    return found


def free_port() -> int:
    return free_ports(1)[0]
