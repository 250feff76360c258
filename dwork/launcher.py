"""What started the ranks of this job, and whether a dead rank ends them all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

#: What on a launcher's command line, or in the environment, lets a job live on without one of its ranks.
_FLAGS: Final = {"-disable-auto-cleanup", "--disable-auto-cleanup", "--enable-recovery", "--continuous", "--with-ft"}
_VARIABLES: Final = {"OMPI_MCA_mpi_ft_enable": "1", "PRTE_MCA_prte_rtos": "continuous"}
#: Processes between a rank and its launcher that are looked at: a shell, a proxy.
_GENERATIONS: Final = 6


def advice() -> str:
    """How to start this job so that a dead rank does not end it; empty when it is so already, or nothing is known."""
    if any(os.environ.get(name) == value for name, value in _VARIABLES.items()):
        return ""
    arguments = [word for line in _ancestors() for word in line]
    if _FLAGS & set(arguments) or any("continuous" in word for word in arguments if word.startswith("rtos")):
        return ""
    if "PMIX_RANK" in os.environ and "OMPI_COMM_WORLD_SIZE" in os.environ and "SLURM_STEP_ID" not in os.environ:
        return "`mpirun --with-ft ulfm`"
    if tells_deaths():
        return "`mpirun -disable-auto-cleanup` with one rank per node"
    return ""


def tells_deaths() -> bool:
    """Whether SIGUSR1 may mean that a rank has died: so Hydra, the launcher of MPICH, tells the others."""
    return "HYDI_CONTROL_FD" in os.environ


def _ancestors() -> Iterator[list[str]]:
    """The command lines of the processes above this one, on this machine, as far as they can be read."""
    pid = os.getppid()
    for _ in range(_GENERATIONS):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                yield os.fsdecode(file.read()).split("\0")
            with open(f"/proc/{pid}/stat", "rb") as file:
                pid = int(file.read().rpartition(b")")[2].split()[1])
        except (OSError, ValueError):
            return
        if pid <= 1:
            return
