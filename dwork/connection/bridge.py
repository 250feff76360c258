"""The bridge: the hub's ZeroMQ socket, and the connection file that says where it is.

Anyone who can talk to a hub can run commands as its owner. So a bridge has its own keys, which only its connection file
contains, and listens on all interfaces; without keys it listens on loopback, unless another address is given.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Callable
from typing import Any

from dwork.connection.address import DEFAULT_PORT
from dwork.connection.directory import beside, directory, publish, secret, store_secret, withdraw
from dwork.connection.endpoint import Endpoint
from dwork.connection.file import Connection, NotWritten, write
from dwork.core.errors import UsageError
from dwork.core.messages import Welcome
from dwork.core.text import NO_TEXT, UserText, from_system, shown, to_system
from dwork.core.version import __version__
from dwork.host import descriptors
from dwork.host.batch_job import element, job
from dwork.host.interfaces import addresses
from dwork.host.pid_space import pid_space
from dwork.transport.curve_keys import HubKeys, PeerKeys
from dwork.transport.zmq import Router, make_keys

_EVERYWHERE = {"0.0.0.0", "*"}
_LOOPBACK = ("127.", "localhost", "::1", "[::1]")


class Bridge:
    """A listening hub. router: its transport. connection: what clients need to reach it.

    path: its connection file; empty when it has none.
    """

    def __init__(self, endpoint: Endpoint, started: float, tell: Callable[[str], None]) -> None:
        host = endpoint.bind or ("127.0.0.1" if endpoint.insecure else "0.0.0.0")
        if endpoint.insecure and endpoint.public and not host.startswith(_LOOPBACK):
            tell(f"anyone who can reach {host} can run commands as you: --insecure disables authentication")
        ours, theirs = (None, PeerKeys("", "", "")) if endpoint.insecure else _keys(endpoint.keep, tell)
        self.path = ""
        self._is_public = endpoint.public
        descriptors.have()  # each connection needs one
        self.router = _listen(endpoint, host, ours, tell)
        reachable: tuple[str, ...] = (endpoint.local,)
        if endpoint.public:
            port = self.router.addresses[0].rpartition(":")[2]
            _keep_port(endpoint, port)
            hosts = addresses() if host in _EVERYWHERE else [host]
            reachable = tuple(f"tcp://{_bracketed(each)}:{port}" for each in hosts)
        self.connection = Connection(
            reachable,
            *theirs,
            socket.gethostname(),
            os.getpid(),
            job(),
            endpoint.tasks,
            started,
            __version__,
            element=element(),
            record=endpoint.record,
            directory=_directory(),
            pid_space=pid_space(),
        )
        if endpoint.public:
            try:
                self.path = _publish(self.connection, tell)
            except UsageError:
                self.router.close()
                raise

    @property
    def server(self) -> str:
        """The first address at which the hub can be reached."""
        return self.connection.addresses[0]

    def welcome(self, **more: Any) -> Welcome:
        """Return a Welcome with what tasks need to reach this hub; without it when the bridge is not public."""
        if not self._is_public:
            return Welcome(**more)
        if self.connection.keys is None:
            return Welcome(self.server, **more)
        return Welcome(connection=self.connection.to_json(), **more)

    def close(self) -> None:
        if self.path:
            withdraw(self.path)
        self.router.close()


def _directory() -> UserText:
    """Return the working directory; empty when it has been removed."""
    try:
        return from_system(os.getcwd())
    except FileNotFoundError:
        return NO_TEXT


def _publish(connection: Connection, tell: Callable[[str], None]) -> str:
    """Write the connection file, if need be beside the record, and return its path; empty when that fails, too.

    The run goes on without it: the home directory may be full or read-only.
    """
    try:
        return publish(connection)
    except NotWritten as error:
        why = error
    record = to_system(connection.record)
    if record:
        path = beside(record)
        try:
            write(path, connection)
        except NotWritten:
            pass
        else:
            tell(f"{why}; the connection file of this run is {shown(path)}; dquery finds it in that directory")
            return path
    tell(f"{why}; dquery and kworker cannot find this run")
    return ""


def _keys(name: UserText, tell: Callable[[str], None]) -> tuple[HubKeys, PeerKeys]:
    """Return new keys or, given the name of stored keys, those; store new ones under a new name."""
    if not name:
        return make_keys()
    kept = secret(name)
    if kept is None:
        ours, theirs = make_keys()
        try:
            store_secret(name, json.dumps([ours, theirs]))
        except NotWritten as error:
            tell(f"{error}; workers cannot reconnect when this hub is restarted")
        return ours, theirs
    try:
        ours, theirs = json.loads(kept)
        return HubKeys(*ours), PeerKeys(*theirs)
    except (ValueError, TypeError):
        raise UsageError(f"the keys of {shown(name)} in {shown(directory())} are damaged; delete them") from None


def _listen(endpoint: Endpoint, host: str, keys: HubKeys | None, tell: Callable[[str], None]) -> Router:
    others = [endpoint.local] if endpoint.local else []
    if not endpoint.public:
        return Router(*others, keys=keys)
    base = f"tcp://{_bracketed(host)}"
    if endpoint.port is not None:
        return Router(f"{base}:{endpoint.port}", *others, keys=keys)
    kept = _kept_port(endpoint)
    for port in dict.fromkeys([kept or DEFAULT_PORT, DEFAULT_PORT]):
        try:
            return Router(f"{base}:{port}", *others, keys=keys)
        except UsageError:
            pass
    router = Router(f"{base}:*", *others, keys=keys)
    if kept:
        tell(f"port {kept} is in use; workers of the last run try to reach this hub there, and will not find it")
    return router


def _kept_port(endpoint: Endpoint) -> int:
    """Return the port of the last run of this name, at which its workers may still try to reach it; 0: none."""
    text = secret(_port_of(endpoint)) if endpoint.keep else None
    return int(text) if text is not None and text.isdecimal() else 0


def _keep_port(endpoint: Endpoint, port: str) -> None:
    if endpoint.keep and endpoint.port is None:
        with contextlib.suppress(NotWritten):  # reported with the keys
            store_secret(_port_of(endpoint), port)


def _port_of(endpoint: Endpoint) -> UserText:
    return UserText(f"{endpoint.keep}:port")


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
