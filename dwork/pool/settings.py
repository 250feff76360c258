"""The options of a pool."""

from __future__ import annotations

from dataclasses import dataclass

from dwork.core.min_time import UNKNOWN, MinTime
from dwork.server.assemble import ServerSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSettings(ServerSettings):
    """The options of a pool that do not concern single tasks, named as on the command line.

    keep_order: print output in the order of the tasks. joblog: a file with GNU parallel's columns, empty for none.
    transport: mpi or zmq, for the ranks. slots: tasks that each rank runs at a time, N or auto; None: one or, without
    ranks, one per core. gpus: those of each node, as for gpus.share. smt: whether hardware threads count
    as cores. walltime: seconds until the job ends; None: query the batch system. drain_before: seconds before the end
    of the job at which running tasks are ended. min_time: the least time of a task that does not set it. progress: one
    of progress.choice.WAYS. again: the command that continues the run, for people.
    """

    keep_order: bool = False
    joblog: str = ""
    transport: str = "mpi"
    slots: str | None = None
    gpus: str | None = None
    smt: bool = False
    walltime: float | None = None
    drain_before: float = 60.0
    min_time: MinTime = UNKNOWN
    progress: str = "auto"
    again: str = ""
