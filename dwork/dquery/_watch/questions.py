"""Asks the hub, again and again, in threads of its own: a hub that does not answer holds up nobody else.

One thread asks how the run stands, another waits for its end. When the hub is gone, a run is looked for that goes on
with its tasks: the same batch job on another node, the same command once more.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from dwork.client.client import Client
from dwork.connection.file import Connection, is_withdrawn, successor
from dwork.core.errors import DworkError
from dwork.core.text import printable
from dwork.dquery._ended import ending
from dwork.dquery._source import TaskSource

#: Seconds between two looks for another run.
LOOK: Final = 2.0


@dataclass(frozen=True, slots=True)
class Answered:
    """The hub has answered; is_new: it is another one."""

    row: dict[str, Any]
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class Missed:
    """It has not, and why."""

    why: str


@dataclass(frozen=True, slots=True)
class Over:
    """The run is over."""

    code: int
    row: dict[str, Any]


News = Answered | Missed | Over


class Questions:
    """tell(news) is called in the threads. client: has been answered already, with that row."""

    def __init__(self, client: Client, row: dict[str, Any], interval: float, tell: Callable[[News], None]) -> None:
        self.client = client
        self._row = row  # the last answer
        self._interval = interval
        self._tell = tell
        self._stopped = threading.Event()
        self._is_gone = False  # as far as is known
        self._is_over = False  # and that was told

    def begin(self) -> None:
        threading.Thread(target=self._ask, daemon=True).start()
        self._wait_for_the_end(self.client)

    def stop(self) -> None:
        """Ask no more; who waits for an answer is not waited for."""
        self._stopped.set()

    @contextmanager
    def source(self) -> Iterator[TaskSource]:
        """Who tells of single tasks: the hub or, when it is gone, the record that it has left."""
        record = self.client.connection.record
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

    def _heard(self, row: dict[str, Any], *, is_new: bool) -> None:
        self._row = row
        self._is_gone = False
        self._is_over = self._is_over and bool(row.get("over"))
        self._tell(Answered(row, is_new))

    def _find_another(self, error: DworkError) -> None:
        """The hub does not answer: look for one that goes on with its tasks."""
        connection = self.client.connection
        if not self._is_gone and not self._is_over and is_withdrawn(connection):
            self._tell_from_record(connection)
        self._is_gone = True
        self._tell(Missed("Its process is gone." if connection.is_gone else printable(str(error))))
        try:
            path = successor(connection, _time(self._row))
            if path is None:
                return
            client = Client(connection=path, timeout=self.client.timeout)
            row = client.watch()
        except DworkError:
            return
        self.client = client
        self._heard(row, is_new=True)
        self._wait_for_the_end(client)

    def _tell_from_record(self, connection: Connection) -> None:
        """The run has ended in order, between two questions. Once alone: while the record is read no run can begin."""
        found = ending(connection)
        if found is not None:
            ended = {"counts": dict(found.counts), "running": 0, "cores": 0, "busy": 0, "crew": [], "workers": 0}
            ended.update(tasks=[], over=True)
            self._tell(Over(found.code, {**self._row, **ended} if found.counts else {}))

    def _wait_for_the_end(self, client: Client) -> None:
        threading.Thread(target=self._await, args=(client,), daemon=True).start()

    def _await(self, client: Client) -> None:
        while client is self.client and not self._stopped.is_set():
            try:
                end = client.wait()
            except DworkError:  # the other thread tells of it
                end = None
            if end is not None and client is self.client:
                self._is_over = True
                self._tell(Over(end.exit_status, dict(end.view)))
            self._stopped.wait(max(self._interval, LOOK))


def _time(row: dict[str, Any]) -> float:
    """When the hub answered so, on its clock."""
    time = row.get("time")
    return time if isinstance(time, (int, float)) else 0.0
