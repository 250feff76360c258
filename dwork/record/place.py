"""The file of a record: opened so that nobody else can, also where the file system has no locks.

SQLite's write-ahead log with an exclusive lock needs no shared memory, so it works on network file systems too. Where
the file system refuses locks, SQLite is told to do without, and a lock file keeps others away. A file that is no record
is left as it is.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable
from typing import Final
from urllib.parse import quote

from dwork.core.text import shown
from dwork.record.locks import has_locks, refuse_foreign, take_lock_file
from dwork.record.schema import version_of
from dwork.record.trouble import opening

#: Seconds that one who only looks waits for another who does.
_PATIENCE: Final = 1.0
#: A checkpoint makes all wait for the disk, so the log may grow to 80 MB before; the cache takes 16 MB.
_PRAGMAS: Final = ("journal_mode=WAL", "synchronous=NORMAL", "wal_autocheckpoint=20000", "cache_size=-16384")


class Place:
    """A file that is open for this process alone, or `shared` with others who only look, where there are locks.

    UsageError when it is not this user's own, since what is in a record may be run. `close` lets go of it.
    known_as: its name in errors.
    """

    def __init__(self, path: str, tell: Callable[[str], None], known_as: str = "", *, shared: bool = False) -> None:
        self._lock = ""
        self._shared = shared
        if path == ":memory:":
            self.connection = sqlite3.connect(path, isolation_level=None)
            return
        locks = has_locks(path)
        refuse_foreign(path)
        if not locks:
            self._lock = take_lock_file(f"{path}.lock")
            tell(f"the file system of {shown(path)} has no locks; {shown(self._lock)} keeps others away instead")
        vfs = "" if locks else "&vfs=unix-none"
        try:
            with opening(known_as or path):
                self.connection = sqlite3.connect(
                    f"file://{quote(os.fsencode(os.path.abspath(path)))}?mode=rwc{vfs}",
                    uri=True,
                    isolation_level=None,
                    timeout=_PATIENCE if shared else 0,
                )
                try:
                    if shared and locks:
                        version_of(self.connection, known_as or path)
                    else:
                        _claim(self.connection, known_as or path)
                    refuse_foreign(path)  # nobody can have put anything there meanwhile
                except BaseException:
                    self.connection.close()
                    raise
        except BaseException:
            self._unlock()
            raise

    def close(self) -> None:
        """Fold the write-ahead log into the file, and let go of it."""
        if not self._shared:  # else the last one does
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
    version_of(connection, path)  # before WAL, which would change a file that is not ours
    connection.execute("COMMIT")
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}").fetchall()
