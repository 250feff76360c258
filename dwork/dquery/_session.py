"""What all commands share: the connection to the hub, the names that users type, and `--json`."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from dwork.core.errors import UsageError
from dwork.core.text import as_name, from_system, printable
from dwork.dquery._output import note

if TYPE_CHECKING:
    from dwork.cli.hub_option import HubOption
    from dwork.client.client import Client
    from dwork.connection.file import Connection


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
        """Yield a client for one command, and close it afterwards. location: that of a worker."""
        with self.timed(), self.connect(location) as client:
            yield client

    @contextmanager
    def changing_client(self) -> Iterator[Client]:
        """Yield a client that stops tasks or workers; UsageError for a run elsewhere that was not named."""
        with self.timed(), self.connect(changes=True) as client:
            yield client

    def connect(self, location: str | None = None, *, changes: bool = False) -> Client:
        """Return a client that the caller closes; as with the original dquery, its location is the bare host name.

        changes: refuse a run elsewhere that the user has not named. Otherwise print which run it is, but for a worker,
        which may be in any directory.
        """
        import socket

        from dwork.client.client import Client

        connection = self.which.connection()
        if location is None and not self.which.is_named:
            _check_place(connection, changes=changes)
        return Client(connection=connection, timeout=self.timeout, location=location or socket.gethostname())


def _check_place(connection: Connection, *, changes: bool) -> None:
    """Print or refuse a run of task files that are not of this directory: perhaps another run was meant."""
    from dwork.connection.choice import described, is_here
    from dwork.connection.directory import path_of

    is_dhub = connection.tasks in ("", connection.record)
    if is_dhub or is_here(connection):
        return
    if changes:
        job = connection.element or connection.job
        option = f"--job {shlex.quote(job)}" if job else f"--connection {shlex.quote(path_of(connection))}"
        raise UsageError(
            f"no run of this directory is known; to change the run of {described(connection)}, add {printable(option)}"
        )
    note(f"dquery: the run of {described(connection)}")


def name(text: str) -> str:
    """Return the typed name of a task or worker; bytes that are not UTF-8 become `\\xff`, as in task files.

    Raise click.BadParameter when it is empty.
    """
    if not text:
        raise click.BadParameter("the name is empty; give one")
    return as_name(from_system(text))


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
