"""Which batch job this is."""

from __future__ import annotations

import os
from typing import Final

#: Where batch systems say it.
_JOBS: Final = ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "FLUX_JOB_ID")


def job() -> str:
    """The number of the batch job that this process is in; empty when it is in none."""
    return next((os.environ[name] for name in _JOBS if os.environ.get(name)), "")
