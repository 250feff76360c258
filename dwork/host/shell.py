"""The shell that runs the commands of tasks on this machine."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from functools import cache
from typing import Final

from dwork.core.argv import SHELL

#: The variable in which bash exports a function.
_FUNCTION: Final = re.compile(r"BASH_FUNC_(.+)%%", re.DOTALL)


@cache
def is_bash() -> bool:
    """Whether /bin/sh is bash."""
    return os.path.basename(os.path.realpath(SHELL)).startswith("bash")


def functions(variables: Iterable[str]) -> frozenset[str]:
    """Return the names of the functions that these environment variables define for the shell: only bash has any."""
    if not is_bash():
        return frozenset()
    return frozenset(found[1] for name in variables if (found := _FUNCTION.fullmatch(name)))
