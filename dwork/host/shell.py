"""The shell that runs the commands of tasks on this machine."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from functools import cache
from typing import Final

from dwork.core.shell import SHELL
from dwork.core.shell_syntax.features import Dialect

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
    import subprocess  # here, since every dquery imports this file

    try:
        ran = subprocess.run(
            (SHELL, "-c", script),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_PATIENCE,
        )
    except (OSError, subprocess.SubprocessError):
        return True
    return ran.returncode == 0


def functions(variables: Iterable[str]) -> frozenset[str]:
    """Return the names of the functions that these environment variables define for bash."""
    return frozenset(found[1] for name in variables if (found := _FUNCTION.fullmatch(name)))
