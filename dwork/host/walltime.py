"""The time when the pool's job ends: queried from the batch system every few minutes, since a limit can change."""

from __future__ import annotations

import math
import os
import subprocess
import tempfile
from typing import IO, Final

from dwork.host import batch_system

#: Seconds between two queries, and how long one may take.
AGAIN: Final = 300.0
PATIENCE: Final = 30.0


class Walltime:
    """The end of the job that a pool runs in, and when the pool has to leave.

    given: seconds from `started` to the end, or None to query the batch system. before: seconds before the end to
    leave. end: seconds since the epoch, or infinity.
    """

    def __init__(self, given: float | None, started: float, before: float = 0.0) -> None:
        self.end = math.inf if given is None else started + given
        self._before = before
        self.next = math.inf  # when to call `poll`
        self._system = batch_system.of(os.environ)
        self._command: list[str] = []
        self._query: tuple[subprocess.Popen[bytes], IO[bytes]] | None = None  # the process and its output
        self._queried_at = 0.0
        if given is None:
            stated = os.environ.get("SLURM_JOB_END_TIME", "")
            if stated.isdecimal():
                self.end = float(stated)
            self._command = self._system.limit(os.environ)
            if self._command:
                self.next = started

    @property
    def last_call(self) -> float:
        """The time to leave, in seconds since the epoch."""
        return self.end - self._before

    @property
    def is_asking(self) -> bool:
        """Whether a query is running; SIGCHLD arrives when it has ended."""
        return self._query is not None

    def poll(self, now: float) -> bool:
        """Start a query, or read its answer; return whether the end has changed. Never blocks."""
        before = self.end
        if self._query is not None:
            process, answer = self._query
            if process.poll() is not None:
                answer.seek(0)  # qstat prints the environment of the job, which may be large, and in any encoding
                end = self._system.end(answer.read().decode(errors="replace"))
                self.end = self.end if end is None else end
                answer.close()
                self._query, self.next = None, now + AGAIN
            elif now >= self._queried_at + PATIENCE:
                self.close()
                self.next = now + AGAIN
        elif now >= self.next:
            try:
                answer = tempfile.TemporaryFile()  # noqa: SIM115 - open until the query has ended
                process = subprocess.Popen(
                    self._command, stdin=subprocess.DEVNULL, stdout=answer, stderr=subprocess.DEVNULL
                )
                self._query = process, answer
                self._queried_at, self.next = now, now + PATIENCE
            except OSError:  # the program is not installed here
                self.next = math.inf
        return self.end != before

    def close(self) -> None:
        if self._query is not None:
            process, answer = self._query
            process.kill()
            process.wait()
            answer.close()
            self._query = None
