"""Holds tasks to the memory that they requested, where that is enforced, and detects that one was killed for memory.

A task is started in its own control group (`memory_cgroups`) or, where that is not possible, polled (`memory_poll`).
"""

from __future__ import annotations

from typing import Final

from dwork.host import cgroups
from dwork.runner import memory_poll, reasons
from dwork.runner.memory_cgroups import MemoryGroups
from dwork.runner.oom import Oom

#: Seconds between two checks of the memory use of tasks that are polled.
WEIGH: Final = 1.0


class Memory:
    """The memory of one worker's tasks, by task id. oom: see there.

    next_check: when to call `over`; infinity when no task is polled.
    """

    def __init__(self) -> None:
        self.oom = Oom()
        self.next_check = float("inf")
        self._groups = MemoryGroups("")
        self._limits: dict[int, int] = {}
        self._polled: dict[int, int] = {}  # pids, by task

    def enforce(self) -> None:
        """Prepare control groups."""
        if not self._groups:
            self._groups = MemoryGroups(cgroups.own())

    def begin(self, task: int, limit: int) -> str:
        """Return the file through which the process of a task that is about to start enters its group, or empty.

        limit: bytes; 0: none.
        """
        if not limit:
            return ""
        self._limits[task] = limit
        return self._groups.open(task, limit) if self._groups else ""

    def started(self, task: int, pid: int, group: str, now: float) -> None:
        """Poll a task that has a limit but no group."""
        if task in self._limits and not group:
            self._polled[task] = pid
            self.next_check = min(self.next_check, now + WEIGH)

    def over(self, now: float) -> dict[int, str]:
        """Return the tasks that use more than they requested, and in words how much."""
        used = memory_poll.over({pid: self._limits[task] for task, pid in self._polled.items()})
        self.next_check = now + WEIGH if self._polled else float("inf")
        return {
            task: reasons.over_its_memory(used[pid], self._limits[task])
            for task, pid in self._polled.items()
            if pid in used
        }

    def shortage(self, task: int) -> str:
        """Return why a task was killed, if that was for memory; else an empty text."""
        events = self._groups.events(task)
        if events is not None and events.get("oom_kill") and events.get("oom"):
            return reasons.more_memory_needed(self._limits[task])
        has_struck = self.oom.has_struck() if events is None else events.get("oom_kill")
        return reasons.KILLED_BY_SYSTEM if has_struck else ""

    def end(self, task: int) -> None:
        """Forget a task that has ended or could not start."""
        if self._limits.pop(task, 0):
            self._polled.pop(task, None)
            self._groups.close(task)

    def close(self) -> None:
        """Remove all groups, once nothing runs any more."""
        self.oom.close()
        self._groups.close_all()
