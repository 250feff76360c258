"""How tasks that ask for several cores, memory or GPUs get a place.

A worker gets such a task only when it could start it at once, beside all that it holds. Left at that, a task that
needs a whole node would wait for ever, since a node that runs small ones is never empty. So for each kind of request
that fits nowhere one worker is *kept*: it gets nothing more that would be in the way, and gives back what it has not
started, until the first of these tasks fits. Then, if there are more of them, the next worker is kept. Only one at a
time, since a kept worker idles in part; and none for those of low priority while others can run.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from dwork.core.resources import ONE_CORE, Resources
from dwork.hub.workers import WorkerState

#: The memory of a worker of which nobody knows how much it has, in bytes.
_PLENTY = 1 << 62


class WorkerRoom:
    """What a worker can take now. spare: so many tasks of one core it may have in any case.

    kept: what it is kept for; everything else must leave room for that.
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
        """How many more tasks that ask for this."""
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
        """It gets n of them; with n below zero it gives some back."""
        self._slots -= n
        self._cores -= n * asked.cores
        self._memory -= n * asked.memory
        self._gpus -= n * asked.gpus
        if n > 0 and asked == self._kept:
            self._kept = None
        if asked is ONE_CORE:
            self._spare -= n


class Kept:
    """Which workers are kept for what, by location.

    unmet: kinds of request that none of the workers could ever meet.
    """

    def __init__(self) -> None:
        self.by_location: dict[str, Resources] = {}
        self.unmet: set[Resources] = set()
        self._nobody: set[Resources] = set()  # nor could anybody be kept for these, since all who could are kept

    def for_what(self, worker: WorkerState) -> Resources | None:
        return self.by_location.get(worker.location)

    def forget(self, worker: WorkerState) -> None:
        """It has got what it was kept for."""
        if self.by_location.pop(worker.location, None) is not None:
            self._nobody.clear()

    def reconsider(self, worker: WorkerState) -> None:
        """It is there, or gone, or has other means."""
        self.forget(worker)
        self._nobody.clear()
        self.unmet.clear()

    def drop_idle(self, kinds: Iterable[Resources]) -> list[str]:
        """Keep nobody for what is not ready any more; return who was."""
        wanted = set(kinds)
        self._nobody &= wanted
        self.unmet &= wanted
        gone = [location for location, asked in self.by_location.items() if asked not in wanted]
        for location in gone:
            del self.by_location[location]
        return gone

    def choose(self, kinds: Mapping[Resources, int], workers: Collection[WorkerState]) -> list[WorkerState]:
        """Keep a worker for each kind that needs one, the one that is the nearest to having room; return these.

        kinds: what is ready, with its highest priority.
        """
        placed = self._nobody.union(self.unmet, self.by_location.values())
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
                (self._nobody if able else self.unmet).add(asked)
        return chosen


def _lack(worker: WorkerState, asked: Resources) -> float:
    """How much of its cores, memory and GPUs must become free for that, as shares added up."""
    has, more = worker.has, worker.more
    running = min(len(worker.held), worker.slots)
    lack = max(0.0, asked.cores - (has.cores - more.cores - running)) / has.cores
    if has.memory:
        lack += max(0.0, asked.memory - (has.memory - more.memory)) / has.memory
    if has.gpus:
        lack += max(0.0, asked.gpus - (has.gpus - more.gpus)) / has.gpus
    return lack
