"""How long a worker stays: until it has had no task for too long, or until its own batch job is about to end.

The batch system would kill the tasks without giving a reason, so the worker kills them at the last call and leaves;
they will run elsewhere.
"""

from __future__ import annotations

import math

from dwork.worker.worker import Worker


class Stay:
    """The stay of one worker. idle_timeout: seconds without a task after which it leaves."""

    def __init__(self, worker: Worker, now: float, idle_timeout: float = math.inf) -> None:
        self._worker = worker
        self._idle_timeout = idle_timeout
        self._idle_from = now  # since when it has had no task
        self._is_late = False  # the last call has come

    def deadline(self, last_call: float) -> float:
        """Return when to check again."""
        idle_until = math.inf if self._worker.leaving else self._idle_from + self._idle_timeout
        return min(idle_until, math.inf if self._is_late else last_call)

    def postpone(self, seconds: float) -> None:
        """Do not count some seconds in which this process stood still."""
        self._idle_from += seconds

    def check(self, now: float, last_call: float) -> bool:
        """Let the worker leave when it must; return whether that is because its job ends. Once for each reason."""
        worker = self._worker
        if worker.running or worker.queue:
            self._idle_from = now
        elif now >= self._idle_from + self._idle_timeout and not worker.leaving:
            worker.leave()
        if now < last_call or self._is_late:
            return False
        self._is_late = True
        worker.leave(running=True)
        return True
