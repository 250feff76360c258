"""Queries the hub repeatedly in threads of its own, so that a hub that does not answer does not block the screen.

One thread queries the state of the run, another waits for its end. When the hub is gone, they look for a run that
continues with its tasks: the same batch job on another node, or the same command again.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from dwork.cli.ending import ending
from dwork.client.client import Client
from dwork.connection.choice import successor
from dwork.connection.directory import is_withdrawn
from dwork.connection.file import Connection
from dwork.core.errors import DworkError
from dwork.core.rows import RunView
from dwork.core.text import printable, to_system
from dwork.dquery._source import TaskSource

#: Seconds between two searches for another run.
LOOK: Final = 2.0


@dataclass(frozen=True, slots=True)
class Answered:
    """The hub has answered. is_new: it is another hub."""

    row: RunView
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class Missed:
    """The hub has not answered, and why."""

    why: str


@dataclass(frozen=True, slots=True)
class Over:
    """The run has ended. row: its last state; None: unknown."""

    code: int
    row: RunView | None


News = Answered | Missed | Over


class Questions:
    """The queries. client: has already received `row`. report(news) is called in the threads."""

    def __init__(self, client: Client, row: RunView, interval: float, report: Callable[[News], None]) -> None:
        self.client = client
        self._row = row  # the last answer
        self._interval = interval
        self._report = report
        self._stopped = threading.Event()
        self._is_gone = False  # as far as known
        self._is_over = False  # and this was reported

    def begin(self) -> None:
        threading.Thread(target=self._ask, daemon=True).start()
        self._wait_for_the_end(self.client)

    def stop(self) -> None:
        """Stop the queries, without waiting for threads that wait for an answer."""
        self._stopped.set()

    @contextmanager
    def source(self) -> Iterator[TaskSource]:
        """Yield the source for single tasks: the hub or, when it is gone, the record that it left."""
        record = to_system(self.client.connection.record)
        if not (self._is_gone and record and os.path.exists(record)):
            yield self.client
            return
        from dwork.record.reading import Archive

        with Archive(record) as archive:
            yield archive

    def _ask(self) -> None:
        while not self._stopped.wait(max(LOOK, self._interval) if self._is_gone else self._interval):
            try:
                self._heard(self.client.watch(), is_new=False)
            except DworkError as error:
                self._find_another(error)

    def _heard(self, row: RunView, *, is_new: bool) -> None:
        self._row = row
        self._is_gone = False
        self._is_over = self._is_over and row["over"]
        self._report(Answered(row, is_new))

    def _find_another(self, error: DworkError) -> None:
        """Report that the hub does not answer, and look for one that continues with its tasks."""
        connection = self.client.connection
        if not self._is_gone and not self._is_over and is_withdrawn(connection):
            self._report_from_record(connection)
        self._is_gone = True
        self._report(Missed("Its process is gone." if connection.is_gone else printable(str(error))))
        try:
            path = successor(connection, self._row["time"])
            if path is None:
                return
            client = Client(connection=path, timeout=self.client.timeout)
            row = client.watch()
        except DworkError:
            return
        self.client = client
        self._heard(row, is_new=True)
        self._wait_for_the_end(client)

    def _report_from_record(self, connection: Connection) -> None:
        """Report a run that ended properly between two queries; once only: reading the record blocks a new run."""
        found = ending(connection)
        if found is not None:
            last = self._row.copy()
            last["counts"], last["crew"], last["tasks"], last["over"] = dict(found.counts), [], [], True
            last["running"] = last["cores"] = last["busy"] = last["workers"] = 0
            self._report(Over(found.code, last if found.counts else None))

    def _wait_for_the_end(self, client: Client) -> None:
        threading.Thread(target=self._await, args=(client,), daemon=True).start()

    def _await(self, client: Client) -> None:
        while client is self.client and not self._stopped.is_set():
            try:
                end = client.wait()
            except DworkError:  # the other thread reports it
                end = None
            if end is not None and client is self.client:
                self._is_over = True
                self._report(Over(end.exit_status, end.view))
            self._stopped.wait(max(self._interval, LOOK))
