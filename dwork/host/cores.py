"""The cores that the tasks of a rank may use.

A launcher that binds each rank to one core assumes that the rank itself computes. A worker rank only waits for its
tasks, and these would all run on that core. So a binding by mpirun is ignored when it is smaller than the rank's part
of the CPUs that mpirun itself may use. A binding by srun is what Slurm has allocated to this rank, and is kept.

Linux counts each hardware thread as a CPU. Two tasks on the threads of one core slow each other down, so of each core
tasks get one CPU, unless `smt`: then each hardware thread counts as a core.
"""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache
from typing import Final

from dwork.host import batch_system, cgroups, launcher
from dwork.host.local_ranks import LocalRank, place

#: The option with which each hardware thread counts as a core.
SMT: Final = "--smt"
TOPOLOGY: Final = "/sys/devices/system/cpu"


def allowed(smt: bool = False) -> tuple[int, ...]:
    """Return the sorted numbers of the CPUs that tasks of this rank may use, at least one.

    Other ranks of the node use other CPUs, unless there are more ranks than CPUs: then several ranks share one.
    """
    here = place(os.environ)
    mine = os.sched_getaffinity(0)
    if here.by_mpirun and (whole := _of_mpirun()) >= mine:
        return of_mpirun(here, mine, whole, smt)
    return of_others(here, mine, on_node(smt=True) if here.ranks > 1 else len(mine), smt)


def reachable() -> set[int]:
    """Return the CPUs that this rank could use if it were not bound: those of the mpirun that has bound it."""
    return _of_mpirun() if place(os.environ).by_mpirun else set()


def share(smt: bool = False) -> int:
    """Return the number of cores that tasks of this rank may use, at least 1.

    When it is less than the number of `allowed` CPUs, other jobs may use the same CPUs: do not bind tasks to one then.
    """
    limit = min(quota(cgroups.directories("cpu")), _allocated(os.environ) or math.inf)
    return max(1, int(min(limit / place(os.environ).ranks, len(allowed(smt)))))


def of_mpirun(here: LocalRank, mine: Collection[int], whole: Collection[int], smt: bool = False) -> tuple[int, ...]:
    """Return the CPUs of a rank that is bound to `mine` by an mpirun that may use `whole`."""
    least, rest = divmod(len(whole), here.ranks)
    if least <= len(mine) <= least + bool(rest):  # already its part, perhaps chosen better than dwork would
        return one_per_core(mine, smt)
    return _part(here, one_per_core(whole, smt))


def of_others(here: LocalRank, mine: Collection[int], n: int, smt: bool = False) -> tuple[int, ...]:
    """Return the CPUs of a rank that may use `mine`, on a node where its job has n CPUs."""
    if len(mine) * here.ranks <= n:  # each rank has CPUs of its own
        return one_per_core(mine, smt)
    return _part(here, one_per_core(mine, smt))


def one_per_core(cpus: Iterable[int], smt: bool = False) -> tuple[int, ...]:
    """Return the first of these CPUs on each core, or all of them if `smt`; sorted."""
    first: dict[str, int] = {}
    for cpu in sorted(cpus):
        first.setdefault(str(cpu) if smt else _threads(cpu), cpu)
    return tuple(first.values())


def on_node(smt: bool = False) -> int:
    """Return the number of CPUs that the ranks of this node have together, one per core unless `smt`."""
    whole = _of_mpirun() if place(os.environ).by_mpirun else set()
    allocated = _allocated(os.environ)
    if allocated and not whole:
        return allocated
    n = len(one_per_core(whole or _bindable(), smt))
    return min(allocated, n) if allocated else n


def quota(directories: Iterable[str]) -> float:
    """Return the CPU time that these control groups allow, in cores; infinity when they set no limit."""
    least = math.inf
    for directory in directories:
        text = cgroups.read(directory, "cpu.max")  # version 2: `max 100000` or `150000 100000`
        if not text:
            text = f"{cgroups.read(directory, 'cpu.cfs_quota_us')} {cgroups.read(directory, 'cpu.cfs_period_us')}"
        quota, _, period = text.partition(" ")
        if quota.isdecimal() and period.isdecimal() and int(period):
            least = min(least, int(quota) / int(period))
    return least


@cache
def _threads(cpu: int) -> str:
    """Return the hardware threads of a CPU's core, as in `3,67`; the CPU alone when they are unknown."""
    try:
        with open(f"{TOPOLOGY}/cpu{cpu}/topology/thread_siblings_list") as file:
            return file.read().strip()
    except OSError:
        return str(cpu)


def _part(here: LocalRank, ordered: Sequence[int]) -> tuple[int, ...]:
    return here.part(ordered) or (ordered[here.rank % len(ordered)],)


def _of_mpirun() -> set[int]:
    """Return the CPUs that the mpirun of this rank may use; empty when mpirun is not found."""
    pid = launcher.starter()
    try:
        return set() if pid is None else os.sched_getaffinity(pid)
    except OSError:  # it has ended
        return set()


def _allocated(environ: Mapping[str, str]) -> int:
    """Return how many CPUs of this node the batch system has granted to the step or job; 0 when unknown.

    It may still let the job run on all CPUs of the node.
    """
    return batch_system.of(environ).cpus(environ)


def _bindable() -> set[int]:
    """Return all CPUs that this process could bind itself to. Only the kernel knows them, so bind and see."""
    mine = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, range(os.sysconf("SC_NPROCESSORS_CONF")))
        bindable = os.sched_getaffinity(0)
        os.sched_setaffinity(0, mine)
    except OSError:  # not allowed here
        return mine
    return bindable
