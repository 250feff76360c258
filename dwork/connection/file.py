"""Connection files: how a run says where it is, and whoever can read the file can get in.

Each run makes keys of its own. The file that holds them belongs to one user alone from its first moment, in a directory
that does, too: $DWORK_DIR, else ~/.dwork. It is gone when the run ends; one whose process has ended is cleaned up by
whoever finds it.
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
from dwork.core.errors import TransportError, UsageError
from dwork.core.text import printable, shown
from dwork.host.batch_job import are_meant
from dwork.transport.curve_keys import PeerKeys

#: Seconds for one attempt to reach one address.
_TRY: Final = 2.0
#: The version of the file's format.
FORMAT: Final = 1
_END: Final = ".json"


@dataclass(frozen=True, slots=True)
class Connection:
    """Where a run is. addresses: tcp://HOST:PORT each, in the order in which they are worth trying.

    server_key: the hub's public key; public_key, secret_key: those of whoever may connect; all as ZeroMQ's text (Z85),
    and empty when the hub asks for none. started: seconds since the epoch. job: number of the batch job, element: its
    name in a job array, or empty. record: the file that it keeps, or empty.
    """

    addresses: tuple[str, ...]
    server_key: str = ""
    public_key: str = ""
    secret_key: str = ""
    host: str = ""
    pid: int = 0
    job: str = ""
    tasks: str = ""
    started: float = 0.0
    version: str = ""
    format: int = FORMAT
    element: str = ""
    record: str = ""

    def to_json(self) -> str:
        """The text of its file: one line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Connection:
        """ValueError when it is none."""
        values: Any = json.loads(text)
        if not isinstance(values, dict) or values.get("format") != FORMAT:
            raise ValueError("it is no connection file, or one of another dwork")
        known = {field.name for field in fields(cls)}
        values = {name: value for name, value in values.items() if name in known}
        addresses = values.get("addresses")
        if not isinstance(addresses, list) or not addresses or not all(isinstance(a, str) for a in addresses):
            raise ValueError("it names no addresses")
        texts = ("server_key", "public_key", "secret_key", "host", "job", "tasks", "version", "element", "record")
        numbers = (values.get("pid", 0), values.get("started", 0.0))
        if not all(isinstance(values.get(name, ""), str) for name in texts) or not all(
            isinstance(number, (int, float)) for number in numbers
        ):
            raise ValueError("it is damaged")
        return cls(**{**values, "addresses": tuple(addresses)})

    @property
    def keys(self) -> PeerKeys | None:
        """What ZeroMQ must be told; None when the hub has no keys."""
        return PeerKeys(self.server_key, self.public_key, self.secret_key) if self.server_key else None

    @property
    def is_gone(self) -> bool:
        """Whether its process has ended, as far as this machine can tell."""
        return self.host == socket.gethostname() and not os.path.exists(f"/proc/{self.pid}")


def directory() -> str:
    """Where connection files are."""
    return os.environ.get("DWORK_DIR") or os.path.join(os.path.expanduser("~"), ".dwork")


def publish(connection: Connection) -> str:
    """Write a connection file for others to find, and return its path. UsageError when there is no safe place."""
    path = _path(_own_directory(), connection)
    write(path, connection)
    return path


def is_withdrawn(connection: Connection) -> bool:
    """Whether a run that was published has ended in order, as far as its file tells."""
    return bool(connection.pid) and not os.path.exists(_path(directory(), connection))


def _path(place: str, connection: Connection) -> str:
    return os.path.join(place, f"{connection.host}-{connection.pid}{_END}")


def write(path: str, connection: Connection) -> None:
    """Write a connection file, which is never there by half and never readable for others."""
    _write(path, connection.to_json())


def write_private(name: str, text: str) -> None:
    """Keep something for this user alone, under a name that may be any text."""
    _write(_private(_own_directory(), name), text)


def read_private(name: str) -> str | None:
    """What is kept under that name, or None."""
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
    return os.path.join(place, f"{hashlib.sha256(os.fsencode(name)).hexdigest()[:32]}.keys")


def _own_directory() -> str:
    place = directory()
    try:
        os.makedirs(place, mode=0o700, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{shown(place)} cannot be made: {error.strerror}; set $DWORK_DIR to another place") from None
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
            f"{shown(path)} cannot be written: {error.strerror}; set $DWORK_DIR to another place"
        ) from None


