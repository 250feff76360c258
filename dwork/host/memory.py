"""The memory that the tasks of a rank may use."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Final

from dwork.host import cgroups
from dwork.host.local_ranks import place

#: Slurm counts in MiB.
_MIB: Final = 2**20
MEMINFO: Final = "/proc/meminfo"


def share() -> int:
    """Return this rank's part of the memory that its job has on this node, in bytes; 0 when unknown."""
    whole = of_node(os.environ, _text(MEMINFO), cgroups.directories("memory"))
    return whole // place(os.environ).ranks


def of_node(environ: Mapping[str, str], meminfo: str, directories: Iterable[str]) -> int:
    """Return the least of the machine's memory, the limits of its control groups and Slurm's allocation; 0: unknown.

    In bytes. A batch system without control groups (PBS, perhaps) does not report a limit: the job gets all memory.
    """
    limits = [*_of_groups(directories), _of_slurm(environ), _of_machine(meminfo)]
    return min((limit for limit in limits if limit), default=0)


def _of_groups(directories: Iterable[str]) -> list[int]:
    """Return the limits of control groups. No limit is `max` in version 2, a number larger than any machine in 1."""
    names = ("memory.max", "memory.limit_in_bytes")
    texts = [cgroups.read(directory, name) for directory in directories for name in names]
    return [int(text) for text in texts if text.isdecimal()]


def _of_slurm(environ: Mapping[str, str]) -> int:
    """Return Slurm's allocation; 0 for --mem=0, which is all memory of the node."""
    node, cpu, cpus = (
        int(text) if (text := environ.get(name, "")).isdecimal() else 0
        for name in ("SLURM_MEM_PER_NODE", "SLURM_MEM_PER_CPU", "SLURM_CPUS_ON_NODE")
    )
    return (node or cpu * cpus) * _MIB


def _of_machine(meminfo: str) -> int:
    for line in meminfo.splitlines():
        words = line.split()
        if words[:1] == ["MemTotal:"] and words[1].isdecimal():
            return int(words[1]) * 1024
    return 0


def _text(path: str) -> str:
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""
