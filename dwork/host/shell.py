"""The shell that runs the commands of tasks on this machine."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable
from functools import cache
from typing import Final

from dwork.core.shell import SHELL, Shell
from dwork.core.shell_syntax.features import Dialect
from dwork.core.text import shown, user_bytes

#: Seconds that a probe may take; it needs a millisecond.
_PATIENCE = 10.0

_MEND: Final = "correct the name or, if only the workers have it, begin each line with it: SHELL -c 'LINE'"

#: The variable in which bash exports a function.
_FUNCTION: Final = re.compile(r"BASH_FUNC_(.+)%%", re.DOTALL)


@cache
def dialect() -> Dialect:
    """Return the language of /bin/sh."""
    return Dialect.of(os.path.realpath(SHELL))


@cache
def runs(script: str) -> bool:
    """Return whether /bin/sh runs a short script successfully; True when that cannot be found out."""
    return _status((SHELL,), script) in (0, None)


def unfit(shell: Shell, path: str | None) -> str:
    """Return why a shell can run no line on this machine; empty when it can. path: the PATH of its tasks."""
    program = user_bytes(shell.words[0])
    name = shown(shell.words[0])
    if shutil.which(program, path=os.defpath if path is None else path) is None:
        if b"/" not in program:
            return f"{name} is not found in PATH on this machine; {_MEND}"
        if os.path.isdir(program):
            return f"{name} is a directory; write a shell, such as /bin/bash"
        if os.path.exists(program):
            return f"{name} is not executable; correct the name, or chmod +x it"
        return f"{name} does not exist on this machine; {_MEND}"
    # Under `#!/bin/echo` every task would be done.
    if not shell.is_known and (status := _status(shell.words, "exit 7")) not in (7, None):
        words = shown(" ".join(shell.words))
        return f"{words} is not a shell: with -c 'exit 7' it exits with {status}; write a shell, such as /bin/bash"
    return ""


def _status(words: tuple[str, ...], script: str) -> int | None:
    """Return the exit status of a short script in a shell; None when that cannot be found out."""
    import subprocess  # here, since every dquery imports this file

    null = subprocess.DEVNULL
    try:
        command = [user_bytes(word) for word in (*words, "-c", script)]
        return subprocess.run(command, stdin=null, stdout=null, stderr=null, timeout=_PATIENCE).returncode
    except (OSError, ValueError, subprocess.SubprocessError):
        return None


def functions(variables: Iterable[str]) -> frozenset[str]:
    """Return the names of the functions that these environment variables define for bash."""
    return frozenset(found[1] for name in variables if (found := _FUNCTION.fullmatch(name)))
