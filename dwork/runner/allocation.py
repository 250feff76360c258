"""Which CPUs and GPUs of a worker each of its tasks gets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Share(NamedTuple):
    """What one task has for itself; no cpus: it shares them with the others."""

    cpus: tuple[int, ...] = ()
    gpus: tuple[str, ...] = ()


class Allocation:
    """The CPUs and GPUs that nobody has now. Without cpus tasks are not pinned."""

    def __init__(self, cpus: Sequence[int], gpus: Sequence[str]) -> None:
        self._cpus = sorted(cpus)
        self._gpus = list(gpus)
        self._taken: dict[int, Share] = {}

    def __bool__(self) -> bool:
        """Whether there is anything to give, now or later."""
        return bool(self._cpus or self._gpus or self._taken)

    def take(self, task: int, cores: int, gpus: int) -> Share:
        """A seat for a task; of GPUs, and of CPUs when there are enough."""
        cpus = self._run_of(cores) if cores <= len(self._cpus) else ()
        seat = self._taken[task] = Share(cpus, tuple(self._gpus[:gpus]))
        self._cpus = [cpu for cpu in self._cpus if cpu not in cpus]
        del self._gpus[:gpus]
        return seat

    def give_back(self, task: int) -> None:
        """The task has ended."""
        seat = self._taken.pop(task, None)
        if seat is not None:
            self._cpus = sorted([*self._cpus, *seat.cpus])
            self._gpus += seat.gpus

    def _run_of(self, n: int) -> tuple[int, ...]:
        """The shortest gap that n neighbours fit into, since they share caches and memory; else the first n."""
        runs: list[list[int]] = []
        for cpu in self._cpus:
            if runs and runs[-1][-1] == cpu - 1:
                runs[-1].append(cpu)
            else:
                runs.append([cpu])
        return tuple(min((run for run in runs if len(run) >= n), key=len, default=self._cpus)[:n])
