"""The shell that runs the commands of tasks on this machine."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from functools import cache
from typing import Final

from dwork.core.shell import SHELL
from dwork.core.shell_syntax.features import Dialect
from dwork.core.text import user_bytes

#: Seconds that a probe may take; it needs a millisecond.
_PATIENCE = 10.0

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


def status_of_exit_7(words: tuple[str, ...]) -> int:
    """Return the exit status of `exit 7` in a shell with these flags; 7 when that cannot be found out."""
    status = _status(words, "exit 7")
    return 7 if status is None else status


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
