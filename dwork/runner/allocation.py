"""The allocation of a worker's CPUs and GPUs to its tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Share(NamedTuple):
    """The CPUs and GPUs of one task; no cpus: it shares them with other tasks."""

    cpus: tuple[int, ...] = ()
    gpus: tuple[str, ...] = ()


class Allocation:
    """The free CPUs and GPUs of a worker. Without cpus, tasks are not pinned."""

    def __init__(self, cpus: Sequence[int], gpus: Sequence[str]) -> None:
        self._cpus = sorted(cpus)
        self._gpus = list(gpus)
        self._taken: dict[int, Share] = {}

    def __bool__(self) -> bool:
        """Whether there is anything to allocate, now or later."""
        return bool(self._cpus or self._gpus or self._taken)

    def take(self, task: int, cores: int, gpus: int) -> Share:
        """Allocate GPUs to a task, and CPUs when enough are free."""
        cpus = self._run_of(cores) if cores <= len(self._cpus) else ()
        share = self._taken[task] = Share(cpus, tuple(self._gpus[:gpus]))
        self._cpus = [cpu for cpu in self._cpus if cpu not in cpus]
        del self._gpus[:gpus]
        return share

    def give_back(self, task: int) -> None:
        """Free the share of a task that has ended."""
        share = self._taken.pop(task, None)
        if share is not None:
            self._cpus = sorted([*self._cpus, *share.cpus])
            self._gpus += share.gpus

    def _run_of(self, n: int) -> tuple[int, ...]:
        """Return n CPUs from the shortest run of consecutive free ones that fits, since these share caches and memory.

        If no run fits, return the first n.
        """
        runs: list[list[int]] = []
        for cpu in self._cpus:
            if runs and runs[-1][-1] == cpu - 1:
                runs[-1].append(cpu)
            else:
                runs.append([cpu])
        return tuple(min((run for run in runs if len(run) >= n), key=len, default=self._cpus)[:n])
