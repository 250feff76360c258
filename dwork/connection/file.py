"""Connection files: where a run can be reached, with the keys; anyone who can read the file can connect.

Each run creates its own keys. Only the user can access the file that holds them, from its creation on, and its
directory: $DWORK_DIR, else ~/.dwork. The run removes the file at its end; a program that finds the file of an ended
process removes it, too.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import socket
import stat
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Final

from dwork.connection.address import server_address
from dwork.core.errors import UsageError
from dwork.core.text import NO_TEXT, UserText, counted, printable, shown, to_system, user_bytes
from dwork.host.batch_job import are_meant
from dwork.transport.curve_keys import PeerKeys

#: The version of the file's format.
FORMAT: Final = 1
_END: Final = ".json"


#: The file with the record of the last run that has ended, beside the connection files.
_LAST: Final = "last-record"


class NoRun(UsageError):
    """No run that fits is known. place: the directory where it was searched; empty: a run at an address."""

    place = ""


@dataclass(frozen=True, slots=True)
class Connection:
    """How to reach a run. addresses: tcp://HOST:PORT each, in the order in which to try them.

    server_key: the hub's public key; public_key, secret_key: the keys of its clients; all in ZeroMQ's text form (Z85),
    and empty when the hub uses no keys. started: seconds since the epoch. job: number of the batch job; element: its
    name in a job array; both may be empty. record: the file of the run's record, or empty.
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

    def to_json(self) -> str:
        """Return the text of the connection file: one line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Connection:
        """Parse the text of a connection file; ValueError when it is not one."""
        values: Any = json.loads(text)
        if not isinstance(values, dict) or values.get("format") != FORMAT:
            raise ValueError("it is not a connection file, or it is from another version of dwork")
        known = {field.name for field in fields(cls)}
        values = {name: value for name, value in values.items() if name in known}
        addresses = values.get("addresses")
        if not isinstance(addresses, list) or not addresses or not all(isinstance(a, str) for a in addresses):
            raise ValueError("it has no addresses")
        texts = ("server_key", "public_key", "secret_key", "host", "job", "tasks", "version", "element", "record")
        numbers = (values.get("pid", 0), values.get("started", 0.0))
        if not all(isinstance(values.get(name, ""), str) for name in texts) or not all(
            isinstance(number, (int, float)) for number in numbers
        ):
            raise ValueError("it is damaged")
        return cls(**{**values, "addresses": tuple(addresses)})

    @property
    def keys(self) -> PeerKeys | None:
        """The keys to connect with; None when the hub has no keys."""
        return PeerKeys(self.server_key, self.public_key, self.secret_key) if self.server_key else None

    @property
    def is_gone(self) -> bool:
        """Whether the process of the run is known to have ended; always false for a process on another host."""
        return self.host == socket.gethostname() and not os.path.exists(f"/proc/{self.pid}")


def directory() -> str:
    """Return the directory of connection files."""
    return os.environ.get("DWORK_DIR") or os.path.join(os.path.expanduser("~"), ".dwork")


def trouble() -> str:
    """Return why no run can publish itself here, and what to do; empty when it can. Leaves nothing behind."""
    is_new = not os.path.exists(directory())
    try:
        place = _own_directory()
        path = os.path.join(place, f"try-{os.getpid()}")
        _write(path, "")
        os.unlink(path)
    except UsageError as error:
        return str(error)
    if is_new:
        with contextlib.suppress(OSError):  # a run may have published itself there meanwhile
            os.rmdir(place)
    return ""


def publish(connection: Connection) -> str:
    """Write a connection file where other programs find it, and return its path. UsageError when that is not safe."""
    path = _path(_own_directory(), connection)
    write(path, connection)
    return path


def is_withdrawn(connection: Connection) -> bool:
    """Whether a published run has removed its connection file, as it does at its end."""
    return bool(connection.pid) and not os.path.exists(_path(directory(), connection))


def _path(place: str, connection: Connection) -> str:
    return os.path.join(place, f"{connection.host}-{connection.pid}{_END}")


def write(path: str, connection: Connection) -> None:
    """Write a connection file atomically, and never readable by other users."""
    _write(path, connection.to_json())


def write_private(name: str, text: str) -> None:
    """Store text that only this user can read under a name, which may be any text."""
    _write(_private(_own_directory(), name), text)


def read_private(name: str) -> str | None:
    """Return the text that is stored under a name, or None."""
    path = _private(directory(), name)
    try:
        _refuse_others(path)
        with open(path) as file:
            return file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(f"{shown(path)} cannot be read: {error.strerror}") from None


def _private(place: str, name: str) -> str:
    return os.path.join(place, f"{hashlib.sha256(user_bytes(name)).hexdigest()[:32]}.keys")


def _own_directory() -> str:
    place = directory()
    try:
        os.makedirs(place, mode=0o700, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"{shown(place)} cannot be created: {error.strerror}; set $DWORK_DIR to another directory"
        ) from None
    _refuse_others(place)
    return place


def _write(path: str, text: str) -> None:
    hidden = f"{path}.{os.getpid()}.new"
    try:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(hidden)
        fd = os.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(fd, "w") as file:
            file.write(text)
        os.replace(hidden, path)
    except OSError as error:
        raise UsageError(
            f"{shown(path)} cannot be written: {error.strerror}; set $DWORK_DIR to another directory"
        ) from None


def choose(
    server: str | None = None, file: str | Connection | None = None, job: str | None = None, *, insecure: bool = False
) -> Connection:
    """Find the run given by its address, file or job, by $DWORK_CONNECTION or $DWORK_SERVER, or the only known run.

    file: the path of a connection file, or its content.
    insecure, or $DWORK_INSECURE: the address is that of a hub without keys; by default one on this machine.
    UsageError when no run is found, or several are.
    """
    insecure = insecure or bool(os.environ.get("DWORK_INSECURE"))
    given = {"-s": server, "--connection": file, "--job": job}
    named = [name for name, value in given.items() if value is not None]
    if len(named) > 1:
        raise UsageError(f"{' and '.join(named)} contradict each other; drop one")
    if not named:
        file = os.environ.get("DWORK_CONNECTION") or None
        server = None if file else os.environ.get("DWORK_SERVER") or None
    if file is not None:
        return file if isinstance(file, Connection) else read(file)
    if insecure:
        return Connection((server_address(server),))
    if server is None:
        return find(job)
    address = server_address(server)
    found = with_address(address)
    if found is None:
        raise NoRun(
            f"no run is known at {address}; specify its connection file with --connection FILE, "
            "or add --insecure if the hub has no keys"
        )
    return found


def withdraw(path: str) -> None:
    """Remove the connection file of a run that has ended, and note its record as the last one."""
    with contextlib.suppress(OSError, UsageError):
        connection = read(path)
        last = os.path.join(os.path.dirname(path), _LAST)
        if connection.record and connection.started >= _last(last)[0]:
            _write(last, json.dumps([connection.started, connection.record]))
    with contextlib.suppress(OSError):
        os.unlink(path)


def last_record() -> str:
    """Return the record of the last run that has ended, if it still exists; else an empty text."""
    record = to_system(_last(os.path.join(directory(), _LAST))[1])
    return record if os.path.isfile(record) else ""


def _last(path: str) -> tuple[float, UserText]:
    """Return when the last run began, and its record."""
    try:
        _refuse_others(path)
        with open(path) as file:
            started, record = json.load(file)
        return float(started), UserText(str(record))
    except (OSError, UsageError, ValueError, TypeError):
        return 0.0, NO_TEXT


def read(path: str) -> Connection:
    """Read a connection file; a path of `-` is the first line of standard input.

    UsageError when it cannot be read, is not a connection file, or can be read by other users.
    """
    try:
        if path == "-":
            return Connection.from_json(_first_line())
        _refuse_others(path)
        with open(path) as file:
            return Connection.from_json(file.read())
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


def find(job: str | None = None) -> Connection:
    """Return the only known run, or the only one of this directory, or the run of a batch job.

    UsageError, which lists the known runs, when there is none (NoRun) or more than one. Files of runs on this machine
    that have ended are removed.
    """
    place = directory()
    found, gone = [], 0
    for path, connection in _all(place):
        if connection.is_gone:
            withdraw(path)
            gone += 1
        else:
            found.append((path, connection))
    found = _without_the_dead(found)
    chosen = found if job is None else _of_job(found, job)
    if len(chosen) == 1:
        return chosen[0][1]
    here = [entry for entry in chosen if _is_here(entry[1])]
    if len(here) == 1:
        return here[0][1]
    if chosen:
        raise UsageError(f"there are several runs; choose one with --connection FILE: {'; '.join(map(_line, chosen))}")
    what = f"no run of job {shown(job)}" if job is not None else "no run"
    also = f" (removed the files of {counted(gone, 'run')} that had ended)" if gone else ""
    others = f"; known runs: {'; '.join(map(_line, found))}" if found else ""
    error = NoRun(
        f"{what} is known in {shown(place)}{also}{others}; specify its connection file with --connection FILE, "
        "or the address of a hub without keys with -s ADDRESS --insecure"
    )
    error.place = place
    raise error


def _is_here(connection: Connection) -> bool:
    """Whether the task file or the record of a run is in the working directory."""
    here = os.path.realpath(".")
    paths = [to_system(path) for path in (connection.tasks, connection.record) if path.startswith("/")]
    return any(os.path.realpath(os.path.dirname(path)) == here for path in paths)


def of_file(path: str) -> Connection | None:
    """Return the run whose record or task file this is; None when no such run is known."""
    wanted = os.path.realpath(path)
    for each in known().values():
        if isinstance(each, Connection) and wanted in [
            os.path.realpath(to_system(file)) for file in (each.record, each.tasks) if file
        ]:
            return each
    return None


def known() -> dict[str, Connection | UsageError]:
    """Return the runs that have not ended, by the path of their files; for an unusable file, the error."""
    found: dict[str, Connection | UsageError] = {}
    for path in _paths(directory()):
        try:
            connection = read(path)
        except UsageError as error:
            if os.path.exists(path):
                found[path] = error
        else:
            if not connection.is_gone:
                found[path] = connection
    return found


def successor(of: Connection, after: float) -> str | None:
    """Return the file of the latest run that continues this one: started after that time, same tasks or address."""
    found = {
        path: it
        for path, it in known().items()
        if isinstance(it, Connection)
        and it.started > after
        and ((it.tasks and it.tasks == of.tasks) or set(it.addresses) & set(of.addresses))
    }
    return max(found, key=lambda path: found[path].started) if found else None


def _without_the_dead(found: list[tuple[str, Connection]]) -> list[tuple[str, Connection]]:
    """Keep only the last run of a job that was started again, since the node of the earlier one has died."""
    last: dict[object, float] = {}
    for path, c in found:
        which = (c.job, c.tasks) if c.job else path
        last[which] = max(last.get(which, c.started), c.started)
    return [(path, c) for path, c in found if c.started == last[(c.job, c.tasks) if c.job else path]]


def _of_job(found: list[tuple[str, Connection]], text: str) -> list[tuple[str, Connection]]:
    """Return the runs of this job; if there are none, those of its array elements."""
    meant = [(entry, are_meant(text, entry[1].job, entry[1].element)) for entry in found]
    return [entry for entry, (it, _) in meant if it] or [entry for entry, (_, array) in meant if array]


def is_only(path: str) -> bool:
    """Whether no other run than that of this file is known."""
    return {os.path.basename(each) for each in known()} <= {os.path.basename(path)}


def _all(place: str) -> Iterator[tuple[str, Connection]]:
    """Yield the path and content of each connection file; skip a file that its run has just removed."""
    for path in _paths(place):
        try:
            yield path, read(path)
        except UsageError:
            if os.path.exists(path):
                raise


def with_address(address: str) -> Connection | None:
    """Return the run whose connection file has this address, tcp://HOST:PORT; None when there is none."""
    for _, connection in _all(directory()):
        if address in connection.addresses and not connection.is_gone:
            return connection
    return None


def _paths(place: str) -> Sequence[str]:
    try:
        names = sorted(name for name in os.listdir(place) if name.endswith(_END))
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise UsageError(f"{shown(place)} cannot be read: {error.strerror}") from None
    _refuse_others(place)
    return [os.path.join(place, name) for name in names]


def _line(found: tuple[str, Connection]) -> str:
    path, connection = found
    job = f", job {shown(connection.element or connection.job)}" if connection.job else ""
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(connection.started))
    return f"{printable(path)} ({shown(connection.tasks)} on {shown(connection.host)}{job}, since {when})"


def _refuse_others(path: str) -> None:
    """Raise UsageError when other users could read or change this path."""
    status = os.stat(path)
    if status.st_uid != os.geteuid():
        raise UsageError(f"{shown(path)} belongs to another user, who could run commands as you; it is not used")
    if stat.S_IMODE(status.st_mode) & 0o077:
        raise UsageError(
            f"other users can access {shown(path)}, and so run commands as you; "
            "run chmod go= on it, then start the run again"
        )
