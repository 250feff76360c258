"""The environment of tasks: that of the worker, without the variables that its launcher has set for the worker alone.

A program with the launcher's variables takes itself for a rank of our job: `mpirun` in a task hangs, and so does a
program that calls MPI_Init. With the batch system's list of hosts, `mpirun` in a task starts its ranks on the first
host of the job, or fails. Variables that users set for their MPI (`OMPI_MCA_*`, `MPIR_CVAR_*`, `I_MPI_*`) stay.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from dwork.core.glob import matcher
from dwork.core.messages import Execution
from dwork.host import batch_system

#: Variables that launchers and process managers set for a rank: Hydra, PMI, PMIx, PRRTE, Open MPI 4 and 5, Intel MPI,
#: PALS, ALPS, MVAPICH, jsrun, Flux.
_LAUNCHER: Final = re.compile(
    r"PMI_|PMIX_|PMI2_|HYDI_|HYDRA_BSTRAP_|MPI_LOCAL|PALS_(RANKID|NODEID|SIZE|LOCAL|APP|APINFO|SPOOL|STARTUP)"
    r"|PRTE_LAUNCHED|PRTE_SHARED|OPAL_|OMPI_(?!MCA_|ALLOW_)"
    r"|OMPI_MCA_(orte_|ess|pmix|initial_wdir|num_procs|cpu_type|shmem_RUNTIME|mpi_oversubscribe|mpi_ft_enable|PREFIXES)"
    r"|ALPS_APP_|MV2_COMM_WORLD_|JSM_NAMESPACE_|FLUX_(TASK_|JOB_(SIZE|NNODES)|KVS_NAMESPACE|PMI_)"
    r"|I_MPI_HYDRA_UUID|I_MPI_INFO|I_MPI_PIN_|GFORTRAN_UNBUFFERED_PRECONNECTED$|(HFI|IPATH)_NO_BACKTRACE$"
)
#: Slurm's variables about the step of a rank; an inner srun needs those about the job.
_STEP: Final = re.compile(
    r"SLURM_(STEP_|STEPID|STEPMGR|PROCID|LOCALID|NODEID|GTIDS|TASK_PID|SRUN_|LAUNCH_|PMI|CPU_BIND|MEM_BIND"
    r"|DISTRIBUTION|UMASK|PRIO_PROCESS|TOPOLOGY_ADDR)"
)
#: Variables that make an inner mpirun start its ranks here, and an inner srun share the cores of its step.
_IN_SLURM: Final = {
    "HYDRA_LAUNCHER": "fork",
    "PRTE_MCA_plm": "^slurm",
    "PRTE_MCA_ras": "^slurm",
    "SLURM_OVERLAP": "1",
}
#: Variables that would connect a task to another hub than its own.
_OWN: Final = re.compile(r"DWORK_(SERVER|INSECURE|CONNECTION)$")


def of_tasks(environ: Mapping[str, str], execution: Execution | None = None) -> dict[str, str]:
    """Return the environment of tasks, given that of the worker. `execution.keep` wins over all that is dropped."""
    execution = execution or Execution()
    kept, dropped = _any(execution.keep), _any(execution.drop)
    in_step = "SLURM_STEP_ID" in environ
    system = batch_system.of(environ)
    clean = {}
    for name, value in environ.items():
        is_set_for_us = is_of_launcher(name, in_step=in_step) or _OWN.match(name) or name in system.hosts
        if kept(name) or not (is_set_for_us or dropped(name)):
            clean[name] = value
    _without_launchers_libraries(environ, clean, kept)
    for name, value in (_IN_SLURM if in_step else system.local).items():
        clean.setdefault(name, value)
    clean.update(execution.set)
    return clean


def is_of_launcher(name: str, *, in_step: bool) -> bool:
    """Whether a launcher sets this variable for a rank alone. in_step: Slurm's srun is one of them."""
    return bool(_LAUNCHER.match(name) or (in_step and _STEP.match(name)))


def _any(globs: Sequence[str]) -> Callable[[str], bool]:
    tests = [matcher(glob) for glob in globs]
    return lambda name: any(test(name) for test in tests)


def _without_launchers_libraries(
    environ: Mapping[str, str], clean: dict[str, str], kept: Callable[[str], bool]
) -> None:
    """Remove the libraries that mpirun of Open MPI from PyPI puts first: another MPI in a task would load them."""
    prefix = environ.get("OPAL_PREFIX")
    path = clean.get("LD_LIBRARY_PATH")
    if not prefix or not path or kept("LD_LIBRARY_PATH"):
        return
    own = {os.path.join(prefix, "lib"), os.path.join(prefix, "lib64")}
    rest = [entry for entry in path.split(os.pathsep) if os.path.normpath(entry) not in own]
    if rest and any(rest):
        clean["LD_LIBRARY_PATH"] = os.pathsep.join(rest)
    else:
        del clean["LD_LIBRARY_PATH"]
