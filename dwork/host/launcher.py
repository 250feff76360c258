"""The launcher that started the ranks of this job, and whether a dead rank ends them all."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from dwork.core.text import user_text
from dwork.host.local_ranks import in_step
from dwork.host.processes import PARENT, PROC, stat

#: Options and variables of launchers that let a job continue after one of its ranks has died.
_FLAGS: Final = {"-disable-auto-cleanup", "--disable-auto-cleanup", "--enable-recovery", "--continuous", "--with-ft"}
_VARIABLES: Final = {
    "OMPI_MCA_mpi_ft_enable": "1", "PRTE_MCA_prte_rtos": "continuous", "OMPI_MCA_orte_enable_recovery": "1",
}  # fmt: skip
#: How many processes above a rank are inspected for its launcher: a shell or a proxy may be between them.
_GENERATIONS: Final = 6
#: The names of mpirun, and of its daemons that start the ranks on each node.
_MPIRUNS: Final = {
    "mpirun", "mpiexec", "prterun", "prted", "orterun", "orted", "mpiexec.hydra", "hydra_pmi_proxy", "pmi_proxy",
    "mpirun_rsh", "mpispawn",
}  # fmt: skip
#: What a wrapper script may put between a rank and the process that has started it.
_SHELLS: Final = {"sh", "bash", "dash", "ksh", "zsh", "csh", "tcsh", "busybox", "time"}


class Launcher(NamedTuple):
    """A launcher. unbound: the command that starts ranks which may use all cores; empty when unknown.

    surviving: the command with which the other ranks continue when one dies; empty when there is none or it is unknown.
    """

    name: str = ""
    unbound: str = ""
    surviving: str = ""


OPEN_MPI: Final = Launcher("Open MPI's mpirun", "mpirun --bind-to none", "mpirun --with-ft ulfm")
#: Up to version 4: mpirun is another program there, with other options.
OPEN_MPI_4: Final = Launcher("Open MPI 4's mpirun", "mpirun --bind-to none", "mpirun --enable-recovery")
MPICH: Final = Launcher("MPICH's mpirun", "mpirun -bind-to none", "mpirun -disable-auto-cleanup")
INTEL: Final = Launcher("Intel MPI's mpirun", "I_MPI_PIN=0 mpirun", "mpirun -disable-auto-cleanup")
MVAPICH: Final = Launcher("MVAPICH's mpirun", "MV2_ENABLE_AFFINITY=0 mpirun")
PALS: Final = Launcher("the mpiexec of PALS", "mpiexec --cpu-bind none")
SRUN: Final = Launcher("srun", "srun --cpu-bind=none")


def of(environ: Mapping[str, str]) -> Launcher:
    """Return the launcher of this rank, by the variables that it has set; one without a name when there is none."""
    if "OMPI_COMM_WORLD_SIZE" in environ:
        return OPEN_MPI_4 if "OMPI_MCA_orte_launch" in environ else OPEN_MPI
    if "MPI_LOCALNRANKS" in environ:
        return INTEL if any(name.startswith(("HYDRA_BSTRAP_", "I_MPI_HYDRA_UUID")) for name in environ) else MPICH
    if "MV2_COMM_WORLD_SIZE" in environ:
        return MVAPICH
    if "PALS_LOCAL_SIZE" in environ:
        return PALS
    return SRUN if in_step(environ) else Launcher()


def lives_on() -> bool:
    """Whether the launcher was configured to let the other ranks continue when one dies."""
    if any(os.environ.get(name) == value for name, value in _VARIABLES.items()):
        return True
    arguments = [word for _, line in _ancestors(os.getppid()) for word in line]
    return bool(_FLAGS & set(arguments)) or any("continuous" in word for word in arguments if word.startswith("rtos"))


def advice() -> str:
    """Return how to start this job so that it survives a dead rank; empty when it already does, or nothing is known."""
    if lives_on():
        return ""
    by = of(os.environ)
    if not by.surviving or (by in (OPEN_MPI, OPEN_MPI_4) and in_step(os.environ)):
        return ""
    return f"`{by.surviving}`{' with one rank per node' if by == MPICH else ''}"


def tells_deaths(environ: Mapping[str, str]) -> bool:
    """Whether SIGUSR1 may mean that a rank has died: Hydra, MPICH's launcher, notifies the other ranks with it.

    It does so on all hosts, though its variable HYDI_CONTROL_FD exists on the first one only.
    """
    return of(environ) == MPICH


def forgets_environment(environ: Mapping[str, str]) -> bool:
    """Whether ranks on other hosts lack the environment of the job script: Open MPI's mpirun passes on what -x names.

    All ranks return the same: on several hosts none has all ranks.
    """
    size, here = (environ.get(f"OMPI_COMM_WORLD_{name}", "") for name in ("SIZE", "LOCAL_SIZE"))
    return bool(size and here) and size != here


def kills_on_second_interrupt(environ: Mapping[str, str]) -> bool:
    """Whether the launcher kills all ranks at a second Ctrl-C, and exits at once, as Hydra does."""
    return of(environ) in (MPICH, INTEL)


def ends_ranks_alone(environ: Mapping[str, str]) -> bool:
    """Whether the launcher may send SIGTERM to the ranks only, as Open MPI does when one of them dies."""
    return of(environ) in (OPEN_MPI, OPEN_MPI_4)


def starter(pid: int | None = None, proc: str = PROC) -> int | None:
    """Return the pid of the mpirun (or its daemon) that has started this rank; None without one, or when it is hidden.

    pid: where to begin, this process's parent by default.
    """
    for above, line in _ancestors(os.getppid() if pid is None else pid, proc):
        name = os.path.basename(line[0]).lstrip("-")
        if name in _MPIRUNS:
            return above
        if name not in _SHELLS:
            return None
    return None


def _ancestors(pid: int, proc: str = PROC) -> Iterator[tuple[int, list[str]]]:
    """Yield a process and its ancestors on this machine, with their command lines, as far as they can be read."""
    for _ in range(_GENERATIONS):
        try:
            with open(f"{proc}/{pid}/cmdline", "rb") as file:
                yield pid, user_text(file.read()).split("\0")
            pid = int(stat(pid, proc)[PARENT])
        except (OSError, ValueError):
            return
        if pid <= 1:
            return
