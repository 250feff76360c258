"""The machine on which benchmarks run, and the peers installed on it."""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path
from typing import Any

from _common import conditions

#: Other systems that are measured beside ours when they are on PATH.
PEERS = ("xargs", "parallel", "pegasus-mpi-cluster", "hq", "disBatch", "strace")


def machine() -> dict[str, Any]:
    """All that matters for the numbers; name is short, for files, and says nothing about where it stands."""
    peers = [name for name in PEERS if shutil.which(name)]
    if os.environ.get("DHUB_CXX"):
        peers.append("C++ dhub")
    cpu, cores = _cpu(), len(os.sched_getaffinity(0))
    return {
        **conditions(),
        "name": f"{platform.machine()}-{cores}-cores",
        "cpu": cpu,
        "cores": cores,
        "memory": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "kernel": platform.release(),
        "peers": peers,
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
