"""The file of a record: opened so that nobody else can, also where the file system has no locks.

SQLite's write-ahead log with an exclusive lock needs no shared memory, so it works on network file systems too. Where
the file system refuses locks, SQLite is told to do without, and a file beside it, which only one can create, keeps
others away.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import sqlite3
import struct
from collections.abc import Callable, Iterator
from typing import Final
from urllib.parse import quote

from dwork.errors import DworkError, StoreError, UsageError
from dwork.shown import shown

#: What a file system says that has no locks.
_NO_LOCKS: Final = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}
#: What belongs to a record beside the file itself.
COMPANIONS: Final = ("-wal", "-shm", "-journal")
#: A checkpoint makes all wait for the disk, so the log may grow to 80 MB before; the cache takes 16 MB.
_PRAGMAS: Final = (
    "locking_mode=EXCLUSIVE",
    "journal_mode=WAL",
    "synchronous=NORMAL",
    "wal_autocheckpoint=20000",
    "cache_size=-16384",
)


class InUse(UsageError):
    """Another process has the record."""


class Place:
    """A file that is open for this process alone. `close` lets others have it."""

    def __init__(self, path: str, tell: Callable[[str], None]) -> None:
        self.path = path
        self._lock = ""
        if path == ":memory:":
            self.connection = sqlite3.connect(path, isolation_level=None)
            return
        has_locks = _has_locks(path)
        if not has_locks:
            self._lock = _take_lock_file(f"{path}.lock")
            tell(f"the file system of {shown(path)} has no locks; {shown(self._lock)} keeps others away instead")
        vfs = "" if has_locks else "&vfs=unix-none"
        try:
            with errors(path):
                self.connection = sqlite3.connect(
                    f"file:{quote(path)}?mode=rwc{vfs}", uri=True, isolation_level=None, timeout=0
                )
                for pragma in _PRAGMAS:
                    self.connection.execute(f"PRAGMA {pragma}").fetchall()
                self.connection.execute("BEGIN EXCLUSIVE").execute("COMMIT")
        except DworkError:
            self._unlock()
            raise

    def close(self) -> None:
        """Fold the write-ahead log into the file, and let go of it."""
        with contextlib.suppress(sqlite3.Error):
            self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        self.connection.close()
        self._unlock()

    def _unlock(self) -> None:
        if self._lock:
            with contextlib.suppress(OSError):
                os.unlink(self._lock)


@contextlib.contextmanager
def errors(path: str) -> Iterator[None]:
    """SQLite's errors as ours, each with what to do."""
    name = shown(path)
    try:
        yield
    except sqlite3.OperationalError as error:
        text = str(error)
        if "locked" in text:
            raise InUse(f"{name} is in use{_by_whom(path)}; wait for it, or choose another file with -f") from None
        if "unable to open" in text or "readonly" in text:
            raise UsageError(
                f"{name} cannot be opened for writing; choose another file with -f, or none with --no-record"
            ) from None
        what = "the disk is full" if "full" in text else text
        raise StoreError(f"{name} cannot be written: {what}; run it again to go on when that is mended") from None
    except sqlite3.DatabaseError as error:
        raise UsageError(
            f"{name} is damaged or no record ({error}); move it away, or start over with --fresh, which keeps it as .1"
        ) from None


def _has_locks(path: str) -> bool:
    """Whether the file system has locks; makes the file when it is not there. UsageError when somebody holds it."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise UsageError(
            f"{shown(path)} cannot be opened for writing: {error.strerror}; "
            "choose another file with -f, or none with --no-record"
        ) from None
    try:
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return False
        if error.errno not in (errno.EAGAIN, errno.EACCES):
            raise StoreError(f"{shown(path)} cannot be locked: {error.strerror}") from None
    finally:
        os.close(fd)
    return True


def _by_whom(path: str) -> str:
    """Which process on this machine has the lock, as far as can be told."""
    try:
        with open(path, "rb") as file:
            # struct flock of 64-bit Linux: type, whence, start, length, pid.
            asked = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
            pid = struct.unpack("hhqqi4x", fcntl.fcntl(file, fcntl.F_GETLK, asked))[4]
    except (OSError, struct.error):
        return ""
    return f" by process {pid}" if pid > 0 else " by another pool, dhub or dquery"


def _take_lock_file(path: str) -> str:
    me = f"{socket.gethostname()} {os.getpid()}"
    for _ in range(2):
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        except FileExistsError:
            with open(path) as file:
                host, _, pid = file.read().strip().partition(" ")
            if host == socket.gethostname() and pid.isdecimal() and not os.path.exists(f"/proc/{pid}"):
                os.unlink(path)
                continue
            raise InUse(
                f"{shown(path)} says that process {pid} on {host} has the record; "
                "if that has ended, delete the lock file"
            ) from None
        except OSError as error:
            raise UsageError(f"{shown(path)} cannot be made: {error.strerror}") from None
        os.write(fd, me.encode())
        os.close(fd)
        return path
    raise UsageError(f"{shown(path)} comes back whenever it is deleted; is another pool starting?")
