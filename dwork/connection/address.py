"""Hub addresses as people write them."""

from __future__ import annotations

import re
from typing import Final

from dwork.core.errors import UsageError

DEFAULT_PORT: Final = 6125
DEFAULT_SERVER: Final = f"tcp://localhost:{DEFAULT_PORT}"

_HOST = re.compile(r"(?:tcp://)?(\[[0-9A-Fa-f:.%\w]+\]|[\w.\-*]+)(?::(\d{1,5}))?/?", re.ASCII)


def server_address(given: str | None = None) -> str:
    """Return the full address of a hub; tcp://localhost:6125 by default.

    HOST, HOST:PORT and tcp://HOST:PORT are completed, ipc:// addresses are returned unchanged; anything else raises
    UsageError.
    """
    text = given or DEFAULT_SERVER
    if text.startswith("ipc://") and len(text) > len("ipc://"):
        return text
    match = _HOST.fullmatch(text)
    if match is None or int(match[2] or DEFAULT_PORT) not in range(1, 65536):
        raise UsageError(f"{text!r} is not a hub address; write tcp://HOST:PORT")
    return f"tcp://{match[1]}:{match[2] or DEFAULT_PORT}"
