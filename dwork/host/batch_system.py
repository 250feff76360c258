"""The batch systems: where each puts the number of the job and what it granted, and how to ask for the job's limit.

A row of SYSTEMS is all that dwork knows of one. `of` returns the row for the environment of a process; in all rows an
unknown text is empty and an unknown number 0.
"""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

Environ = Mapping[str, str]


class BatchSystem(NamedTuple):
    """A batch system.

    job: the variable with the job's id. sign: a variable that must be set as well, where the name of `job` is common.
    element: the element of a job array, as the system prints it. cpus: the CPUs granted on this host.
    is_restarted: whether the job was started before.

    limit: the command that prints the job's limit; end: the time when the job ends, in seconds since the epoch, by what
    it prints, these variables, and a time after the job's start.

    hosts: the variables through which `mpirun` finds the hosts of the job. local: those that make it start its ranks on
    its own host, where it would look for the hosts elsewhere or insist on them.
    """

    name: str = ""
    job: str = ""
    sign: str = ""
    element: Callable[[Environ], str] = lambda _: ""
    cpus: Callable[[Environ], int] = lambda _: 0
    is_restarted: Callable[[Environ], bool] = lambda _: False
    limit: Callable[[Environ], list[str]] = lambda _: []
    end: Callable[[str, Environ, float], float | None] = lambda _answer, _environ, _now: None
    hosts: tuple[str, ...] = ()
    local: Mapping[str, str] = {}

    def has_job(self, environ: Environ) -> bool:
        """Whether a process with these variables belongs to a job of this system."""
        return bool(environ.get(self.job)) and (not self.sign or self.sign in environ)


def of(environ: Environ) -> BatchSystem:
    """Return the batch system whose job this is; a row without a name outside a job."""
    return next((system for system in SYSTEMS if system.has_job(environ)), BatchSystem())


# -- Slurm ---------------------------------------------------------------------------------------------------------


def _slurm_element(environ: Environ) -> str:
    array = environ.get("SLURM_ARRAY_JOB_ID")
    return f"{array}_{environ.get('SLURM_ARRAY_TASK_ID', '')}" if array else ""


def _slurm_limit(environ: Environ) -> list[str]:
    return ["squeue", "--noheader", "--jobs", environ["SLURM_JOB_ID"], "--format", "%A %i %e"]


def _slurm_end(answer: str, environ: Environ, _now: float) -> float | None:
    """squeue prints a line for each element of an array whose number is that of the job, and for each component of a
    heterogeneous job (4711+0, 4711+1), of which the first to end ends the job.
    """
    job = environ["SLURM_JOB_ID"]
    rows = [fields for line in answer.splitlines() if len(fields := line.split()) == 3]
    return min(
        [
            float(end)
            for number, name, end in rows
            if end.isdecimal() and (number == job or name.startswith(f"{job}+"))  # it may be N/A
        ],
        default=None,
    )


# -- PBS -----------------------------------------------------------------------------------------------------------


def _pbs_cpus(environ: Environ) -> int:
    """NCPUS is that of one chunk, and several chunks may be on this host; then the host has as many lines."""
    lines = [line for line in _lines(environ.get("PBS_NODEFILE", "")) if _is_this_host(line.strip())]
    return max(_number(environ, "NCPUS"), _number(environ, "PBS_NUM_PPN"), len(lines))


def _pbs_end(answer: str, _environ: Environ, now: float) -> float | None:
    limit = re.search(r"Resource_List\.walltime = (\d+):(\d\d):(\d\d)", answer)
    begin = re.search(r"^\s*(?:stime|start_time) = (\w.*)", answer, re.MULTILINE)  # PBS, Torque
    if limit is None or begin is None:
        return None
    try:
        return _moment(time.strptime(begin[1].strip()), now) + _seconds(*limit.groups())
    except ValueError:
        return None


def _moment(local: time.struct_time, now: float) -> float:
    """Return the moment of a local time. In the repeated hour of autumn it has two: the later one, if before `now`."""
    winter, summer = (time.mktime((*local[:8], is_summer)) for is_summer in (0, 1))
    if time.localtime(summer)[:6] != local[:6]:
        return winter
    if time.localtime(winter)[:6] != local[:6]:
        return summer
    return max(winter, summer) if max(winter, summer) <= now else min(winter, summer)


# -- LSF -----------------------------------------------------------------------------------------------------------


def _lsf_element(environ: Environ) -> str:
    index = environ.get("LSB_JOBINDEX", "0")
    return f"{environ['LSB_JOBID']}[{index}]" if index != "0" else ""


