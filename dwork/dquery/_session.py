"""What all commands share: the connection to the hub, the names that users type, and `--json`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from dwork.core.text import as_name, from_system

if TYPE_CHECKING:
    from dwork.cli.hub_option import HubOption
    from dwork.client.client import Client


@dataclass(slots=True)
class HubChoice:
    """The chosen hub, and the time limit for its answers in seconds.

    seconds: how long the queries of the command took.
    """

    which: HubOption
    timeout: float
    seconds: float = 0.0

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Measure the time of the body as that of the query."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds = time.perf_counter() - start

    @contextmanager
    def client(self, location: str | None = None) -> Iterator[Client]:
        """Yield a client for one command, and close it afterwards."""
        with self.timed(), self.connect(location) as client:
            yield client

    def connect(self, location: str | None = None) -> Client:
        """Return a client that the caller closes; as with the original dquery, its location is the bare host name."""
        import socket

        from dwork.client.client import Client

        connection = self.which.connection()
        return Client(connection=connection, timeout=self.timeout, location=location or socket.gethostname())


def name(text: str) -> str:
    """Return the typed name of a task or worker; bytes that are not UTF-8 become `\\xff`, as in task files.

    Raise click.BadParameter when it is empty.
    """
    if not text:
        raise click.BadParameter("the name is empty; give one")
    return as_name(from_system(text))


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
