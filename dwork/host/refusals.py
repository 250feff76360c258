"""Errors of the system that mean that something has run out: processes, open files, or memory.

They are no fault of what was to be done, and may go away by themselves.
"""

from __future__ import annotations

import errno
import os
from typing import Final

_LIMITS: Final = {
    errno.EAGAIN: "the limit of processes is reached (ulimit -u, or pids.max of the control group)",
    errno.EMFILE: "the limit of open files is reached (ulimit -n)",
    errno.ENFILE: "the limit of open files of the whole system is reached (fs.file-max)",
    errno.ENOMEM: "memory has run out",
}


def is_refusal(error: BaseException) -> bool:
    """Whether something has run out."""
    return isinstance(error, OSError) and error.errno in _LIMITS


def explained(error: OSError) -> str:
    """Return what has run out, as a message."""
    number = error.errno or 0
    return f"{os.strerror(number)}: {_LIMITS[number]}"
