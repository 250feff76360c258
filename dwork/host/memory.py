"""How much memory the tasks of a rank may use."""

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
    """In bytes: this rank's part of what its job has on this node; 0 when it cannot be known."""
    whole = of_node(os.environ, _text(MEMINFO), cgroups.directories("memory"))
    return whole // place(os.environ).ranks


def of_node(environ: Mapping[str, str], meminfo: str, directories: Iterable[str]) -> int:
    """The least of what the machine has, what its control groups allow, and what Slurm has given; 0: not known.

    A batch system without control groups, as PBS may be, says nothing of memory to a job: it has all of the machine.
    """
    limits = [*_of_groups(directories), _of_slurm(environ), _of_machine(meminfo)]
    return min((limit for limit in limits if limit), default=0)


def _of_groups(directories: Iterable[str]) -> list[int]:
    """`max` is no limit in version 2; in version 1 it is a number larger than any machine."""
    names = ("memory.max", "memory.limit_in_bytes")
    texts = [cgroups.read(directory, name) for directory in directories for name in names]
    return [int(text) for text in texts if text.isdecimal()]


def _of_slurm(environ: Mapping[str, str]) -> int:
    """0 for --mem=0, which is all memory of the node."""
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
