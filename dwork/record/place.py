"""The file of a record, opened exclusively, even where the file system has no locks.

SQLite's write-ahead log with an exclusive lock needs no shared memory, so it works on network file systems, too. Where
the file system does not support locks, SQLite uses none, and a lock file replaces them. A file that is not a record is
not changed.
"""

from __future__ import annotations

import contextlib
import math
import os
import sqlite3
from collections.abc import Callable
from typing import Final
from urllib.parse import quote

from dwork.core.text import from_system, shown, user_bytes
from dwork.record.locks import has_locks, refuse_foreign, take_lock_file
from dwork.record.schema import version_of
from dwork.record.trouble import opening

#: Seconds that one reader waits for another.
_PATIENCE: Final = 1.0
#: The cache takes 16 MB.
_PRAGMAS: Final = ("journal_mode=WAL", "synchronous=NORMAL", "cache_size=-16384")
#: Pages of the write-ahead log above which a commit merges it into the file, which waits for the disk: at least, and at
#: most (80 MB). Where little is free, the log may take up that part of it.
_FEWEST: Final = 50
_MOST: Final = 20_000
_PART: Final = 1 / 8


class Place:
    """The open file of a record; call `close` to release it.

    shared: share it with other readers, where the file system has locks; otherwise this process alone has it. known_as:
    the name of the file in errors. UsageError when the file does not belong to this user, since its tasks may be run.
    """

    def __init__(self, path: str, tell: Callable[[str], None], known_as: str = "", *, shared: bool = False) -> None:
        self._lock = ""
        self._shared = shared
        self._path = path
        if path == ":memory:":
            self.connection = sqlite3.connect(path, isolation_level=None)
            return
        locks = has_locks(path)
        refuse_foreign(path)
        if not locks:
            self._lock = take_lock_file(f"{path}.lock")
            tell(f"the file system of {shown(path)} has no locks; using the lock file {shown(self._lock)} instead")
        vfs = "" if locks else "&vfs=unix-none"
        try:
            with opening(known_as or path):
                self.connection = sqlite3.connect(
                    f"file://{quote(user_bytes(from_system(os.path.abspath(path))))}?mode=rwc{vfs}",
                    uri=True,
                    isolation_level=None,
                    timeout=_PATIENCE if shared else 0,
                )
                try:
                    if shared and locks:
                        version_of(self.connection, known_as or path)
                    else:
                        _claim(self.connection, known_as or path)
                    refuse_foreign(path)  # again: they may have appeared meanwhile
                except BaseException:
                    self.connection.close()
                    raise
        except BaseException:
            self._unlock()
            raise

    def keep_log_short(self) -> None:
        """Let commits merge the write-ahead log into the file before it takes up much of the free space."""
        (size,) = self.connection.execute("PRAGMA page_size").fetchone()
        pages = int(max(_FEWEST, min(_MOST, _PART * self._free() / size)))
        self.connection.execute(f"PRAGMA wal_autocheckpoint={pages}").fetchall()

    def _free(self) -> float:
        """Return the free bytes of the file system, as far as they are known."""
        try:
            found = os.statvfs(user_bytes(self._path))
        except OSError:
            return math.inf
        return found.f_bavail * found.f_frsize

    def merge_log(self) -> None:
        """Merge the write-ahead log into the file, so that a copy of the file alone has nearly everything."""
        self.connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def close(self) -> None:
        """Merge the write-ahead log into the file, and release it."""
        if not self._shared:  # else the last process does this
            with contextlib.suppress(sqlite3.Error):
                self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        self.connection.close()
        self._unlock()

    def _unlock(self) -> None:
        if self._lock:
            with contextlib.suppress(OSError):
                os.unlink(self._lock)


def _claim(connection: sqlite3.Connection, path: str) -> None:
    connection.execute("PRAGMA locking_mode=EXCLUSIVE").fetchall()
    connection.execute("BEGIN EXCLUSIVE")
    version_of(connection, path)  # before WAL, which would change the file of another program
    connection.execute("COMMIT")
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}").fetchall()
