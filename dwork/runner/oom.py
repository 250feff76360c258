"""Makes the kernel kill a task rather than its worker when memory runs out, and detects that it did.

A process inherits its OOM score, so the worker raises its own while it starts a task. A process that raised its own
score may lower it again without privileges.
"""

from __future__ import annotations

import os
from typing import Final

from dwork.host import cgroups

#: By how much the score of a task exceeds that of its worker; 1000 is all of the memory.
MORE: Final = 500
#: Files in which control groups count OOM kills: in version 2 without and with subgroups, and in version 1.
_COUNTERS: Final = ("memory.events.local", "memory.events", "memory.oom_control")


class Oom:
    """The OOM score and kill counter of one worker. Does nothing where the system has neither."""

    def __init__(self) -> None:
        self._adjust = -1
        try:
            self._adjust = os.open("/proc/self/oom_score_adj", os.O_RDWR | os.O_CLOEXEC)
            mine = int(os.pread(self._adjust, 16, 0))
            self._mine, self._raised = b"%d" % mine, b"%d" % min(1000, mine + MORE)
        except (OSError, ValueError):
            self.close()
        self._counter = _counter_file()
        self._seen = self._count()

    def raise_score(self) -> None:
        """Make processes that are started now the first to be killed."""
        if self._adjust >= 0:
            self._write(self._raised)

    def lower_score(self) -> None:
        """Restore the score of this process."""
        if self._adjust >= 0:
            self._write(self._mine)

    def _write(self, score: bytes) -> None:
        try:
            os.pwrite(self._adjust, score, 0)
        except OSError:  # not allowed here
            self.close()

    def has_struck(self) -> bool:
        """Whether a process in this worker's control group was killed for memory since the last call."""
        counter = _counter_file()
        if counter != self._counter:  # we were moved to another group
            self._counter, self._seen = counter, 0
        count = self._count()
        struck, self._seen = count > self._seen, count
        return struck

    def _count(self) -> int:
        try:
            with open(self._counter) as file:
                return next((int(line.split()[1]) for line in file if line.startswith("oom_kill ")), 0)
        except (OSError, ValueError):
            return 0

    def close(self) -> None:
        if self._adjust >= 0:
            os.close(self._adjust)
        self._adjust = -1


def _counter_file() -> str:
    files = [f"{directory}/{name}" for directory in cgroups.directories("memory") for name in _COUNTERS]
    return next(filter(os.path.exists, files), os.devnull)
