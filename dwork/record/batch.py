"""Batches of tasks that succeeded: packed quickly, and entered in the tables later.

A batch consists of columns of little-endian numbers, one after the other: task and start time, 8 bytes each; then, 4
bytes each, the seconds from the steal to the start, the run time in seconds, user and system time, max_rss in KiB, and
attempt. Unknown values are 0.
"""

from __future__ import annotations

import sqlite3
import sys
from array import array
from collections.abc import Iterable, Sequence
from typing import Any, Final

from dwork.core.location import host_of
from dwork.record.transaction import transaction

_KINDS: Final = "qdffffII"
_SIZE: Final = sum(array(kind).itemsize for kind in _KINDS)
_MOST: Final = 2**32 - 1
#: Rows of one INSERT; SQLite before 3.32 accepts at most 999 values.
_ROWS: Final = 64
_VALUES: Final = f"({', '.join('?' * 10)})"
_INSERTS: Final = [
    "INSERT OR REPLACE INTO attempts(task, attempt, worker, host, stolen, started, ended, user, system, max_rss) "
    f"VALUES {', '.join([_VALUES] * n)}"
    for n in range(_ROWS + 1)
]


def pack(ids: Sequence[int], columns: Sequence[Any], hands: Sequence[tuple[int, str, float] | None]) -> bytes:
    """Pack a batch. columns: those of Result from `attempt` to `max_rss`; hands: the assignment of each task."""
    attempts, _, _, started, seconds, user, system, max_rss = columns
    if not all(attempts):  # peers of the original dialect do not count attempts
        attempts = [a or (hand[0] if hand else 0) for a, hand in zip(attempts, hands, strict=True)]
    waited = [
        begin - hand[2] if begin and hand and hand[0] == attempt else 0.0  # else it is that of a later attempt
        for begin, hand, attempt in zip(started, hands, attempts, strict=True)
    ]
    rss = [bytes >> 10 for bytes in max_rss]
    if max(rss) > _MOST:  # a peer reports nonsense
        rss = [min(kib, _MOST) for kib in rss]
    packed = [
        array(kind, column)
        for kind, column in zip(_KINDS, (ids, started, waited, seconds, user, system, rss, attempts), strict=True)
    ]
    if sys.byteorder == "big":
        for column in packed:
            column.byteswap()
    return b"".join(packed)


def unpack(batch: bytes) -> Iterable[tuple[Any, ...]]:
    """Return the rows of a packed batch."""
    n = len(batch) // _SIZE
    columns = []
    start = 0
    for kind in _KINDS:
        column = array(kind)
        end = start + n * column.itemsize
        column.frombytes(batch[start:end])
        if sys.byteorder == "big":
            column.byteswap()
        columns.append(column)
        start = end
    return zip(*columns, strict=True)


def enter(connection: sqlite3.Connection, most: int) -> int:
    """Enter the oldest batches, until at least `most` tasks are entered; return how many are, 0 when none are left."""
    with transaction(connection):
        return enter_within(connection, most)


def enter_within(connection: sqlite3.Connection, most: int) -> int:
    """Do the same as `enter`, within a transaction that has begun."""
    ids: list[int] = []
    values: list[Any] = []
    last = 0
    cursor = connection.execute("SELECT id, time, worker, columns FROM finished ORDER BY id")
    for number, time, worker, columns in cursor:
        _append(ids, values, time, worker, columns)
        last = number
        if len(ids) >= most:
            break
    cursor.close()
    step = 10 * _ROWS
    for start in range(0, len(values), step):
        part = values[start : start + step]
        connection.execute(_INSERTS[len(part) // 10], part)
    connection.executemany(
        "UPDATE tasks SET state = 'done', reason = NULL, culprit = NULL WHERE id BETWEEN ? AND ?", ranges(ids)
    )
    connection.execute("DELETE FROM finished WHERE id <= ?", (last,))
    return len(ids)


def _append(ids: list[int], values: list[Any], time: float, worker: str, batch: bytes) -> None:
    """Append the ids of a batch, and the values of its rows in `attempts`."""
    host = host_of(worker)
    for id, started, waited, seconds, user, system, rss, attempt in unpack(batch):
        begin, stolen, end = (started, started - waited, started + seconds) if started else (None, None, time)
        values += (id, attempt or 1, worker, host, stolen, begin, end, user, system, (rss << 10) or None)
        ids.append(id)


def ranges(ids: Iterable[int]) -> Iterable[tuple[int, int]]:
    """Yield first and last of each run of consecutive numbers: most batches consist of few."""
    first = last = None
    for id in sorted(ids):
        if last is None or id != last + 1:
            if first is not None and last is not None:
                yield first, last
            first = id
        last = id
    if first is not None and last is not None:
        yield first, last
