"""Locks of a record: a file system lock or, where these are not supported, a lock file beside it."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import stat
import struct
from typing import Final

from dwork.core.errors import StoreError, UsageError
from dwork.core.text import shown
from dwork.host.ownership import NotMine, open_mine, refuse
from dwork.host.pid_space import has_ended, pid_space

#: Suffixes of the files that belong to a record besides the file itself.
COMPANIONS: Final = ("-wal", "-shm", "-journal")
#: Errors of a file system without locks.
_NO_LOCKS: Final = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}


class InUse(UsageError):
    """Another process uses the record."""


def in_use(path: str) -> InUse:
    return InUse(f"{shown(path)} is in use{_by_whom(path)}; wait for it, or choose another file with -f")


def not_mine(path: str, error: NotMine) -> UsageError:
    return UsageError(
        f"{shown(path)} is refused: {error.strerror}; a record can run commands as you: fix that, or choose another "
        "with -f"
    )


def unwritable(path: str, error: OSError) -> UsageError:
    return UsageError(
        f"{shown(path)} cannot be opened for writing: {error.strerror}; "
        "choose another file with -f, or none with --no-record"
    )


def refuse_foreign(path: str) -> None:
    """Raise UsageError when another user has written, or could write, a companion file of a record."""
    for name in [f"{path}{end}" for end in (*COMPANIONS, ".lock")]:
        try:
            status = os.lstat(name)
            if not stat.S_ISREG(status.st_mode):
                raise NotMine("it is not a regular file")
            refuse(status)
        except FileNotFoundError:
            pass
        except NotMine as error:
            raise not_mine(name, error) from None


def has_locks(path: str) -> bool:
    """Whether the file system supports locks, even if the file is locked; creates the file if it does not exist.

    UsageError when the file cannot be written, or does not belong to this user.
    """
    try:
        fd = open_mine(path, os.O_RDWR | os.O_CREAT, links=True)
    except NotMine as error:
        raise not_mine(path, error) from None
    except OSError as error:
        raise unwritable(path, error) from None
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


def refuse_if_in_use(path: str) -> None:
    """Raise InUse when another process uses the record, as far as that can be seen without writing."""
    if _by_whom(path):
        raise in_use(path)
    owner = _owner(f"{path}.lock")
    if owner is not None and not _is_gone(owner):
        raise _locked_out(f"{path}.lock", owner)


def _by_whom(path: str) -> str:
    """Return which process has the lock, as text for an error; empty when no process on this machine has it."""
    try:
        with open(path, "rb") as file:
            # struct flock of 64-bit Linux: type, whence, start, length, pid.
            asked = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
            kind, _, _, _, pid = struct.unpack("hhqqi4x", fcntl.fcntl(file, fcntl.F_GETLK, asked))
    except (OSError, struct.error):
        return ""
    if kind == fcntl.F_UNLCK:
        return ""
    return f" by process {pid}" if pid > 0 else " by another pool, dhub or dquery"


def take_lock_file(path: str) -> str:
    me = f"{socket.gethostname()} {os.getpid()} {pid_space()}"
    for _ in range(3):
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        except FileExistsError:
            owner = _owner(path)
            if owner is not None and not (_is_gone(owner) and _take_away(path, owner)):
                raise _locked_out(path, owner) from None
            continue
        except OSError as error:
            raise UsageError(f"{shown(path)} cannot be created: {error.strerror}") from None
        try:
            os.write(fd, me.encode())
        except OSError as error:
            os.unlink(path)
            raise StoreError(f"{shown(path)} cannot be written: {error.strerror}") from None
        finally:
            os.close(fd)
        return path
    raise UsageError(f"{shown(path)} appears again each time it is deleted; check whether another pool is starting")


def _owner(path: str) -> str | None:
    """Return who created a lock file, as host, pid and pid space; None when there is no lock file."""
    try:  # O_NONBLOCK: a pipe in its place must not block us
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), errors="replace") as file:
            return file.read(1000).strip()
    except OSError:
        return None


def _is_gone(owner: str) -> bool:
    """Whether the owner was a process on this machine that has ended."""
    _, pid, space = _parts(owner)
    return pid.isdecimal() and has_ended(int(pid), space)


def _parts(owner: str) -> tuple[str, str, str]:
    """Return host, pid and pid space of an owner; those that are missing are empty."""
    host, pid, space = [*owner.split(" "), "", ""][:3]
    return host, pid, space


def _take_away(path: str, owner: str) -> bool:
    """Remove the lock file of an ended process; return False if another process has created its own meanwhile."""
    aside = f"{path}.{os.getpid()}"
    with contextlib.suppress(FileNotFoundError):
        os.rename(path, aside)
        if _owner(aside) != owner:
            os.rename(aside, path)
            return False
        os.unlink(aside)
    return True


def _locked_out(path: str, owner: str) -> InUse:
    host, pid, _ = _parts(owner)
    who = f"process {pid} on {host}" if pid else "another process"
    return InUse(f"{shown(path)} says that {who} has the record; if that process has ended, delete the lock file")
