"""The cores that the tasks of a rank may use, and how many tasks it runs at a time.

A launcher that binds each rank to one core means a program that computes there itself; a rank of ours only waits for
its tasks, which would all run on that core. So what mpirun has bound is taken for nothing when it is less than the
rank's part of what mpirun itself may use. What srun has bound is what Slurm has given to this rank, and stays.
"""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from dwork.host import cgroups, launcher
from dwork.host.local_ranks import LocalRank, place

OPTION: Final = "--slots"
AUTO: Final = "auto"


def allowed() -> tuple[int, ...]:
    """The numbers of the CPUs that tasks of this rank may use, at least one, in order; its neighbours use others.

    But of more ranks than CPUs several have the same one.
    """
    here = place(os.environ)
    mine = os.sched_getaffinity(0)
    if here.by_mpirun and (whole := _of_starter()) >= mine:
        return of_mpirun(here, mine, whole)
    return of_others(here, mine, on_node() if here.ranks > 1 else len(mine))


def reachable() -> set[int]:
    """The CPUs that this rank could use beside those that it is bound to: those of the mpirun that has bound it."""
    return _of_starter() if place(os.environ).by_mpirun else set()


def share() -> int:
    """The number of cores that tasks of this rank may use, at least 1.

    Where it is less than those that are `allowed`, others may be on the same CPUs: no task should be bound to one then.
    """
    limit = min(quota(cgroups.directories("cpu")), _given(os.environ) or math.inf)
    return max(1, int(min(limit / place(os.environ).ranks, len(allowed()))))


def of_mpirun(here: LocalRank, mine: Collection[int], whole: Collection[int]) -> tuple[int, ...]:
    """Of a rank that may use `mine`, started by a mpirun that may use `whole`."""
    least, rest = divmod(len(whole), here.ranks)
    if least <= len(mine) <= least + bool(rest):  # its part, which the launcher may have chosen better than we would
        return tuple(sorted(mine))
    return _part(here, whole)


def of_others(here: LocalRank, mine: Collection[int], n: int) -> tuple[int, ...]:
    """Of a rank that may use `mine`, on a node where its job has n CPUs."""
    if len(mine) * here.ranks <= n:  # each rank has CPUs of its own
        return tuple(sorted(mine))
    return _part(here, mine)


def on_node() -> int:
    """How many CPUs the ranks of this node have together."""
    whole = _of_starter() if place(os.environ).by_mpirun else set()
    given = _given(os.environ)
    return min(given, len(whole) or given) if given else len(whole or _grantable())


def quota(directories: Iterable[str]) -> float:
    """How many cores' worth of time these control groups allow; infinity when they do not limit it."""
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


def _of_starter() -> set[int]:
    """The CPUs that the mpirun of this rank may use; none when it is not to be found."""
    pid = launcher.starter()
    try:
        return set() if pid is None else os.sched_getaffinity(pid)
    except OSError:  # it has ended
        return set()


def _given(environ: Mapping[str, str]) -> int:
    """How many CPUs of this node Slurm has given to the step or job, though it may let it run on all; 0: not known."""
    stated = environ.get("SLURM_CPUS_ON_NODE", "")
    return int(stated) if stated.isdecimal() else 0


def _grantable() -> set[int]:
    """All CPUs that this process could bind itself to. The kernel alone knows them, so it is tried."""
    mine = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, range(os.sysconf("SC_NPROCESSORS_CONF")))
        granted = os.sched_getaffinity(0)
        os.sched_setaffinity(0, mine)
    except OSError:  # not allowed here
        return mine
    return granted


def slots(wanted: str) -> int:
    """Of `N` that number, of `auto` this rank's share; ValueError when it is neither."""
    if wanted == AUTO:
        return share()
    n = int(wanted) if wanted.isdecimal() else 0
    if not 1 <= n <= 65536:
        raise ValueError(f'"{wanted}" is no number of slots; give 1 to 65536, or auto')
    return n
