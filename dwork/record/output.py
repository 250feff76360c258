"""Records the output of tasks: in the log files, with a row for the place; for failed tasks also the end of stderr.

Output comes in pieces while a task runs, with its result, or both.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Final

from dwork.core.byte_tails import Tails
from dwork.core.task import Result
from dwork.record.logs import Logs
from dwork.record.rows import text

#: Bytes of stderr that the record keeps of an attempt that did not succeed.
TAIL: Final = 4096


class OutputRecorder:
    """Records output. logs: None to record only the ends of stderr."""

    def __init__(self, connection: sqlite3.Connection, logs: Logs | None) -> None:
        self._connection = connection
        self._logs = logs
        self._tails = Tails(TAIL)
        self.tail, self.forget = self._tails.end, self._tails.forget

    def piece(self, id: int, hand: tuple[int, str, float] | None, stream: int, data: bytes) -> None:
        """Record a piece of output. hand: attempt, holder and time of the assignment; None: not assigned."""
        if stream == 2:
            self._tails.add(id, data)
        if hand is not None:
            self._log(id, hand[0], hand[1], stream, data)

    def result(self, id: int, attempt: int, location: str, result: Result) -> None:
        """Record the output that came with a result."""
        for stream, data in ((1, result.stdout), (2, result.stderr)):
            if data:
                self._log(id, attempt, location, stream, data)

    def _log(self, id: int, attempt: int, location: str, stream: int, data: bytes) -> None:
        if self._logs is None:
            return
        file, offset = self._logs.append(location, id, attempt, stream, data)
        self._connection.execute(
            "INSERT INTO output SELECT ?1, ?2, ?3, ifnull(max(position) + 1, 0), ?4, ?5, ?6 FROM output "
            "WHERE task = ?1 AND attempt = ?2 AND stream = ?3",
            (id, attempt, stream, text(file), offset, len(data)),
        )

    def size(self, id: int, attempt: int) -> tuple[int, int]:
        """Return the recorded bytes of stdout and stderr of an attempt."""
        sizes = dict(
            self._connection.execute(
                "SELECT stream, sum(length) FROM output WHERE task = ? AND attempt = ? GROUP BY stream", (id, attempt)
            ).fetchall()
        )
        return sizes.get(1, 0), sizes.get(2, 0)

    def drop(self, attempts: Iterable[tuple[int, int]]) -> None:
        """Forget the output of these attempts (task, attempt), which will be sent again from its start."""
        self._connection.executemany("DELETE FROM output WHERE task = ? AND attempt = ?", attempts)

    def close(self) -> None:
        if self._logs is not None:
            self._logs.close()
