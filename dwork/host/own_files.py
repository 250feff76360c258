"""Files that must be this user's own: what somebody else can write could run commands as him, or take his output.

A record holds commands, and is gone on from; output that is added to a file through a planted link would end up in
~/.bashrc. So these are opened here: a link is followed only if it is this user's own (or root's, as /dev/stdout), and
what is open in the end is looked at, not its name. Whoever may only write with the help of a group is left: that is
how people share a project; `by_group` tells.
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

#: Of what is made here: whatever the umask says, others cannot write it.
FILE_MODE: Final = 0o644
DIRECTORY_MODE: Final = 0o755


class NotMine(OSError):
    """It may not be used; `strerror` says why, and what to do."""

    def __init__(self, why: str) -> None:
        super().__init__(errno.EPERM, why)


def open_mine(path: str, flags: int, *, links: bool = False, special: bool = False, within: int | None = None) -> int:
    """Open a regular file of this user's own. links: follow those that are his. within: the directory's descriptor.

    special: terminals, pipes and devices will do as well, whoever has them. NotMine, or any other OSError.
    """
    is_emptied, flags = bool(flags & os.O_TRUNC), flags & ~os.O_TRUNC | os.O_CLOEXEC
    if not special:
        flags |= os.O_NONBLOCK  # a planted pipe must not keep us
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
            raise NotMine("it is no file")
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def open_directory(path: str) -> int:
    """Open a directory of this user's own, or through a link of his. NotMine, or any other OSError."""
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
    """NotMine when it is another's, or everybody can write it."""
    if status.st_uid != os.geteuid():
        raise NotMine(f"it belongs to {_user(status.st_uid)}")
    if status.st_mode & stat.S_IWOTH:
        raise NotMine("everybody can write it (chmod o-w, if you trust what is in it)")


def refuse_link(path: str, *, links: bool, within: int | None = None) -> None:
    """NotMine for a link that is not to be followed."""
    owner = os.stat(path, dir_fd=within, follow_symlinks=False).st_uid
    if not links:
        raise NotMine("it is a link")
    if owner not in (os.geteuid(), 0):
        raise NotMine(f"it is a link that belongs to {_user(owner)}")


def refuse_open_directory(path: str) -> None:
    """NotMine when everybody can put another file in the place of this one."""
    for name in {path, os.path.realpath(path)}:
        mode = os.stat(os.path.dirname(os.path.abspath(name))).st_mode
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            raise NotMine("everybody can replace it, since all can write its directory (chmod o-w)")


def by_group(path: str) -> str:
    """The group whose members can write it; empty when none can, or it is this user's alone."""
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
