"""What a worker has to report, and what the hub has not answered yet.

Reporting. A result is sent immediately when its worker needs tasks or has none waiting. Otherwise it waits for others,
since each message costs as much as several tasks: `URGENT` seconds when other tasks wait for it, `HOLD` seconds when
none does, and then until the next task ends, but at most as long again. It also waits while the hub has not answered
the last report and other slots are busy: otherwise many slots would send more messages the less the hub keeps up.

Lost answers. Requests are numbered, and answers repeat the number. When one stays unanswered for `patience` seconds,
the results are sent again together with the ids of all tasks held: the hub takes back tasks that it had assigned but
that are not here, and ignores results that it already has. A late answer to an earlier request is ignored: its tasks
belong to the hub again. The worker does the same when the hub sends Welcome with `again` (it was restarted, or had
declared this worker lost), when it refuses a report, or when it cancels a task that is not here: its state is wrong.
"""

from __future__ import annotations

import math
from collections.abc import Collection

from dwork.core.task import Result, TaskKey

#: Seconds that a result may wait to be sent with others: when another task waits for it, and when none does.
URGENT, HOLD = 0.001, 0.02


class Reports:
    """The results and requests of one worker. wait, patience: see WorkerPolicy.

    unanswered: when each was sent, and its results, by number. steal: the number of the unanswered Steal; 0: none.
    compare: the next request has the list of tasks held, since something was lost. awaited: tasks held that other tasks
    wait for.
    """

    def __init__(self, wait: float, patience: float) -> None:
        self.results: list[Result] = []
        self.unanswered: dict[int, tuple[float, tuple[Result, ...]]] = {}
        self.sequence = 0
        self.steal = 0
        self.steal_time = -math.inf
        self.compare = False
        self.awaited: set[int] = set()
        self._wait, self._patience = wait, patience
        self._oldest = 0.0  # when the first of the results arrived
        self._hold = HOLD  # how long the results may wait

    # -- results -----------------------------------------------------------------------------------------------

    def add(self, result: Result, task: int, now: float) -> None:
        """Add the result of a task."""
        if not self.results:
            self._oldest, self._hold = now, HOLD
        if self.awaited and task in self.awaited:
            self.awaited.discard(task)
            self._hold = URGENT
        self.results.append(result)

    def discard(self, tasks: Collection[TaskKey]) -> set[int]:
        """Discard the unsent results of these tasks; return which those were."""
        unsent = {int(result.task) for result in self.results if result.task in tasks}
        self.results = [result for result in self.results if result.task not in tasks]
        return unsent

    def take(self) -> tuple[Result, ...]:
        """Return the results to send."""
        results = tuple(self.results)
        self.results.clear()
        return results

    def may_wait(self, now: float) -> bool:
        """Whether the results may still wait for others."""
        return now < self._oldest + self._hold

    @property
    def pending(self) -> set[tuple[TaskKey, int]]:
        """Task and attempt of the results that may have to be sent again."""
        sent = [results for _, results in self.unanswered.values()]
        return {(result.task, result.attempt) for results in (self.results, *sent) for result in results}

    # -- requests ----------------------------------------------------------------------------------------------

    def number(self, now: float, results: tuple[Result, ...] | None, *, steals: bool) -> int:
        """Return the number of the next request; unless results is None, it must be answered before leaving."""
        self.sequence += 1
        if results is not None:
            self.unanswered[self.sequence] = (now, results)
        if steals:
            self.steal, self.steal_time = self.sequence, now
        return self.sequence

    def answered(self, number: int) -> bool:
        """Note an answer; return whether it answers a report."""
        return self.unanswered.pop(number, None) is not None

    def check_overdue(self, now: float) -> None:
        """When an answer is overdue, treat all unanswered requests as lost: report again, compare the tasks held."""
        patience = self._patience
        steal_is_lost = self.steal and now >= self.steal_time + self._wait + patience
        if steal_is_lost or any(now >= time + patience for time, _ in self.unanswered.values()):
            self.repeat()

    def repeat(self) -> None:
        """Send all unanswered results again, with the list of tasks held."""
        self.results[:0] = [result for _, results in self.unanswered.values() for result in results]
        self._oldest = -math.inf
        self.unanswered.clear()
        self.steal = 0
        self.compare = True

    @property
    def deadline(self) -> float:
        """When something must be sent if nothing else happens; infinity when never."""
        times = [time + self._patience for time, _ in self.unanswered.values()]
        if self.results:
            times.append(self._oldest + 2 * self._hold)
        if self.steal:
            times.append(self.steal_time + self._wait + self._patience)
        return min(times, default=math.inf)