def _lsf_cpus(environ: Environ) -> int:
    """LSB_MCPU_HOSTS has the slots of each host, as in `node1 4 node2 8`; LSB_DJOB_NUMPROC is for all hosts."""
    words = environ.get("LSB_MCPU_HOSTS", "").split()
    slots = [int(n) for host, n in zip(words[::2], words[1::2], strict=False) if n.isdecimal() and _is_this_host(host)]
    return sum(slots) or _mean(_number(environ, "LSB_DJOB_NUMPROC"), len(words) // 2)


# -- Grid Engine ---------------------------------------------------------------------------------------------------


def _grid_engine_element(environ: Environ) -> str:
    task = environ.get("SGE_TASK_ID", "")  # the word `undefined` outside an array
    return f"{environ['JOB_ID']}.{task}" if task.isdecimal() else ""


def _grid_engine_cpus(environ: Environ) -> int:
    """PE_HOSTFILE has a line for each queue of each host; only the first host can read it. NSLOTS is for all hosts."""
    lines = [line.split() for line in _lines(environ.get("PE_HOSTFILE", ""))]
    slots = [int(words[1]) for words in lines if words[1:2] and words[1].isdecimal() and _is_this_host(words[0])]
    return sum(slots) or _mean(_number(environ, "NSLOTS"), _number(environ, "NHOSTS"))


def _grid_engine_limit(environ: Environ) -> list[str]:
    """Return a command that prints the start and the limits of the job, and the limits of its queue."""
    task = environ.get("SGE_TASK_ID", "")
    job, queue = environ["JOB_ID"], environ.get("QUEUE", "")
    script = 'echo "task $2"; qstat -xml -j "$1"; qconf -sq "$3"'
    return ["sh", "-c", script, "sh", job, task if task.isdecimal() else "1", queue]


def _grid_engine_end(answer: str, _environ: Environ, _now: float) -> float | None:
    """The first limit of the job and its queue counts. s_rt is the soft one, after which comes SIGUSR1."""
    task = re.match(r"task (\d+)\n", answer)
    elements = re.findall(r"<ulong_sublist>.*?</ulong_sublist>", answer, re.DOTALL)
    mine = [text for text in elements if task and f"<JAT_task_number>{task[1]}</JAT_task_number>" in text]
    begin = re.search(r"<JAT_start_time>(\d+)</JAT_start_time>", "".join(mine))
    hard = "".join(re.findall(r"<JB_hard_resource_list>.*?</JB_hard_resource_list>", answer, re.DOTALL))
    asked = re.findall(r"<CE_name>[hs]_rt</CE_name>.*?<CE_doubleval>(\d+)\.", hard, re.DOTALL)
    of_queue = re.findall(r"^[hs]_rt\s+(\d+):(\d+):(\d+)", answer, re.MULTILINE)
    limits = [*map(float, asked), *(_seconds(*one) for one in of_queue)]
    if begin is None or not limits:
        return None
    started = float(begin[1])
    return (started / 1000 if started > 1e11 else started) + min(limits)  # Univa's counts milliseconds


# -- all of them ---------------------------------------------------------------------------------------------------


SYSTEMS: Final = (
    BatchSystem(
        "Slurm",
        "SLURM_JOB_ID",
        element=_slurm_element,
        cpus=lambda environ: _number(environ, "SLURM_CPUS_ON_NODE"),
        is_restarted=lambda environ: _number(environ, "SLURM_RESTART_COUNT") > 0,
        limit=_slurm_limit,
        end=_slurm_end,
    ),
    BatchSystem(  # its job id already contains the element, as in 4711[7]; it does not report restarts
        "PBS",
        "PBS_JOBID",
        cpus=_pbs_cpus,
        limit=lambda environ: ["qstat", "-f", environ["PBS_JOBID"]],
        end=_pbs_end,
        hosts=("PBS_NODEFILE", "PBS_ENVIRONMENT"),
    ),
    BatchSystem(
        "LSF",
        "LSB_JOBID",
        element=_lsf_element,
        cpus=_lsf_cpus,
        is_restarted=lambda environ: environ.get("LSB_RESTART") == "Y",
        hosts=("LSB_MCPU_HOSTS", "LSB_HOSTS", "LSB_DJOB_HOSTFILE", "LSB_DJOB_RANKFILE", "LSB_AFFINITY_HOSTFILE"),
        local={
            "I_MPI_HYDRA_RMK": "user",
            **{f"{name}_MCA_{part}": "^lsf" for name in ("OMPI", "PRTE") for part in ("ras", "plm")},
        },
    ),
    BatchSystem("Flux", "FLUX_JOB_ID"),
    BatchSystem("Cobalt", "COBALT_JOBID"),
    BatchSystem("OAR", "OAR_JOB_ID"),
    BatchSystem("Technical Computing Suite", "PJM_JOBID"),
    BatchSystem(
        "Grid Engine",
        "JOB_ID",
        sign="SGE_ROOT",
        element=_grid_engine_element,
        cpus=_grid_engine_cpus,
        is_restarted=lambda environ: environ.get("RESTARTED") == "1",
        limit=_grid_engine_limit,
        end=_grid_engine_end,
        hosts=("PE_HOSTFILE",),
    ),
)


def _number(environ: Environ, name: str) -> int:
    text = environ.get(name, "")
    return int(text) if text.isdecimal() else 0


def _mean(total: int, hosts: int) -> int:
    return total and max(1, total // max(1, hosts))


def _seconds(hours: str, minutes: str, seconds: str) -> int:
    return 3600 * int(hours) + 60 * int(minutes) + int(seconds)


def _is_this_host(name: str) -> bool:
    return name.partition(".")[0] == socket.gethostname().partition(".")[0]


def _lines(path: str) -> Iterator[str]:
    """Yield the lines of a file, none when it cannot be read: batch systems write such files on the first host only."""
    try:
        with open(path) as file:
            yield from file
    except (OSError, ValueError):
        return
