"""The batch job that this process runs in."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Final

#: The variables in which batch systems put the job's id: Slurm, PBS, LSF, Flux, Cobalt, Fujitsu's Technical Computing
#: Suite, OAR.
_JOBS: Final = (
    "SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "FLUX_JOB_ID", "COBALT_JOBID", "PJM_JOBID", "OAR_JOB_ID",
)  # fmt: skip


def job() -> str:
    """Return the id of the batch job that this process runs in; empty outside a job.

    Grid Engine's variable has a common name, so it counts only together with SGE_ROOT.
    """
    environ = os.environ
    grid_engine = environ.get("JOB_ID", "") if "SGE_ROOT" in environ else ""
    return next((environ[name] for name in _JOBS if environ.get(name)), grid_engine)


def element() -> str:
    """Return the job array element that this process runs in, as the batch system prints it; empty outside an array.

    PBS needs nothing here: its job id already contains the element, as in 4711[7].
    """
    environ = os.environ
    if environ.get("SLURM_ARRAY_JOB_ID"):
        return f"{environ['SLURM_ARRAY_JOB_ID']}_{environ.get('SLURM_ARRAY_TASK_ID', '')}"
    if environ.get("LSB_JOBID") and environ.get("LSB_JOBINDEX", "0") != "0":
        return f"{environ['LSB_JOBID']}[{environ['LSB_JOBINDEX']}]"
    return ""


def is_restarted(environ: Mapping[str, str]) -> bool:
    """Whether the batch system has started this job before; processes of that start may still be running.

    PBS does not report restarts. For Grid Engine see `job`.
    """
    count = environ.get("SLURM_RESTART_COUNT", "")
    return (
        (count.isdecimal() and int(count) > 0)
        or environ.get("LSB_RESTART") == "Y"
        or ("SGE_ROOT" in environ and environ.get("RESTARTED") == "1")
    )


def are_meant(text: str, job: str, element: str) -> tuple[bool, bool]:
    """Whether `text`, as given by a user, names this very job or element, and whether it may name the whole array."""
    wanted, number = text.split(".")[0], job.split(".")[0]
    array = re.match(r"\d+", element or number)
    return wanted in (number, element), array is not None and wanted.removesuffix("[]") == array[0]
