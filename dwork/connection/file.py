"""Connection files: where a run can be reached, with the keys; anyone who can read the file can connect.

Each run creates its own keys. Only the user can access the file that holds them, from its creation on. Where the files
are is the matter of `directory`; which run is meant, that of `choice`.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import stat
from dataclasses import asdict, dataclass, fields
from typing import Any, Final

from dwork.core.errors import UsageError
from dwork.core.text import NO_TEXT, UserText, shown
from dwork.host.pid_space import has_ended, pid_space
from dwork.transport.curve_keys import PeerKeys

#: The version of the file's format.
FORMAT: Final = 1


class NotWritten(UsageError):
    """A file could not be written."""


@dataclass(frozen=True, slots=True)
class Connection:
    """How to reach a run. addresses: tcp://HOST:PORT each, in the order in which to try them.

    server_key: the hub's public key; public_key, secret_key: the keys of its clients; all in ZeroMQ's text form (Z85),
    and empty when the hub uses no keys. started: seconds since the epoch. job: number of the batch job; element: its
    name in a job array; both may be empty. record: the file of the run's record, or empty. directory: where the run was
    started. pid_space: where `pid` means something; see host.pid_space.
    """

    addresses: tuple[str, ...]
    server_key: str = ""
    public_key: str = ""
    secret_key: str = ""
    host: str = ""
    pid: int = 0
    job: str = ""
    tasks: UserText = NO_TEXT
    started: float = 0.0
    version: str = ""
    format: int = FORMAT
    element: str = ""
    record: UserText = NO_TEXT
    directory: UserText = NO_TEXT
    pid_space: str = ""

    def to_json(self) -> str:
        """Return the text of the connection file: one line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Connection:
        """Parse the text of a connection file; ValueError when it is not one."""
        values: Any = json.loads(text)
        if not isinstance(values, dict) or values.get("format") != FORMAT:
            raise ValueError("it is not a connection file, or it is from another version of dwork")
        types = {field.name: field.type for field in fields(cls)}
        values = {name: value for name, value in values.items() if name in types}
        addresses = values.pop("addresses", None)
        if not isinstance(addresses, list) or not addresses or not all(isinstance(a, str) for a in addresses):
            raise ValueError("it has no addresses")
        for name, value in values.items():
            if not isinstance(value, str if types[name] in ("str", "UserText") else (int, float)):
                raise ValueError("it is damaged")
        return cls(tuple(addresses), **values)

    @property
    def keys(self) -> PeerKeys | None:
        """The keys to connect with; None when the hub has no keys."""
        return PeerKeys(self.server_key, self.public_key, self.secret_key) if self.server_key else None

    @property
    def is_gone(self) -> bool:
        """Whether the process of the run is known to have ended; never known for one on another host."""
        return has_ended(self.pid, self.pid_space)

    @property
    def may_be_gone(self) -> bool:
        """Whether the process was on a host of this name, in a container or before a reboot: nobody else cleans up."""
        is_comparable = bool(self.pid_space) and self.pid_space == pid_space()
        return self.host == socket.gethostname() and not is_comparable


def read(path: str) -> Connection:
    """Read a connection file; a path of `-` is the first line of standard input.

    UsageError when it cannot be read, is not a connection file, or can be read by other users.
    """
    try:
        return Connection.from_json(_first_line() if path == "-" else read_private(path))
    except OSError as error:
        raise UsageError(f"{shown(path)} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise UsageError(f"{shown(path)} cannot be used: {error}") from None


def _first_line() -> str:
    """Read the first line of standard input, and no byte more: the rest is for another reader."""
    line = bytearray()
    while not line.endswith(b"\n") and (byte := os.read(0, 1)):
        line += byte
    return line.decode(errors="replace")


def write(path: str, connection: Connection) -> None:
    """Write a connection file atomically, and never readable by other users."""
    write_private(path, connection.to_json())


def read_private(path: str) -> str:
    """Return the content of a file that only this user can access; UsageError for another, or any OSError."""
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)) as file:  # a planted pipe must not block
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise UsageError(f"{shown(path)} cannot be used: it is not a regular file")
        refuse_others(path, status)
        return file.read()


def write_private(path: str, text: str) -> None:
    """Write a file atomically, and never readable by other users. NotWritten when that fails."""
    hidden = f"{path}.{os.getpid()}.new"
    try:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(hidden)
        fd = os.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(fd, "w") as file:
            file.write(text)
        os.replace(hidden, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(hidden)
        raise NotWritten(
            f"{shown(path)} cannot be written: {error.strerror}; set $DWORK_DIR to another directory"
        ) from None


def refuse_others(path: str, status: os.stat_result) -> None:
    """Raise UsageError when other users could read or change this file or directory."""
    if status.st_uid != os.geteuid():
        raise UsageError(f"{shown(path)} belongs to another user, who could run commands as you; it is not used")
    if stat.S_IMODE(status.st_mode) & 0o077:
        raise UsageError(
            f"other users can access {shown(path)}, and so run commands as you; "
            "run chmod go= on it, then start the run again"
        )
