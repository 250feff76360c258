"""The peak memory of a task, where it is known.

Until a new process executes its program, it shares the memory of the worker (vfork), and the kernel counts the peak of
that memory as the peak of the process, too. So the peak of a task that used less than its worker is not known.
"""

from __future__ import annotations

import os
from typing import Final

#: The kernel may count the memory of the worker a little differently for the task: a part of it that is not trusted.
_SLACK: Final = 1 / 8
_OWN: Final = "/proc/self/status"


class Peaks:
    """The peak memory of this process, the worker, and of the tasks that used more."""

    def __init__(self) -> None:
        self._own = 0  # bytes that this process has used at most, as far as read

    def known(self, max_rss: int) -> int:
        """Return the peak of a process that has ended, in bytes; 0: unknown. max_rss: the peak that the kernel reports.

        The worker's own peak never falls, so it is read again only for a process that may have used more.
        """
        if max_rss > self._least():
            self._own = _own_peak()
        return max_rss if max_rss > self._least() else 0

    def _least(self) -> float:
        return self._own * (1 + _SLACK)


def _own_peak() -> int:
    """Return the peak memory of this process in bytes; getrusage would include that of the process that started it."""
    fd = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
    try:
        lines = os.read(fd, 4096).splitlines()
    finally:
        os.close(fd)
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(b"VmHWM:")), 0)
