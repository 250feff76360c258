"""Queries of a record, with results as rows."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from types import TracebackType
from typing import Any, Final, NamedTuple

from dwork.core.errors import StoreError, UsageError
from dwork.core.glob import matcher
from dwork.core.rows import AttemptRow, OptionsRow, OutputPiece, PredecessorRow, Predecessors, TaskDetails, TaskRow
from dwork.core.text import shown
from dwork.host.ownership import FILE_MODE, open_mine
from dwork.record.batch import enter
from dwork.record.locks import COMPANIONS, refuse_foreign, refuse_if_in_use
from dwork.record.logs import read
from dwork.record.place import Place
from dwork.record.rows import untext
from dwork.record.schema import VERSION, prepare, version_of
from dwork.record.shells import shells
from dwork.record.trouble import reading

#: Most predecessors or successors in one result.
LISTED: Final = 100
#: Names that are looked up one by one before all names are loaded.
LOOKUPS: Final = 8
#: Ids in one query.
_AT_ONCE: Final = 500

_TASK: Final = (
    "SELECT t.id, t.name, t.state, t.held, t.command, t.reason, (SELECT name FROM tasks WHERE id = t.culprit), "
    "a.attempt, a.worker, a.started, a.ended, a.exit_status, a.signal, a.cause "
    "FROM tasks t LEFT JOIN attempts a ON a.task = t.id "
    "AND a.attempt = (SELECT max(attempt) FROM attempts WHERE task = t.id)"
)
_ATTEMPTS: Final = (
    "SELECT attempt, outcome, worker, stolen, started, ended, exit_status, signal, user, system, max_rss, cause, "
    "reason, stderr, left_behind FROM attempts WHERE task = ? ORDER BY attempt"
)


def rows(connection: sqlite3.Connection, ids: Sequence[int]) -> list[TaskRow]:
    """Return the rows of these tasks, in this order."""
    found: dict[int, TaskRow] = {}
    for start in range(0, len(ids), _AT_ONCE):
        part = ids[start : start + _AT_ONCE]
        marks = ",".join("?" * len(part))
        found.update(
            (values[0], _row(values)) for values in connection.execute(f"{_TASK} WHERE t.id IN ({marks})", part)
        )
    return [found[id] for id in ids if id in found]


def _row(values: Sequence[Any]) -> TaskRow:
    id, name, state, held, command, reason, culprit, attempt, worker, started, ended, exit_status, signal, cause = (
        values
    )
    return {
        "id": id,
        "name": name,
        "state": state,
        "held": bool(held),
        "command": untext(command),
        "reason": untext(reason),
        "culprit": culprit,
        "attempt": attempt,
        "worker": worker,
        "started": started,
        "ended": ended,
        "exit_status": exit_status,
        "signal": signal,
        "cause": cause,
    }


def find(connection: sqlite3.Connection, key: str) -> int | None:
    """Return the id of a task by name or `#id`; None when there is none.

    This scans all names, since an index would make each new task slower.
    """
    found = connection.execute("SELECT id FROM tasks WHERE name = ? ORDER BY removed IS NOT NULL", (key,)).fetchone()
    return _with_number(connection, key) if found is None else int(found[0])


def _with_number(connection: sqlite3.Connection, key: str) -> int | None:
    if key[:1] != "#" or not key[1:].isdecimal() or len(key) >= 19:
        return None
    found = connection.execute("SELECT id FROM tasks WHERE id = ?", (int(key[1:]),)).fetchone()
    return None if found is None else int(found[0])


def task(connection: sqlite3.Connection, id: int) -> TaskDetails:
    """Return all about a task, with its first hundred predecessors, those that are not done first."""
    (row,) = rows(connection, [id])
    arguments, options, origin, queued, removed = connection.execute(
        "SELECT arguments, options, origin, queued, removed FROM tasks WHERE id = ?", (id,)
    ).fetchone()
    output: list[OutputPiece] = [
        {
            "attempt": attempt,
            "stream": stream,
            "position": position,
            "file": untext(file),
            "offset": offset,
            "length": length,
        }
        for attempt, stream, position, file, offset, length in connection.execute(
            "SELECT attempt, stream, position, file, offset, length FROM output WHERE task = ? "
            "ORDER BY attempt, stream, position",
            (id,),
        )
    ]
    return {
        **row,
        "arguments": json.loads(arguments) if arguments else None,
        "options": _options(connection, options),
        "origin": origin,
        "queued": queued,
        "removed": removed,
        "attempts": [_attempt(values) for values in connection.execute(_ATTEMPTS, (id,))],
        "output": output,
        "predecessors": _predecessors(connection, id),
        "successors": None,
        "hand": None,
        "misses": "",
    }


def _options(connection: sqlite3.Connection, text: str | None) -> OptionsRow:
    values: Any = json.loads(text) if text else {}
    if "shell" in values:
        shell = shells(connection)[values["shell"]]
        values |= {"shell": list(shell.words), "setup": list(shell.setup)}
    options: OptionsRow = values
    return options


def _attempt(values: Sequence[Any]) -> AttemptRow:
    attempt, outcome, worker, stolen, started, ended, exit_status, signal, user, system, max_rss, *why = values
    cause, reason, end, left = why
    return {
        "attempt": attempt,
        "outcome": outcome,
        "worker": worker,
        "stolen": stolen,
        "started": started,
        "ended": ended,
        "exit_status": exit_status,
        "signal": signal,
        "user": user,
        "system": system,
        "max_rss": max_rss or None,  # 0 in records of older versions
        "cause": cause,
        "reason": untext(reason),
        "stderr": (end or b"").decode(errors="backslashreplace"),
        "left_behind": left or 0,
    }


def _predecessors(connection: sqlite3.Connection, id: int) -> Predecessors:
    (total,) = connection.execute(
        "SELECT count(*) FROM predecessors WHERE task = ? AND predecessor IS NOT NULL", (id,)
    ).fetchone()
    found = connection.execute(
        "SELECT t.id, t.name, t.state, t.held, t.command IS NULL, t.reason, after_any FROM predecessors p "
        "JOIN tasks t ON t.id = predecessor WHERE task = ? ORDER BY t.state = 'done', position LIMIT ?",
        (id, LISTED),
    )
    first: list[PredecessorRow] = [
        {
            "id": id, "name": name, "state": state, "held": bool(held), "join": bool(join), "reason": reason,
            "after_any": bool(after_any),
        }
        for id, name, state, held, join, reason, after_any in found
    ]  # fmt: skip
    return {"total": total, "first": first}


def listing(
    connection: sqlite3.Connection, states: Collection[str], glob: str | None, after: int, n: int
) -> tuple[list[TaskRow], int | None]:
    """Return up to n rows with ids above `after`, and the `after` of the next call, which is None at the end.

    Joins and removed tasks are left out. states: return only tasks in these; empty: in all. glob: return only tasks
    whose names match or equal it; None: all.
    """
    where = "WHERE t.id > ? AND t.removed IS NULL AND t.command IS NOT NULL"
    if states:
        where += f" AND t.state IN ({','.join('?' * len(states))})"
    matches = matching(glob)
    found: list[TaskRow] = []
    for values in connection.execute(f"{_TASK} {where} ORDER BY t.id", (after, *states)):
        if matches(values[1]):
            found.append(_row(values))
            if len(found) >= n:
                return found, int(values[0])
    return found, None


def matching(glob: str | None) -> Callable[[str], object]:
    """Return a test of names against a glob, which matches itself, too. UsageError when the glob is malformed."""
    if glob is None:
        return lambda name: True
    try:
        matches = matcher(glob)
    except ValueError as error:
        raise UsageError(str(error)) from None
    return lambda name: name == glob or matches(name)


def counts(connection: sqlite3.Connection) -> dict[str, int]:
    """Return the number of tasks in each state."""
    query = "SELECT state, count(*) FROM tasks WHERE removed IS NULL AND command IS NOT NULL GROUP BY state"
    return dict(connection.execute(query).fetchall())


class LastRun(NamedTuple):
    """The last run on a record. ended: when; None: it was killed, or still runs."""

    host: str
    pid: int
    ended: float | None


class _Older(Exception):
    """The record has an older format."""


class Archive:
    """A record that no pool or hub uses, open for reading; `with` closes it. UsageError when it cannot be used.

    untouched: open a copy in any case, so that the record and its companion files stay as they are.
    """

    def __init__(self, path: str, *, untouched: bool = False) -> None:
        if not os.path.isfile(path):
            raise UsageError(f"there is no record {shown(path)}; a pool's record is its task file's name plus .db")
        self.path = path
        self._lookups = 0
        self._ids: dict[str, int] = {}  # by name: loaded after many lookups
        self._stack = contextlib.ExitStack()
        try:
            self.connection = self._enter_all(self._copy(), is_copy=True) if untouched else self._open()
        except BaseException:
            self._stack.close()
            raise

    def _open(self) -> sqlite3.Connection:
        """Open the record itself if possible, to enter what a killed pool left in `finished`; else a copy.

        That is when it cannot be written, or when it is an older dwork's, which could not read it any more if it were
        migrated here.
        """
        path = self.path
        directory = os.path.dirname(os.path.abspath(path))
        if self._is_mine() and os.access(path, os.W_OK) and os.access(directory, os.W_OK):
            with contextlib.suppress(StoreError, _Older):  # the disk is full, or it is an older one
                return self._enter_all(path)
        return self._enter_all(self._copy(), is_copy=True)

    def _is_mine(self) -> bool:
        """Whether the record is this user's own and safe from other users; any other is read from a copy."""
        try:
            os.close(open_mine(self.path, os.O_RDONLY, links=True))
            refuse_foreign(self.path)
        except (OSError, UsageError):
            return False
        return True

    def _copy(self) -> str:
        copy = os.path.join(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="dwork-")), "record.db")
        refuse_if_in_use(self.path)
        try:
            for end in ("", *COMPANIONS):
                if not end or os.path.exists(f"{self.path}{end}"):
                    shutil.copyfile(f"{self.path}{end}", f"{copy}{end}")
                    os.chmod(f"{copy}{end}", FILE_MODE)
        except OSError as error:
            raise UsageError(f"{shown(self.path)} cannot be read: {error.strerror}") from None
        refuse_if_in_use(self.path)  # else the copy may be inconsistent
        return copy

    def _enter_all(self, path: str, *, is_copy: bool = False) -> sqlite3.Connection:
        place = Place(path, lambda text: None, self.path, shared=True)
        try:
            with reading(self.path):
                version = version_of(place.connection, self.path)
                if not version:
                    raise UsageError(f"{shown(self.path)} is empty: no pool has used it yet")
                if is_copy:
                    prepare(place.connection, self.path)
                elif version < VERSION:
                    raise _Older
                while enter(place.connection, 20_000):
                    pass
        except BaseException:
            place.close()
            raise
        self._stack.callback(place.close)
        return place.connection

    def __enter__(self) -> Archive:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._stack.close()

    def tasks(self, states: Collection[str] = (), glob: str | None = None) -> Iterator[TaskRow]:
        """Yield rows of tasks, as Client.tasks does."""
        after: int | None = -1
        while after is not None:
            with reading(self.path):
                found, after = listing(self.connection, states, glob, after, 1000)
            yield from found

    def task(self, key: str) -> TaskDetails | None:
        """Return all about a task, as Client.task does."""
        with reading(self.path):
            id = self._find(key)
            return None if id is None else task(self.connection, id)

    def _find(self, key: str) -> int | None:
        self._lookups += 1
        if self._lookups <= LOOKUPS:
            return find(self.connection, key)
        if not self._ids:
            names = self.connection.execute("SELECT name, id FROM tasks ORDER BY removed IS NULL, id DESC")
            self._ids = dict(names.fetchall())
        id = self._ids.get(key)
        return _with_number(self.connection, key) if id is None else id

    def output(self, row: TaskRow, piece: OutputPiece) -> bytes:
        """Return a piece of output, as Client.output does."""
        return read(self.path, piece["file"], piece["offset"], piece["length"])

    def last_run(self) -> LastRun | None:
        """Return the last run; None when there was no run."""
        with reading(self.path):
            query = "SELECT host, pid, ended FROM runs ORDER BY id DESC LIMIT 1"
            found = self.connection.execute(query).fetchone()
        return None if found is None else LastRun(*found)

    def counts(self) -> dict[str, int]:
        with reading(self.path):
            return counts(self.connection)
