"""The shell that runs the commands of tasks on this machine."""

from __future__ import annotations

import os
import subprocess
from functools import cache

from dwork.core.shell import SHELL
from dwork.core.shell_syntax.features import Dialect

#: Seconds that a probe may take; it needs a millisecond.
_PATIENCE = 10.0


@cache
def dialect() -> Dialect:
    """Return the language of /bin/sh."""
    return Dialect.of(os.path.realpath(SHELL))


@cache
def runs(script: str) -> bool:
    """Return whether /bin/sh runs a short script successfully; True when that cannot be found out."""
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
