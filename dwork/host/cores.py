"""The cores that the tasks of a rank may use.

A launcher that binds each rank to one core assumes that the rank itself computes. A worker rank only waits for its
tasks, and these would all run on that core. So a binding by mpirun is ignored when it is smaller than the rank's part
of the CPUs that mpirun itself may use. A binding by srun is what Slurm has allocated to this rank, and is kept.
"""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Iterable, Mapping

from dwork.host import batch_system, cgroups, launcher
from dwork.host.local_ranks import LocalRank, place


def allowed() -> tuple[int, ...]:
    """Return the sorted numbers of the CPUs that tasks of this rank may use, at least one.

    Other ranks of the node use other CPUs, unless there are more ranks than CPUs: then several ranks share one.
    """
    here = place(os.environ)
    mine = os.sched_getaffinity(0)
    if here.by_mpirun and (whole := _of_mpirun()) >= mine:
        return of_mpirun(here, mine, whole)
    return of_others(here, mine, on_node() if here.ranks > 1 else len(mine))


def reachable() -> set[int]:
    """Return the CPUs that this rank could use if it were not bound: those of the mpirun that has bound it."""
    return _of_mpirun() if place(os.environ).by_mpirun else set()


def share() -> int:
    """Return the number of cores that tasks of this rank may use, at least 1.

    When it is less than the number of `allowed` CPUs, other jobs may use the same CPUs: do not bind tasks to one then.
    """
    limit = min(quota(cgroups.directories("cpu")), _allocated(os.environ) or math.inf)
    return max(1, int(min(limit / place(os.environ).ranks, len(allowed()))))


def of_mpirun(here: LocalRank, mine: Collection[int], whole: Collection[int]) -> tuple[int, ...]:
    """Return the CPUs of a rank that is bound to `mine` by an mpirun that may use `whole`."""
    least, rest = divmod(len(whole), here.ranks)
    if least <= len(mine) <= least + bool(rest):  # already its part, perhaps chosen better than dwork would
        return tuple(sorted(mine))
    return _part(here, whole)


def of_others(here: LocalRank, mine: Collection[int], n: int) -> tuple[int, ...]:
    """Return the CPUs of a rank that may use `mine`, on a node where its job has n CPUs."""
    if len(mine) * here.ranks <= n:  # each rank has CPUs of its own
        return tuple(sorted(mine))
    return _part(here, mine)


def on_node() -> int:
    """Return the number of CPUs that the ranks of this node have together."""
    whole = _of_mpirun() if place(os.environ).by_mpirun else set()
    allocated = _allocated(os.environ)
    return min(allocated, len(whole) or allocated) if allocated else len(whole or _bindable())


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


def _part(here: LocalRank, cpus: Collection[int]) -> tuple[int, ...]:
    ordered = sorted(cpus)
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
