"""What tasks print: into the log files, with a row that tells where; and of those that fail, the end of their stderr.

Output comes in pieces while a task runs, or with its result, or both.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Final

from dwork.core.byte_tails import Tails
from dwork.core.task import Result
from dwork.record.logs import Logs
from dwork.record.rows import text

#: Bytes of stderr that the record keeps of an attempt that did not end well.
TAIL: Final = 4096


class OutputRecorder:
    """logs: None when only the ends of stderr are wanted."""

    def __init__(self, connection: sqlite3.Connection, logs: Logs | None) -> None:
        self._connection = connection
        self._logs = logs
        self._tails = Tails(TAIL)
        self.tail, self.forget = self._tails.end, self._tails.forget

    def piece(self, id: int, hand: tuple[int, str, float] | None, stream: int, data: bytes) -> None:
        """A piece, of the attempt that some worker holds."""
        if stream == 2:
            self._tails.add(id, data)
        if hand is not None:
            self._log(id, hand[0], hand[1], stream, data)

    def result(self, id: int, attempt: int, location: str, result: Result) -> None:
        """What came with the result."""
        for stream, data in ((1, result.stdout), (2, result.stderr)):
            if data:
                self._log(id, attempt, location, stream, data)

    def _log(self, id: int, attempt: int, location: str, stream: int, data: bytes) -> None:
        if self._logs is None:
            return
        file, offset = self._logs.append(location, id, attempt, stream, data)
        self._connection.execute(
            "INSERT INTO output SELECT ?1, ?2, ?3, count(*), ?4, ?5, ?6 FROM output "
            "WHERE task = ?1 AND attempt = ?2 AND stream = ?3",
            (id, attempt, stream, text(file), offset, len(data)),
        )

    def size(self, id: int, attempt: int) -> tuple[int, int]:
        """How many bytes of stdout and stderr of an attempt are there."""
        sizes = dict(
            self._connection.execute(
                "SELECT stream, sum(length) FROM output WHERE task = ? AND attempt = ? GROUP BY stream", (id, attempt)
            ).fetchall()
        )
        return sizes.get(1, 0), sizes.get(2, 0)

    def drop(self, attempts: Iterable[tuple[int, int]]) -> None:
        """What is there of these attempts (task, attempt) comes again from its start."""
        self._connection.executemany("DELETE FROM output WHERE task = ? AND attempt = ?", attempts)

    def close(self) -> None:
        if self._logs is not None:
            self._logs.close()
