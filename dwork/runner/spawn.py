"""Starts a process with posix_spawn, which uses vfork: several times faster than fork from a process that holds an MPI
library, and safe where fork is not (InfiniBand memory).
"""

from __future__ import annotations

import errno
import os
import shutil
import signal
from collections.abc import Mapping
from typing import Final

from dwork.core.argv import as_path
from dwork.core.shell import SHELL
from dwork.core.text import to_system, user_bytes, user_text

#: Python ignores these two signals; a pipeline in a task must not.
_DEFAULTS: Final = (signal.SIGPIPE, signal.SIGXFSZ)
_SHELL: Final = user_bytes(SHELL)
_DEFAULT_PATH: Final = user_bytes(os.defpath)


def spawn(
    words: tuple[bytes, ...],
    environment: Mapping[bytes, bytes],
    streams: Mapping[int, int],
    cwd: bytes | None,
    group: bytes,
    *,
    own_path: bool,
) -> int:
    """Start a process in a session of its own and return its pid; OSError or ValueError when that is not possible.

    All names are bytes, since Python would encode text by the locale. streams: ours, by its own descriptor.
    group: the file through which it enters its control group, or empty.
    own_path: search the program in the PATH of this environment, not in that of the calling process.
    """
    if cwd is not None:  # posix_spawn cannot change the directory, but a shell can
        if not os.path.isdir(cwd):
            raise NotADirectoryError(errno.ENOTDIR, "no such directory", cwd)
        words = (_SHELL, b"-c", b'cd -- "$1" && shift && exec "$@"', _SHELL, _as_path(cwd), *words)
    if group:
        words = (_SHELL, b"-c", b'echo $$ > "$1" && shift && exec "$@"', _SHELL, group, *words)
    program = words[0]
    if own_path and b"/" not in program:
        program = _found(program, to_system(user_text(environment.get(b"PATH", _DEFAULT_PATH))))
    actions = [(os.POSIX_SPAWN_DUP2, ours, own) for own, ours in streams.items()]
    try:
        return os.posix_spawnp(
            program, words, environment, file_actions=actions, setsid=True, setsigmask=(), setsigdef=_DEFAULTS
        )
    except OSError as error:
        if error.errno != errno.ENOEXEC:
            raise
    # Run a script without a #! line as a shell would, from the file that was found.
    words = (_SHELL, _as_path(program) if b"/" in program else _found(program, None), *words[1:])
    return os.posix_spawnp(
        _SHELL, words, environment, file_actions=actions, setsid=True, setsigmask=(), setsigdef=_DEFAULTS
    )


def _as_path(name: bytes) -> bytes:
    return user_bytes(as_path(user_text(name)))


def _found(program: bytes, path: str | None) -> bytes:
    """Return the file of a program name without a slash; path: where to search, by default the PATH of the worker."""
    found = shutil.which(program, path=path)
    if found is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), program)
    return _as_path(found)
