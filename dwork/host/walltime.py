"""When the job ends that a pool runs in: asked of the batch system now and then, since a limit can be changed."""

from __future__ import annotations

import math
import os
import re
import subprocess
import tempfile
import time
from typing import IO, Final

#: Seconds between two questions, and how long one may take.
AGAIN: Final = 300.0
PATIENCE: Final = 30.0


class Walltime:
    """given: seconds from `started` on, or None to ask Slurm or PBS. before: seconds before the end to leave.

    end: in seconds since the epoch, or infinity.
    """

    def __init__(self, given: float | None, started: float, before: float = 0.0) -> None:
        self.end = math.inf if given is None else started + given
        self._before = before
        self.next = math.inf  # when to call `poll`
        self._question: list[str] = []
        self._asked: tuple[subprocess.Popen[bytes], IO[bytes]] | None = None  # and where the answer goes
        self._asked_at = 0.0
        if given is None:
            stated = os.environ.get("SLURM_JOB_END_TIME", "")
            if stated.isdecimal():
                self.end = float(stated)
            self._question = _question()
            if self._question:
                self.next = started

    @property
    def last_call(self) -> float:
        """When to leave."""
        return self.end - self._before

    @property
    def is_asking(self) -> bool:
        """Whether an answer is on its way; SIGCHLD tells when it is there."""
        return self._asked is not None

    def poll(self, now: float) -> bool:
        """Ask, or take in the answer; return whether the end is another one now. Never waits."""
        before = self.end
        if self._asked is not None:
            process, answer = self._asked
            if process.poll() is not None:
                answer.seek(0)  # qstat tells the environment of the job, which may be large, and in any encoding
                self.end = _parsed(self._question[0], answer.read().decode(errors="replace"), self.end)
                answer.close()
                self._asked, self.next = None, now + AGAIN
            elif now >= self._asked_at + PATIENCE:
                self.close()
                self.next = now + AGAIN
        elif now >= self.next:
            try:
                answer = tempfile.TemporaryFile()  # noqa: SIM115 - open until the answer is in it
                process = subprocess.Popen(
                    self._question, stdin=subprocess.DEVNULL, stdout=answer, stderr=subprocess.DEVNULL
                )
                self._asked = process, answer
                self._asked_at, self.next = now, now + PATIENCE
            except OSError:  # there is no such program here
                self.next = math.inf
        return self.end != before

    def close(self) -> None:
        if self._asked is not None:
            process, answer = self._asked
            process.kill()
            process.wait()
            answer.close()
            self._asked = None


def _question() -> list[str]:
    if job := os.environ.get("SLURM_JOB_ID"):
        return ["squeue", "--noheader", "--jobs", job, "--format", "%e"]
    if job := os.environ.get("PBS_JOBID"):
        return ["qstat", "-f", job]
    return []


def _parsed(program: str, answer: str, otherwise: float) -> float:
    """The end of the job by a batch system's answer."""
    if program == "squeue":
        try:
            return time.mktime(time.strptime(answer.strip(), "%Y-%m-%dT%H:%M:%S"))
        except ValueError:  # NONE, UNLIMITED, or nothing
            return otherwise
    limit = re.search(r"Resource_List\.walltime = (\d+):(\d\d):(\d\d)", answer)
    begin = re.search(r"^\s*(?:stime|start_time) = (\w.*)", answer, re.MULTILINE)  # PBS, Torque
    if limit is None or begin is None:
        return otherwise
    try:
        started = time.mktime(time.strptime(begin[1].strip()))
    except ValueError:
        return otherwise
    hours, minutes, seconds = map(int, limit.groups())
    return started + 3600 * hours + 60 * minutes + seconds
