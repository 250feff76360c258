"""The shell that runs the commands of tasks on this machine."""

from __future__ import annotations

import os
from functools import cache

from dwork.core.argv import SHELL


@cache
def is_bash() -> bool:
    """Whether /bin/sh is bash."""
    return os.path.basename(os.path.realpath(SHELL)).startswith("bash")
