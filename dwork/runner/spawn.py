"""Starts a process with posix_spawn, which uses vfork: several times faster than fork from a process that holds an MPI
library, and safe where fork is not (InfiniBand memory).

posix_spawn cannot change the directory, and a shell between would cost a second exec. So the calling process changes
its own directory while it starts the process, as it binds itself to the CPUs of a task. This requires that no other
thread of it uses relative names: that of a worker has no other thread in Python, and those of MPI and ZeroMQ have
opened their files before.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import signal
import stat
from collections.abc import Iterator, Mapping
from typing import Final

from dwork.core.argv import as_path
from dwork.core.shell import SHELL
from dwork.core.text import printable, to_system, user_bytes, user_text

#: Python ignores these two signals; a pipeline in a task must not.
_DEFAULTS: Final = (signal.SIGPIPE, signal.SIGXFSZ)
_SHELL: Final = user_bytes(SHELL)
_DEFAULT_PATH: Final = user_bytes(os.defpath)
#: How much of a script Linux reads to find its interpreter.
_FIRST_LINE: Final = 256


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
    if cwd is None:
        return _start(words, environment, streams, group, own_path=own_path)
    with _inside(cwd):
        return _start(words, {**environment, b"PWD": _pwd(cwd)}, streams, group, own_path=own_path)


def _start(
    words: tuple[bytes, ...],
    environment: Mapping[bytes, bytes],
    streams: Mapping[int, int],
    group: bytes,
    *,
    own_path: bool,
) -> int:
    program = words[0]
    if own_path and b"/" not in program:
        program = _found(program, to_system(user_text(environment.get(b"PATH", _DEFAULT_PATH))))
    if group:
        words = (_SHELL, b"-c", b'echo $$ > "$1" && shift && exec "$@"', _SHELL, group, program, *words[1:])
        program = _SHELL
    try:
        return _spawn(program, words, environment, streams)
    except FileNotFoundError as error:
        raise _explained(error, program) from None
    except PermissionError as error:
        raise _not_permitted(error, program) from None
    except OSError as error:
        if error.errno != errno.ENOEXEC:
            raise
    # Run a script without a #! line as a shell would, from the file that was found.
    script = _as_path(program) if b"/" in program else _found(program, None)
    return _spawn(_SHELL, (_SHELL, script, *words[1:]), environment, streams)


def _spawn(
    program: bytes, words: tuple[bytes, ...], environment: Mapping[bytes, bytes], streams: Mapping[int, int]
) -> int:
    actions = [(os.POSIX_SPAWN_DUP2, ours, own) for own, ours in streams.items()]
    return os.posix_spawnp(
        program, words, environment, file_actions=actions, setsid=True, setsigmask=(), setsigdef=_DEFAULTS
    )


@contextlib.contextmanager
def _inside(directory: bytes) -> Iterator[None]:
    """Have this process in a directory."""
    here = os.open(".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)  # it may have lost its name or its permissions
    try:
        try:
            os.chdir(directory)
        except (FileNotFoundError, NotADirectoryError):
            raise NotADirectoryError(errno.ENOTDIR, "no such directory", directory) from None
        try:
            yield
        finally:
            os.fchdir(here)
    finally:
        os.close(here)


def _pwd(directory: bytes) -> bytes:
    """Return the name of the present directory, which was entered as `directory`: as the user calls it, if possible."""
    name = os.path.normpath(os.path.join(os.environb.get(b"PWD", b"/"), directory))
    try:
        return name if os.path.samefile(name, b".") else os.getcwdb()
    except OSError:
        return os.getcwdb()


def _as_path(name: bytes) -> bytes:
    return user_bytes(as_path(user_text(name)))


def _found(program: bytes, path: str | None) -> bytes:
    """Return the file of a program name without a slash; path: where to search, by default the PATH of the worker."""
    found = shutil.which(program, path=path)
    if found is None:
        raise _not_in_path(program)
    return _as_path(found)


def _not_in_path(program: bytes) -> FileNotFoundError:
    advice = "; the working directory has a file of that name: write ./ before it" if os.path.isfile(program) else ""
    return FileNotFoundError(errno.ENOENT, f"not found in PATH{advice}", program)


def _not_permitted(error: PermissionError, program: bytes) -> PermissionError:
    """Return the error with the reason, if it is one that a chmod or another command mends."""
    file = program if b"/" in program else shutil.which(program, os.F_OK) or b""
    try:
        mode = os.stat(file).st_mode
    except OSError:
        return error
    if stat.S_ISDIR(mode):
        return PermissionError(error.errno, "it is a directory", file)
    if not mode & 0o111:
        return PermissionError(error.errno, "it is not executable; chmod +x makes it so", file)
    return error


def _explained(error: FileNotFoundError, program: bytes) -> FileNotFoundError:
    """Return the error with what is really missing: Linux reports the same when a program's interpreter is missing."""
    file = program if b"/" in program else shutil.which(program)
    if file is None:
        return _not_in_path(program)
    try:
        with open(file, "rb") as script:
            start = script.read(_FIRST_LINE)
    except OSError:
        return error
    if start[:4] == b"\x7fELF":
        return FileNotFoundError(error.errno, "its loader is missing: it was built for another system", file)
    line = start.partition(b"\n")[0]
    if line[:2] != b"#!":
        return error
    interpreter = printable(user_text(line[2:].strip(b" \t").split(b" ")[0].split(b"\t")[0].rstrip(b"\r")))
    if line.endswith(b"\r"):
        text = f"its #! line has a Windows line end, so {interpreter} is not found; convert the file with dos2unix"
    else:
        text = f"its interpreter {interpreter} does not exist"
    return FileNotFoundError(error.errno, text, file)
