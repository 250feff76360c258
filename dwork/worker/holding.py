"""What a worker holds: its queue and the tasks that run, what has room, how many more to ask for, what to give back.

Prefetch. A worker tries to hold enough tasks for `lookahead` seconds, estimated from the run times it has seen, so that
a thousand short tasks cost one message, and no task waits behind a long one. It first asks for one task per slot, then
for at most twice as many as the last time, and gives back tasks that it could not start within `stale` seconds.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Collection, Sequence

from dwork.core.messages import Returned
from dwork.core.resources import ONE_CORE, Resources
from dwork.core.task import Assigned, Options

#: The weight of the latest run time in the running mean.
WEIGHT = 0.1


class Holding:
    """The tasks of one worker. has: the resources for all of them. lookahead, most, stale: see WorkerPolicy.

    slots: how many may run at a time. started: when the last task was started. returns: tasks to give back.
    """

    def __init__(self, slots: int, has: Resources | None, lookahead: float, most: int, stale: float) -> None:
        self.queue: deque[Assigned] = deque()
        self.running: dict[int, Assigned] = {}
        self.returns: list[Returned] = []
        self.started = -math.inf
        self.mean = math.inf  # running mean of the run times
        self.slots = slots
        self._has = has
        self._lookahead, self._most, self._stale = lookahead, most, stale
        self._most_wanted = slots  # the most tasks to ask for next time
        self._heavy: dict[int, Resources] = {}  # the requests of running tasks that ask for more than one core

    @property
    def all(self) -> Sequence[Assigned]:
        return (*self.running.values(), *self.queue)

    # -- running -----------------------------------------------------------------------------------------------

    def take(self, tasks: Sequence[Assigned]) -> None:
        """Take tasks that the hub has assigned."""
        self.queue.extend(tasks)
        self._most_wanted = min(2 * self._most_wanted, self._most)

    def next(self, now: float) -> Assigned | None:
        """Return the task to start now; None when there is none, or no room for it."""
        while self.can_start:
            assigned = self.queue.popleft()
            is_new = assigned.id not in self.running
            self.running[assigned.id] = assigned
            if (asked := assigned.options.asks) is not ONE_CORE:
                self._heavy[assigned.id] = asked
            if is_new:
                self.started = now
                return assigned
            # The hub declared this worker lost and assigned a task that still runs here: this run is the new attempt.
        return None

    def ended(self, task: int) -> Assigned:
        """Remove a task that has ended, and return it."""
        self._heavy.pop(task, None)
        return self.running.pop(task)

    def learn(self, seconds: float) -> None:
        """Learn how long a task ran."""
        self.mean = seconds if self.mean == math.inf else self.mean + WEIGHT * (seconds - self.mean)

    @property
    def can_start(self) -> bool:
        """Whether `next` has a task to start."""
        return bool(self.queue) and len(self.running) < self.slots and self._fits(self.queue[0].options)

    def _fits(self, options: Options) -> bool:
        """Whether there is room for a task: a hub that does not know our resources may send tasks that do not fit."""
        asked = options.asks
        if self._has is None or not self.running or (asked is ONE_CORE and not self._heavy):
            return True
        taken = (asked, *self._heavy.values())
        others = len(self.running) - len(self._heavy)
        return self._has.suffices(
            Resources(
                others + sum([t.cores for t in taken]), sum([t.memory for t in taken]), sum([t.gpus for t in taken])
            )
        )

    def resize(self, slots: int, has: Resources | None) -> None:
        """Change the number of slots, and the resources for all of them."""
        self.slots, self._has = slots, has

    # -- asking ------------------------------------------------------------------------------------------------

    def wanted(self, now: float) -> int:
        """Return how many tasks to ask for now."""
        places = self._usable_slots
        target = places
        pace = max(self.mean, now - self.started) if self.running else self.mean
        if pace * self._most <= self._lookahead * places:
            target = max(target, self._most)
        elif pace < math.inf:
            target += int(self._lookahead * places / pace)
        in_hand = len(self.queue) + len(self.running)
        if in_hand >= places and in_hand > target // 2:
            return 0
        return min(target - in_hand, self._most_wanted)

    @property
    def _usable_slots(self) -> int:
        """How many tasks can run at a time now: one that takes several cores may leave slots unused."""
        if self._has is None or not self._heavy:
            return self.slots
        return min(self.slots, self._has.cores - sum([t.cores - 1 for t in self._heavy.values()]))

    # -- giving back -------------------------------------------------------------------------------------------

    @property
    def stale_at(self) -> float:
        """When to give back tasks that could not start until then."""
        return self.started + self._stale

    def is_stale(self, now: float) -> bool:
        return now >= self.stale_at and not self.can_start

    def give_back(self, n: int) -> None:
        """Give back the last tasks of the queue, up to n of them."""
        for _ in range(min(n, len(self.queue))):
            self.returns.append(Returned(self.queue.pop().id))

    def give_back_all(self) -> None:
        """Give back the queue."""
        self.returns += [Returned(assigned.id) for assigned in self.queue]
        self.queue.clear()

    def cancel(self, tasks: Collection[int]) -> list[int]:
        """Give back those of the tasks that have not started, and return those that run."""
        kept = [assigned for assigned in self.queue if assigned.id not in tasks]
        self.returns += [Returned(assigned.id) for assigned in self.queue if assigned.id in tasks]
        self.queue.clear()
        self.queue.extend(kept)
        return [id for id in self.running if id in tasks]
