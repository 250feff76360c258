"""Files that must belong to this user: others who can write them could run commands as this user, or take the output.

A record contains the commands that a rerun executes; output that is appended through a planted link could end up in
~/.bashrc. So such files are opened here: a link is followed only if it belongs to this user (or to root, as /dev/stdout
does), and the open file is checked, not its name. Files that a group can write are accepted, since projects share files
that way; `by_group` returns the group.
"""

from __future__ import annotations

import contextlib
import errno
import grp
import os
import pwd
import stat
from typing import Final

from dwork.core.text import shown

#: Modes of what is created here: whatever the umask, others cannot write it.
FILE_MODE: Final = 0o644
DIRECTORY_MODE: Final = 0o755


class NotMine(OSError):
    """A file that must not be used; `strerror` is the reason and what to do."""

    def __init__(self, why: str) -> None:
        super().__init__(errno.EPERM, why)


def open_mine(path: str, flags: int, *, links: bool = False, special: bool = False, within: int | None = None) -> int:
    """Open a regular file that belongs to this user; return its descriptor. Raises NotMine, or any other OSError.

    links: follow links that belong to this user. within: the descriptor of the directory that `path` is relative to.
    special: accept terminals, pipes and devices, too, whatever their owner.
    """
    is_emptied, flags = bool(flags & os.O_TRUNC), flags & ~os.O_TRUNC | os.O_CLOEXEC
    if not special:
        flags |= os.O_NONBLOCK  # opening a planted pipe must not block
    try:
        descriptor = os.open(path, flags | os.O_NOFOLLOW, FILE_MODE, dir_fd=within)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        refuse_link(path, links=links, within=within)
        descriptor = os.open(path, flags, FILE_MODE, dir_fd=within)
    try:
        status = os.fstat(descriptor)
        if stat.S_ISREG(status.st_mode):
            refuse(status)
            if is_emptied:
                os.ftruncate(descriptor, 0)
        elif not special:
            raise NotMine("it is not a regular file")
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def open_directory(path: str) -> int:
    """Open a directory that belongs to this user, as any link to it must. Raises NotMine, or any other OSError."""
    if os.path.islink(path):
        refuse_link(path, links=True)
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        refuse(os.fstat(descriptor))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def refuse(status: os.stat_result) -> None:
    """Raise NotMine when a file belongs to another user, or everyone can write it."""
    if status.st_uid != os.geteuid():
        raise NotMine(f"it belongs to {_user(status.st_uid)}")
    if status.st_mode & stat.S_IWOTH:
        raise NotMine("everyone can write it (chmod o-w, if you trust its content)")


def refuse_link(path: str, *, links: bool, within: int | None = None) -> None:
    """Raise NotMine for a link that must not be followed."""
    owner = os.stat(path, dir_fd=within, follow_symlinks=False).st_uid
    if not links:
        raise NotMine("it is a link")
    if owner not in (os.geteuid(), 0):
        raise NotMine(f"it is a link that belongs to {_user(owner)}")


def refuse_open_directory(path: str) -> None:
    """Raise NotMine when everyone can replace this file with another."""
    for name in {path, os.path.realpath(path)}:
        mode = os.stat(os.path.dirname(os.path.abspath(name))).st_mode
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            raise NotMine("everyone can replace it, because its directory is writable by all (chmod o-w)")


def by_group(path: str) -> str:
    """Return the group whose members can write a file; empty when it has no write permission, or no other members."""
    status = os.stat(path)
    if not status.st_mode & stat.S_IWGRP:
        return ""
    with contextlib.suppress(KeyError):
        group, me = grp.getgrgid(status.st_gid), pwd.getpwuid(os.geteuid())
        if me.pw_gid == status.st_gid and me.pw_name == group.gr_name and not set(group.gr_mem) - {me.pw_name}:
            return ""
        return shown(group.gr_name)
    return str(status.st_gid)


def _user(uid: int) -> str:
    try:
        return shown(pwd.getpwuid(uid).pw_name)
    except KeyError:
        return f"user {uid}"
