"""Which address of a run answers from here."""

from __future__ import annotations

import socket
import time
from typing import Final

from dwork.connection.file import Connection
from dwork.core.errors import TransportError

#: Timeout of one attempt to reach one address, in seconds.
_TRY: Final = 2.0
#: The same, when only a refusal matters.
_GLANCE: Final = 0.5


def reach(connection: Connection, seconds: float) -> str:
    """Return the first address that answers; TransportError, with the failure of each, when none does in time."""
    tcp = _from_here(connection)
    if not connection.server_key or not tcp:
        return connection.addresses[0]  # nothing to choose from
    give_up = time.monotonic() + seconds
    while True:
        failures = []
        for address in tcp:
            left = max(0.1, min(_TRY, give_up - time.monotonic()))
            error = _try(address, left)
            if error is None:
                return address
            failures.append(f"{address}: {_reason(error)}")
        if time.monotonic() >= give_up:
            raise TransportError(
                f"no address of the run answers: {'; '.join(failures)}; "
                "check that it has not ended and that this host can reach it"
            )
        time.sleep(min(0.2, seconds))


def refuses(connection: Connection) -> bool:
    """Whether each address of a run refuses a connection: nothing listens there any more."""
    tcp = _from_here(connection)
    return bool(tcp) and all(isinstance(_try(address, _GLANCE), ConnectionRefusedError) for address in tcp)


def _from_here(connection: Connection) -> list[str]:
    """Return the addresses to try from this host, in their order; none when another kind than TCP is among them."""
    mine = [address for address in connection.addresses if "//127." in address]
    others = [address for address in connection.addresses if address not in mine]
    if not all(address.startswith("tcp://") for address in others):
        return []
    if connection.host == socket.gethostname():
        return [*mine, *others]
    return others or mine  # otherwise the loopback is that of another machine


def _try(address: str, seconds: float) -> OSError | None:
    """Return why a connection fails; None when it succeeds."""
    host, _, port = address.removeprefix("tcp://").rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), seconds).close()
    except OSError as error:
        return error
    return None


def _reason(error: OSError) -> str:
    return "no answer" if isinstance(error, TimeoutError) else error.strerror or str(error)
