"""The time when the pool's job ends: queried from the batch system every few minutes, since a limit can change."""

from __future__ import annotations

import math
import os
import subprocess
import tempfile
from collections.abc import Mapping
from typing import IO, Final

from dwork.host import batch_system

#: Seconds between two queries, and how long one may take.
AGAIN: Final = 300.0
PATIENCE: Final = 30.0
#: Seconds between two queries at least, however often the process stands still.
SOON: Final = 10.0


class Walltime:
    """The end of the job that a pool runs in, and when the pool has to leave.

    given: seconds from `started` to the end, or None to query the batch system. before: seconds before the end to
    leave. end: seconds since the epoch, or infinity.
    """

    def __init__(self, given: float | None, started: float, before: float = 0.0) -> None:
        self.end = math.inf if given is None else started + given
        self._known = self.end  # the end without what `stood_still` assumes
        self._before = before
        self.next = math.inf  # when to call `poll`
        self._system = batch_system.of(os.environ)
        self._started = started
        self._command: list[str] = []  # prints the job's limit
        self._query: tuple[subprocess.Popen[bytes], IO[bytes]] | None = None  # the process and its output
        self._queried_at = -math.inf
        if given is None:
            stated = os.environ.get("SLURM_JOB_END_TIME", "")
            if stated.isdecimal():
                self.end = self._known = float(stated)
            self._command = self._system.limit(os.environ)
            if self._command:
                self.next = started

    @property
    def last_call(self) -> float:
        """The time to leave, in seconds since the epoch."""
        return self.end - self._before

    @property
    def is_known(self) -> bool:
        """Whether the end is that of the batch system or the user, and not assumed meanwhile."""
        return self.end == self._known

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
                self._read(answer.read().decode(errors="replace"))
                answer.close()
                self._query = None
                self._settle(now)
            elif now >= self._queried_at + PATIENCE:
                self.close()
                self._settle(now)
        elif now >= self.next:
            self._ask(now)
        return self.end != before

    def stood_still(self, seconds: float, now: float) -> None:
        """Query the end again, since batch systems move it by the time for which a job was suspended.

        Until the answer arrives, assume that the end has moved by the `seconds` for which this process stood still. An
        end that cannot be queried stays as it is: a pool that leaves too early costs less than one that is killed.
        """
        if self.next < math.inf:
            self.close()  # its answer may be an old one
            self.end += seconds
            self.next = max(now, self._queried_at + SOON)

    def _read(self, answer: str) -> None:
        end = self._system.end(answer, os.environ, self._started)
        if end is not None:
            self._known = end

    def _settle(self, now: float) -> None:
        self.end, self.next = self._known, now + AGAIN

    def _ask(self, now: float) -> None:
        try:
            answer = tempfile.TemporaryFile()  # noqa: SIM115 - open until the query has ended
            process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=answer,
                stderr=subprocess.DEVNULL,
                env=_environment(os.environ),
            )
            self._query = process, answer
            self._queried_at, self.next = now, now + PATIENCE
        except OSError:  # the program is not installed here
            self.end, self.next = self._known, math.inf

    def close(self) -> None:
        if self._query is not None:
            process, answer = self._query
            process.kill()
            process.wait()
            answer.close()
            self._query = None


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a query, without what may hide the job from squeue; Slurm prints times as seconds."""
    kept = {name: value for name, value in environ.items() if not name.startswith("SQUEUE_")}
    return {**kept, "SLURM_TIME_FORMAT": "%s"}
