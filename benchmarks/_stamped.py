"""Run `python -m dwork.pool` with the same arguments for start.py, and record when MPI is up.

The time goes to $STAMPS/RANK, in seconds since the epoch. With no arguments it ends there.
"""

from __future__ import annotations

import os
import runpy
import sys
import time
from pathlib import Path
from typing import Any

from dwork.transport import mpi

start = mpi.start


def stamped() -> Any:
    world = start()
    Path(os.environ["STAMPS"], str(world.rank)).write_text(repr(time.time()))
    return world


if len(sys.argv) > 1:
    mpi.start = stamped
    runpy.run_module("dwork.pool", run_name="__main__", alter_sys=True)
else:
    stamped()
