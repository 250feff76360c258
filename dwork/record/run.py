"""Who works on a record."""

from __future__ import annotations

import os
import shlex
import socket
import sys
from typing import Final, NamedTuple

from dwork import __version__

#: Where batch systems say which job this is.
_JOBS: Final = ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "FLUX_JOB_ID")


class Run(NamedTuple):
    """One run of a pool or dhub, as the table `runs` has it. started: seconds since the epoch."""

    started: float
    host: str
    pid: int
    job: str | None
    version: str
    command: str


def this_run(now: float) -> Run:
    """This process."""
    job = next((os.environ[name] for name in _JOBS if os.environ.get(name)), None)
    command = shlex.join(sys.argv).encode("utf-8", "backslashreplace").decode()
    return Run(now, socket.gethostname(), os.getpid(), job, __version__, command)
