"""Reservations: how tasks that ask for several cores, memory or GPUs find room.

A worker gets such a task only when it could start it immediately, beside everything that it holds. With that rule
alone, a task that needs a whole node would wait forever, since a node that runs small tasks is never empty. So for each
kind of request that fits nowhere, one worker is *kept* (reserved): it gets no more tasks that would be in the way, and
gives back those that have not started, until the first task of the kind fits. If there are more, a worker is kept for
the next one. Only one worker is kept per kind at a time, since a kept worker is partly idle; and none is kept for a
kind while tasks of higher priority, for which no worker is kept, are ready.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from dwork.core.resources import ONE_CORE, Resources
from dwork.hub.workers import WorkerState

#: The memory of a worker that does not know how much it has, in bytes.
_PLENTY = 1 << 62


class WorkerRoom:
    """The tasks that a worker can take now. spare: how many tasks of one core it may get in any case.

    kept: the request that it is kept for; all other tasks must leave room for that.
    """

    __slots__ = ("_cores", "_gpus", "_kept", "_memory", "_slots", "_spare")

    def __init__(self, worker: WorkerState, spare: int, kept: Resources | None) -> None:
        n = len(worker.held)
        has, more = worker.has, worker.more
        self._slots = worker.slots - n
        self._cores = has.cores - more.cores - n
        self._memory = (has.memory or _PLENTY) - more.memory
        self._gpus = has.gpus - more.gpus
        self._spare = spare
        self._kept = kept

    def fit(self, asked: Resources) -> int:
        """Return how many more tasks with this request fit."""
        slots, cores, memory, gpus = self._slots, self._cores, self._memory, self._gpus
        if self._kept is not None and asked != self._kept:
            slots, cores, memory, gpus = (
                slots - 1, cores - self._kept.cores, memory - self._kept.memory, gpus - self._kept.gpus,
            )  # fmt: skip
        n = min(slots, cores // asked.cores)
        if asked.memory:
            n = min(n, memory // asked.memory)
        if asked.gpus:
            n = min(n, gpus // asked.gpus)
        return max(0, n, self._spare if asked is ONE_CORE else 0)

    def claim(self, asked: Resources, n: int) -> None:
        """Use the room of n such tasks; a negative n frees it."""
        self._slots -= n
        self._cores -= n * asked.cores
        self._memory -= n * asked.memory
        self._gpus -= n * asked.gpus
        if n > 0 and asked == self._kept:
            self._kept = None
        if asked is ONE_CORE:
            self._spare -= n


class Kept:
    """The kept workers by location, with the request that each is kept for.

    unmet: kinds of request that no worker could ever satisfy.
    """

    def __init__(self) -> None:
        self.by_location: dict[str, Resources] = {}
        self.unmet: set[Resources] = set()
        self._unplaced: set[Resources] = set()  # kinds without a kept worker, since all able ones are kept for others

    def for_what(self, worker: WorkerState) -> Resources | None:
        """Return the request that a worker is kept for; None when it is not kept."""
        return self.by_location.get(worker.location)

    def forget(self, worker: WorkerState) -> None:
        """End the reservation of a worker, for example because it got the task."""
        if self.by_location.pop(worker.location, None) is not None:
            self._unplaced.clear()

    def reconsider(self, worker: WorkerState) -> None:
        """Choose anew after a worker has joined, left, or changed its resources."""
        self.forget(worker)
        self._unplaced.clear()
        self.unmet.clear()

    def drop_idle(self, kinds: Iterable[Resources]) -> list[str]:
        """End the reservations for kinds that are no longer ready; return the locations that were kept."""
        wanted = set(kinds)
        self._unplaced &= wanted
        self.unmet &= wanted
        gone = [location for location, asked in self.by_location.items() if asked not in wanted]
        for location in gone:
            del self.by_location[location]
        return gone

    def choose(self, kinds: Mapping[Resources, int], workers: Collection[WorkerState]) -> list[WorkerState]:
        """Keep a worker for each kind that needs one, the one that lacks least; return the newly kept workers.

        kinds: the ready kinds, each with its highest priority.
        """
        placed = self._unplaced.union(self.unmet, self.by_location.values())
        open_to = max((priority for asked, priority in kinds.items() if asked not in placed), default=0)
        chosen = []
        for asked, priority in kinds.items():
            if asked is ONE_CORE or asked in placed or priority < open_to:
                continue
            able = [worker for worker in workers if worker.could(asked)]
            to_choose_from = [w for w in able if w.slots and w.location not in self.by_location]
            if to_choose_from:
                worker = min(to_choose_from, key=lambda worker: _lack(worker, asked))
                self.by_location[worker.location] = asked
                chosen.append(worker)
            else:
                (self._unplaced if able else self.unmet).add(asked)
        return chosen


def _lack(worker: WorkerState, asked: Resources) -> float:
    """Return the sum of the fractions of a worker's cores, memory and GPUs that must become free for a request."""
    has, more = worker.has, worker.more
    running = min(len(worker.held), worker.slots)
    lack = max(0.0, asked.cores - (has.cores - more.cores - running)) / has.cores
    if has.memory:
        lack += max(0.0, asked.memory - (has.memory - more.memory)) / has.memory
    if has.gpus:
        lack += max(0.0, asked.gpus - (has.gpus - more.gpus)) / has.gpus
    return lack
