"""When memory runs out, the kernel is to end a task and not its worker, and one is to know that it was so.

What a process starts inherits how likely it is to be chosen. So it is raised for the moment in which a task is started:
whoever raised it himself may lower it again, without any privilege.
"""

from __future__ import annotations

import os
from typing import Final

from dwork.host import cgroups

#: How much more likely a task is to be chosen than its worker; 1000 is all of the memory.
MORE: Final = 500
#: Where control groups count what they have ended: in version 2 without and with groups below, and in version 1.
_COUNTERS: Final = ("memory.events.local", "memory.events", "memory.oom_control")


class Oom:
    """For one worker. In a system without any of this it does nothing."""

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
        """What is started now is the first to go."""
        if self._adjust >= 0:
            self._write(self._raised)

    def lower_score(self) -> None:
        """This process is not."""
        if self._adjust >= 0:
            self._write(self._mine)

    def _write(self, score: bytes) -> None:
        try:
            os.pwrite(self._adjust, score, 0)
        except OSError:  # not allowed here
            self.close()

    def has_struck(self) -> bool:
        """Whether something in this worker's control group was ended for memory since the last time."""
        counter = _counter_file()
        if counter != self._counter:  # somebody has moved us to another group
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
