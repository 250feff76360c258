"""Which address of a run answers from here."""

from __future__ import annotations

import socket
import time
from typing import Final

from dwork.connection.file import Connection
from dwork.core.errors import TransportError

#: Timeout of one attempt to reach one address, in seconds.
_TRY: Final = 2.0


def reach(connection: Connection, seconds: float) -> str:
    """Return the first address that answers; TransportError, with the failure of each, when none does in time."""
    mine = [address for address in connection.addresses if "//127." in address]
    tcp = [a for a in connection.addresses if a.startswith("tcp://")]
    if connection.host == socket.gethostname():
        tcp = [*mine, *(a for a in tcp if a not in mine)]
    elif len(tcp) > len(mine):
        tcp = [a for a in tcp if a not in mine]  # the loopback of another machine
    if not connection.server_key or len(tcp) < len(connection.addresses) - len(mine) or not tcp:
        return connection.addresses[0]  # nothing to choose from
    give_up = time.monotonic() + seconds
    while True:
        failures = []
        for address in tcp:
            left = max(0.1, min(_TRY, give_up - time.monotonic()))
            failure = _failure(address, left)
            if failure is None:
                return address
            failures.append(f"{address}: {failure}")
        if time.monotonic() >= give_up:
            raise TransportError(
                f"no address of the run answers: {'; '.join(failures)}; "
                "check that it has not ended and that this host can reach it"
            )
        time.sleep(min(0.2, seconds))


def _failure(address: str, seconds: float) -> str | None:
    """Return why a connection fails; None when it succeeds."""
    host, _, port = address.removeprefix("tcp://").rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), seconds).close()
    except TimeoutError:
        return "no answer"
    except OSError as error:
        return error.strerror or str(error)
    return None
