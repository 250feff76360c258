"""What started the ranks of this job, and whether a dead rank ends them all."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from dwork.host.local_ranks import in_step
from dwork.host.processes import PARENT, PROC, stat

#: What on a launcher's command line, or in the environment, lets a job live on without one of its ranks.
_FLAGS: Final = {"-disable-auto-cleanup", "--disable-auto-cleanup", "--enable-recovery", "--continuous", "--with-ft"}
_VARIABLES: Final = {"OMPI_MCA_mpi_ft_enable": "1", "PRTE_MCA_prte_rtos": "continuous"}
#: Processes between a rank and its launcher that are looked at: a shell, a proxy.
_GENERATIONS: Final = 6
#: What a mpirun is called, and its part on each node, which starts the ranks there.
_MPIRUNS: Final = {
    "mpirun", "mpiexec", "prterun", "prted", "orterun", "orted", "mpiexec.hydra", "hydra_pmi_proxy", "pmi_proxy",
    "mpirun_rsh", "mpispawn",
}  # fmt: skip
#: What may stand between a rank and what has started it, in a wrapper script.
_SHELLS: Final = {"sh", "bash", "dash", "ksh", "zsh", "csh", "tcsh", "busybox", "time"}


class Launcher(NamedTuple):
    """unbound: how to start ranks with it that may use all cores; empty when it is not known."""

    name: str = ""
    unbound: str = ""


OPEN_MPI: Final = Launcher("Open MPI's mpirun", "mpirun --bind-to none")
MPICH: Final = Launcher("MPICH's mpirun", "mpirun -bind-to none")
INTEL: Final = Launcher("Intel MPI's mpirun", "I_MPI_PIN=0 mpirun")
MVAPICH: Final = Launcher("MVAPICH's mpirun", "MV2_ENABLE_AFFINITY=0 mpirun")
PALS: Final = Launcher("the mpiexec of PALS", "mpiexec --cpu-bind none")
SRUN: Final = Launcher("srun", "srun --cpu-bind=none")


def of(environ: Mapping[str, str]) -> Launcher:
    """What has started this rank, by what it has put into the environment; one without a name when nothing has."""
    if "OMPI_COMM_WORLD_SIZE" in environ:
        return OPEN_MPI
    if "MPI_LOCALNRANKS" in environ:
        return INTEL if any(name.startswith(("HYDRA_BSTRAP_", "I_MPI_HYDRA_UUID")) for name in environ) else MPICH
    if "MV2_COMM_WORLD_SIZE" in environ:
        return MVAPICH
    if "PALS_LOCAL_SIZE" in environ:
        return PALS
    return SRUN if in_step(environ) else Launcher()


def lives_on() -> bool:
    """Whether it was told to let the others go on when a rank dies."""
    if any(os.environ.get(name) == value for name, value in _VARIABLES.items()):
        return True
    arguments = [word for _, line in _ancestors(os.getppid()) for word in line]
    return bool(_FLAGS & set(arguments)) or any("continuous" in word for word in arguments if word.startswith("rtos"))


def advice() -> str:
    """How to start this job so that a dead rank does not end it; empty when it is so already, or nothing is known."""
    if lives_on():
        return ""
    if "PMIX_RANK" in os.environ and of(os.environ) == OPEN_MPI and not in_step(os.environ):
        return "`mpirun --with-ft ulfm`"
    if of(os.environ) == MPICH:
        return "`mpirun -disable-auto-cleanup` with one rank per node"
    return ""


def tells_deaths() -> bool:
    """Whether SIGUSR1 may mean that a rank has died: so Hydra, the launcher of MPICH, tells the others."""
    return "HYDI_CONTROL_FD" in os.environ


def ends_ranks_alone(environ: Mapping[str, str]) -> bool:
    """Whether the launcher may send SIGTERM to the ranks alone: Open MPI does when one of them dies."""
    return of(environ) == OPEN_MPI


def starter(pid: int | None = None, proc: str = PROC) -> int | None:
    """The process of mpirun that has started this rank on this node; None when none has, or it is not to be seen."""
    for above, line in _ancestors(os.getppid() if pid is None else pid, proc):
        name = os.path.basename(line[0]).lstrip("-")
        if name in _MPIRUNS:
            return above
        if name not in _SHELLS:
            return None
    return None


def _ancestors(pid: int, proc: str = PROC) -> Iterator[tuple[int, list[str]]]:
    """A process and those above it, with their command lines, on this machine, as far as they can be read."""
    for _ in range(_GENERATIONS):
        try:
            with open(f"{proc}/{pid}/cmdline", "rb") as file:
                yield pid, os.fsdecode(file.read()).split("\0")
            pid = int(stat(pid, proc)[PARENT])
        except (OSError, ValueError):
            return
        if pid <= 1:
            return
