"""Which batch job this is."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Final

#: Where batch systems say it.
_JOBS: Final = ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "FLUX_JOB_ID")


def job() -> str:
    """The number of the batch job that this process is in; empty when it is in none."""
    return next((os.environ[name] for name in _JOBS if os.environ.get(name)), "")


def element() -> str:
    """Which element of a job array it is, as the batch system prints it; empty when it is none.

    PBS tells with the job's own number, as in 4711[7].
    """
    environ = os.environ
    if environ.get("SLURM_ARRAY_JOB_ID"):
        return f"{environ['SLURM_ARRAY_JOB_ID']}_{environ.get('SLURM_ARRAY_TASK_ID', '')}"
    if environ.get("LSB_JOBID") and environ.get("LSB_JOBINDEX", "0") != "0":
        return f"{environ['LSB_JOBID']}[{environ['LSB_JOBINDEX']}]"
    return ""


def is_restarted(environ: Mapping[str, str]) -> bool:
    """Whether the batch system has started this job before; what it started then may not have ended yet.

    PBS does not tell. Grid Engine's variable has a common name.
    """
    count = environ.get("SLURM_RESTART_COUNT", "")
    return (
        (count.isdecimal() and int(count) > 0)
        or environ.get("LSB_RESTART") == "Y"
        or ("SGE_ROOT" in environ and environ.get("RESTARTED") == "1")
    )


def are_meant(text: str, job: str, element: str) -> tuple[bool, bool]:
    """Whether somebody who says `text` means this very job or element, and whether he may mean its array."""
    wanted, number = text.split(".")[0], job.split(".")[0]
    array = re.match(r"\d+", element or number)
    return wanted in (number, element), array is not None and wanted.removesuffix("[]") == array[0]
