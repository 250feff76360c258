"""What all commands share: the way to the hub, the names that people type, and `--json`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from dwork.cli.hub_option import HubOption
    from dwork.client.client import Client


@dataclass(slots=True)
class HubChoice:
    """The hub that is meant, and how many seconds an answer of it may take.

    seconds: how long the command has talked to it.
    """

    which: HubOption
    timeout: float
    seconds: float = 0.0

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Count the time until the end as spent in talking."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds = time.perf_counter() - start

    @contextmanager
    def client(self, location: str | None = None) -> Iterator[Client]:
        """A client for one command, which is closed then."""
        with self.timed(), self.connect(location) as client:
            yield client

    def connect(self, location: str | None = None) -> Client:
        """A client that others close; like the original dquery it is known by the bare name of its host."""
        import socket

        from dwork.client.client import Client

        connection = self.which.connection()
        return Client(connection=connection, timeout=self.timeout, location=location or socket.gethostname())


def name(text: str) -> str:
    """Return what somebody typed as the name of a task or worker; bytes that are not UTF-8 become `\\xff`.

    So do they in task files. Raise click.BadParameter when it is empty.
    """
    if not text:
        raise click.BadParameter("it is empty; give a name")
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
