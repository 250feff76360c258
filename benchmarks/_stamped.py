"""A program that start.py runs: notes when MPI is up, and then is `python -m dwork.pool` with the same arguments.

The time goes to $STAMPS/RANK, in seconds since the epoch. With no arguments it ends there.
"""

from __future__ import annotations

import os
import runpy
import sys
import time
from pathlib import Path

from mpi4py import MPI

Path(os.environ["STAMPS"], str(MPI.COMM_WORLD.rank)).write_text(repr(time.time()))
if len(sys.argv) > 1:
    runpy.run_module("dwork.pool", run_name="__main__", alter_sys=True)
