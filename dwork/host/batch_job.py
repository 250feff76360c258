"""The batch job that this process runs in."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from dwork.host import batch_system


def job() -> str:
    """Return the id of the batch job that this process runs in; empty outside a job."""
    return os.environ.get(batch_system.of(os.environ).job, "")


def element() -> str:
    """Return the job array element that this process runs in, as the batch system prints it; empty outside an array.

    For PBS it is empty, too: its job id already contains the element, as in 4711[7].
    """
    return batch_system.of(os.environ).element(os.environ)


def is_restarted(environ: Mapping[str, str]) -> bool:
    """Whether the batch system has started this job before; processes of that start may still be running."""
    return batch_system.of(environ).is_restarted(environ)


def are_meant(text: str, job: str, element: str) -> tuple[bool, bool]:
    """Whether `text`, as given by a user, names this very job or element, and whether it may name the whole array."""
    # 4711.server is a job of PBS, and 4711.7 an element of Grid Engine.
    wanted = text if re.fullmatch(r"\d+\.\d+", text) else text.split(".")[0]
    number = job.split(".")[0]
    array = re.match(r"\d+", element or number)
    return wanted in (number, element), array is not None and wanted.removesuffix("[]") == array[0]
