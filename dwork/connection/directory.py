"""The directory of connection files: $DWORK_DIR, else ~/.dwork. Only the user can access it.

A run writes its connection file there and removes it at its end; a program that finds the file of an ended process
removes it, too. What remains of it, without keys and for the last LAST runs, names the record of a run that has ended.

A run whose home directory is full or read-only writes its connection file beside its record. It is found there by who
names the record or the task file, or searches in that directory while no other run is known.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from dwork.connection.file import Connection, NotWritten, read, read_private, refuse_others, write, write_private
from dwork.core.errors import UsageError
from dwork.core.text import UserText, shown, to_system, user_bytes

#: The ends of the names of connection files there, of those beside a record, and of what remains of an ended run.
_END: Final = ".json"
_BESIDE: Final = ".connection"
_ENDED: Final = ".ended"
#: How many ended runs are remembered.
LAST: Final = 100


def directory() -> str:
    """Return the directory of connection files."""
    return os.environ.get("DWORK_DIR") or os.path.join(os.path.expanduser("~"), ".dwork")


def trouble() -> str:
    """Return why no run can publish itself here, and what to do; empty when it can. Leaves nothing behind."""
    is_new = not os.path.exists(directory())
    try:
        place = _own_directory()
        path = os.path.join(place, f"try-{os.getpid()}")
        write_private(path, "")
        os.unlink(path)
    except UsageError as error:
        return str(error)
    if is_new:
        with contextlib.suppress(OSError):  # a run may have published itself there meanwhile
            os.rmdir(place)
    return ""


def publish(connection: Connection) -> str:
    """Write a connection file where other programs find it, and return its path.

    NotWritten when that fails; UsageError when other users can access the directory.
    """
    path = _path(_own_directory(), connection)
    write(path, connection)
    return path


def beside(file: str) -> str:
    """Return the path of the connection file beside a record."""
    return f"{file}{_BESIDE}"


def is_withdrawn(connection: Connection) -> bool:
    """Whether a published run has removed its connection file, as it does at its end."""
    return bool(connection.pid) and not os.path.exists(path_of(connection))


def path_of(connection: Connection) -> str:
    """Return the path of the connection file of a run; if it is nowhere, the one where it should be."""
    path = _path(directory(), connection)
    if connection.record and not os.path.exists(path):
        file = beside(to_system(connection.record))
        return file if os.path.exists(file) else path
    return path


def _path(place: str, connection: Connection) -> str:
    return os.path.join(place, f"{connection.host}-{connection.pid}{_END}")


def withdraw(path: str) -> None:
    """Remove the connection file of a run that has ended, and remember its record."""
    with contextlib.suppress(OSError, UsageError):
        connection = read(path)
        if connection.record and path.endswith(_END):
            write(_ended_path(path), replace(connection, server_key="", public_key="", secret_key=""))
            _forget(os.path.dirname(path))
    with contextlib.suppress(OSError):
        os.unlink(path)


def _ended_path(path: str) -> str:
    return f"{path.removesuffix(_END)}{_ENDED}"


def _forget(place: str) -> None:
    """Remove what remains of runs that ended before the last ones."""
    found = [entry for entry in os.scandir(place) if entry.name.endswith(_ENDED)]
    if len(found) > LAST:
        for entry in sorted(found, key=lambda entry: entry.stat().st_mtime)[:-LAST]:
            os.unlink(entry.path)


def ended(path: str = "") -> list[Connection]:
    """Return the runs that have ended as far as they are remembered, the latest first; or that of this file only."""
    found = []
    for each in [_ended_path(path)] if path else _listed(directory(), _ENDED):
        with contextlib.suppress(UsageError):
            found.append(read(each))
    return sorted(found, key=lambda connection: connection.started, reverse=True)


def last_record() -> str:
    """Return the record of the last run that has ended, if it still exists; else an empty text."""
    record = next((to_system(connection.record) for connection in ended()), "")
    return record if os.path.isfile(record) else ""


def all_files() -> Iterator[tuple[str, Connection | UsageError]]:
    """Yield the path and content of each connection file, or why it cannot be used; skip those removed meanwhile.

    If there are none, those beside a record in the working directory, as far as they can be used.
    """
    place = directory()
    names = _listed(place, _END)
    if names:
        refuse_others(place, os.stat(place))
    for path in names or _listed(".", _BESIDE):
        try:
            yield path, read(path)
        except UsageError as error:
            if names and os.path.exists(path):
                yield path, error


def _listed(place: str, end: str) -> Sequence[str]:
    """Return the paths of the files with this end of their names."""
    try:
        names = [name for name in sorted(os.listdir(place)) if name.endswith(end)]
        return [os.path.join(os.path.abspath(place), name) for name in names]
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except OSError as error:
        raise UsageError(f"{shown(place)} cannot be read: {error.strerror}") from None


def store_secret(name: UserText, text: str) -> None:
    """Store text that only this user can read under a name, which may be any text. NotWritten when that fails."""
    write_private(_secret(_own_directory(), name), text)


def secret(name: UserText) -> str | None:
    """Return the text that is stored under a name, or None."""
    path = _secret(directory(), name)
    try:
        return read_private(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UsageError(f"{shown(path)} cannot be read: {error.strerror}") from None


def _secret(place: str, name: UserText) -> str:
    return os.path.join(place, f"{hashlib.sha256(user_bytes(name)).hexdigest()[:32]}.keys")


def _own_directory() -> str:
    place = directory()
    try:
        os.makedirs(place, mode=0o700, exist_ok=True)
        status = os.stat(place)
    except OSError as error:
        raise NotWritten(
            f"{shown(place)} cannot be created: {error.strerror}; set $DWORK_DIR to another directory"
        ) from None
    refuse_others(place, status)
    return place