def choose(
    server: str | None = None, file: str | Connection | None = None, job: str | None = None, *, insecure: bool = False
) -> Connection:
    """The run that is meant: by its address, file or job, $DWORK_CONNECTION, $DWORK_SERVER, or the only one.

    file: one of `publish`, or what was read from it.
    insecure, or $DWORK_INSECURE: the address is that of a hub without keys; by default one of this machine.
    UsageError when none is found, or several are.
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
        raise UsageError(
            f"no run is known at {address}; give its file with --connection FILE, or --insecure if it has no keys"
        )
    return found


def reach(connection: Connection, seconds: float) -> str:
    """The first address that answers; TransportError says what each of them did, when none has in so many seconds."""
    mine = [address for address in connection.addresses if "//127." in address]
    tcp = [a for a in connection.addresses if a.startswith("tcp://")]
    if connection.host == socket.gethostname():
        tcp = [*mine, *(a for a in tcp if a not in mine)]
    elif len(tcp) > len(mine):
        tcp = [a for a in tcp if a not in mine]  # loopback is another machine's here
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
                f"nobody answers; {'; '.join(failures)}. Is the run still there, and reachable from here?"
            )
        time.sleep(min(0.2, seconds))


def _failure(address: str, seconds: float) -> str | None:
    """Why one cannot connect; None when one can."""
    host, _, port = address.removeprefix("tcp://").rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), seconds).close()
    except TimeoutError:
        return "no answer"
    except OSError as error:
        return error.strerror or str(error)
    return None


def withdraw(path: str) -> None:
    """The run has ended."""
    with contextlib.suppress(OSError):
        os.unlink(path)


def read(path: str) -> Connection:
    """UsageError when it cannot be read, is none, or others could read it. `-` is the first line of standard input."""
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
    """What stands there, and no byte more: the rest is for others."""
    line = bytearray()
    while not line.endswith(b"\n") and (byte := os.read(0, 1)):
        line += byte
    return line.decode(errors="replace")


def find(job: str | None = None) -> Connection:
    """The only run that is there, or that of a batch job; UsageError says what there is instead.

    Files of runs of this machine that have ended are removed.
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
    if chosen:
        raise UsageError(f"several runs are there; choose one with --connection FILE: {'; '.join(map(_line, chosen))}")
    what = f"no run of job {shown(job)}" if job is not None else "no run"
    also = f" ({gone} had ended, and {'is' if gone == 1 else 'are'} cleaned up)" if gone else ""
    others = f"; there is {'; '.join(map(_line, found))}" if found else ""
    raise UsageError(
        f"{what} is known in {shown(place)}{also}{others}; give its file with --connection FILE, "
        "or the address of a hub without keys with -s ADDRESS --insecure"
    )


def known() -> dict[str, Connection | UsageError]:
    """The runs that have not ended, by the path of their files; of a file that cannot be used, why."""
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
    """The file of a run that goes on with what that one did: begun after that time, of the same tasks or address."""
    found = {
        path: it
        for path, it in known().items()
        if isinstance(it, Connection)
        and it.started > after
        and ((it.tasks and it.tasks == of.tasks) or set(it.addresses) & set(of.addresses))
    }
    return max(found, key=lambda path: found[path].started) if found else None


def _without_the_dead(found: list[tuple[str, Connection]]) -> list[tuple[str, Connection]]:
    """Of a job that was started again since its node had died the last run alone."""
    last: dict[object, float] = {}
    for path, c in found:
        which = (c.job, c.tasks) if c.job else path
        last[which] = max(last.get(which, c.started), c.started)
    return [(path, c) for path, c in found if c.started == last[(c.job, c.tasks) if c.job else path]]


def _of_job(found: list[tuple[str, Connection]], text: str) -> list[tuple[str, Connection]]:
    """Those that are this job; else those of its elements."""
    meant = [(entry, are_meant(text, entry[1].job, entry[1].element)) for entry in found]
    return [entry for entry, (it, _) in meant if it] or [entry for entry, (_, array) in meant if array]


def is_only(path: str) -> bool:
    """Whether no other run is known where this file is."""
    return {os.path.basename(each) for each in known()} <= {os.path.basename(path)}


def _all(place: str) -> Iterator[tuple[str, Connection]]:
    """The path of each file, and what is in it; a run that has just ended has taken its own away."""
    for path in _paths(place):
        try:
            yield path, read(path)
        except UsageError:
            if os.path.exists(path):
                raise


def with_address(address: str) -> Connection | None:
    """The run that says it is at tcp://HOST:PORT."""
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
    """UsageError when others than this user could read or change it."""
    status = os.stat(path)
    if status.st_uid != os.geteuid():
        raise UsageError(f"{shown(path)} belongs to another user, who could run commands as you; it is not used")
    if stat.S_IMODE(status.st_mode) & 0o077:
        raise UsageError(f"others can get at {shown(path)}, and so run commands as you; chmod go= it, then start anew")
