"""A worker: steals tasks slightly ahead of need, decides which to start, reports results, and gives tasks back.

Theory of operation. This module sends no messages and starts no processes: the caller reports what happened (`receive`,
`ended`), asks what to do (`next` for the task to start, `kills` for those to kill), and sends what `outbox` returns.

Prefetch. A worker tries to hold enough tasks for `lookahead` seconds, estimated from the run times it has seen, so that
a thousand short tasks cost one message, and no task waits behind a long one. It first asks for one task per slot, then
for at most twice as many as the last time, and gives back tasks that it could not start within `stale` seconds.

Reporting. A result is sent immediately when its worker needs tasks or has none waiting. Otherwise it waits for others,
since each message costs as much as several tasks: `URGENT` seconds when other tasks wait for it, `HOLD` seconds when
none does, and then until the next task ends, but at most as long again. It also waits while the hub has not answered
the last report and other slots are busy: otherwise many slots would send more messages the less the hub keeps up.

Lost answers. Requests are numbered, and answers repeat the number. When one stays unanswered for `patience` seconds,
the results are sent again together with the ids of all tasks held: the hub takes back tasks that it had assigned but
that are not here, and ignores results that it already has. A late answer to an earlier request is ignored: its tasks
belong to the hub again. The worker does the same when the hub sends Welcome with `again` (it was restarted, or had
declared this worker lost), when it refuses a report, or when it cancels a task that is not here: its state is wrong.

The original dialect. A C++ hub ignores our additions and answers in its own way. Until a Welcome or a numbered answer
shows that the hub is a native one, requests are sent one at a time, and results have names and are sent without a
Steal.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

from dwork.core.messages import (
    OURS,
    Beat,
    Cancel,
    Complete,
    Error,
    Exit,
    GiveBack,
    Leave,
    Message,
    Native,
    NotFound,
    Recall,
    Returned,
    Steal,
    Transfer,
    Welcome,
)
from dwork.core.resources import ONE_CORE, Resources
from dwork.core.task import Assigned, Options, Result, TaskKey
from dwork.core.version import Version

#: Seconds that a result may wait to be sent with others: when another task waits for it, and when none does.
URGENT, HOLD = 0.001, 0.02
#: The weight of the latest run time in the running mean.
WEIGHT = 0.1
#: Seconds before and after a signal to this worker in which results of tasks do not count.
DOUBT = 1.0
#: Seconds between two Steals while a C++ hub has nothing ready, since it cannot park a Steal.
PAUSE = 0.25


@dataclass(frozen=True, slots=True)
class WorkerPolicy:
    """The settings of a worker. All times are in seconds.

    lookahead: how much work to hold. most: the maximum number of tasks to hold, however short they are. stale:
    give tasks back when none could start for this long. wait: how long the hub may park a Steal. patience: how long to
    wait for an answer before it counts as lost. beat: the longest silence; 0: no limit.
    """

    lookahead: float = 0.1
    most: int = 512
    stale: float = 1.0
    wait: float = math.inf
    patience: float = math.inf
    beat: float = 0.0


#: For a worker over TCP: messages may be lost, and the hub expects regular signs of life.
OVER_TCP = WorkerPolicy(wait=20.0, patience=10.0, beat=5.0)


class Worker:
    """One location and its tasks. has: the resources for all its tasks. The module docstring has the rules."""

    def __init__(
        self, location: str, slots: int = 1, policy: WorkerPolicy | None = None, has: Resources | None = None
    ) -> None:
        self.location = location
        self.slots = slots
        self.has = None if has is None else has._replace(cores=max(has.cores, slots))
        self.policy = policy or WorkerPolicy()
        self.native = False
        self.welcome: Welcome | None = None
        self.other: Version | None = None  # what the hub speaks, if that is another protocol: leave at once
        self.leaving = False
        self.queue: deque[Assigned] = deque()
        self.running: dict[int, Assigned] = {}
        self._heavy: dict[int, Resources] = {}  # the requests of running tasks that ask for more than one core
        self._results: list[Result] = []
        self._oldest = 0.0  # when the first of the results arrived
        self._hold = HOLD  # how long the results may wait
        self._awaited: set[int] = set()  # tasks held that other tasks wait for
        self._returns: list[Returned] = []
        self._kills: list[int] = []
        self._cut_short: set[int] = set()  # tasks that are killed because this worker must leave
        self._in_doubt_until = -math.inf  # the batch system may have killed tasks, or parts of them
        self._ends: deque[tuple[float, int]] = deque()  # tasks that succeeded in the last second, and when
        self._sequence = 0
        self._unanswered: dict[int, tuple[float, tuple[Result, ...]]] = {}
        self._steal = 0  # the number of the unanswered Steal; 0: none
        self._steal_time = -math.inf
        self._most_wanted = slots  # the most tasks to ask for next time
        self._mean = math.inf  # running mean of the run times
        self.started = -math.inf  # when the last task was started
        self._beat = self.policy.beat
        self._last_sent = 0.0  # when the last message was sent
        self._beat_unanswered = False  # a Beat is unanswered
        self._awaits = False  # original dialect: a request is unanswered
        self._asked = -math.inf  # and when it was sent
        self._pause_until = -math.inf  # the next Steal must wait until then
        self._compare = False  # send the hub the list of tasks held: something was lost
        self._must_sign_off = False
        self._is_dismissed = False  # the hub is gone and accepts no more messages
        self._serial = 0

    # -- what happened -----------------------------------------------------------------------------------------

    def receive(self, message: Message, now: float) -> None:
        """Process a message from the hub."""
        answers = getattr(message, "answers", 0)
        if answers or isinstance(message, Welcome):
            self.native = True
        self._awaits = self._beat_unanswered = False
        answered = self._unanswered.pop(answers, None)
        match message:
            case Welcome(version=version) | Error(version=Version() as version) if version.protocol != OURS.protocol:
                self.other = version
            case Error():
                self._compare = self._compare or answered is not None
            case Transfer():
                self._take(message)
            case NotFound(tasks=()) if answers == self._steal or not self.native:
                self._steal = 0
                self._pause_until = now + PAUSE
            case Exit():
                self.leaving = True
                self._steal = 0
                self._is_dismissed = not answers
                if self._is_dismissed and self.native:  # what runs here has ended elsewhere, or another run will run it
                    self._kills += self.running
            case Leave():
                self.leave()
            case Welcome(again=True):
                self._repeat()
            case Welcome():
                self.welcome = message
                self._beat = min(self._beat, message.beat or self._beat)
            case Recall(n=n):
                for _ in range(min(n, len(self.queue))):
                    self._returns.append(Returned(self.queue.pop().id))
            case Cancel(tasks=tasks):
                self._cancel(set(tasks))

    def ended(self, result: Result, now: float) -> None:
        """Process the result of a task that `next` returned."""
        assigned = self.running.pop(int(result.task))
        self._heavy.pop(assigned.id, None)
        if self._must_sign_off and self._killed_by_leaving(assigned, result, now):
            return
        if result.attempt != assigned.attempt:
            result = result._replace(attempt=assigned.attempt)
        if not self.native:  # a C++ hub knows names only
            result = result._replace(task=assigned.name)
        if result.ok and self.native:
            self._ends.append((now, assigned.id))
            while self._ends[0][0] < now - DOUBT:
                self._ends.popleft()
        if not self._results:
            self._oldest, self._hold = now, HOLD
        if self._awaited and assigned.id in self._awaited:
            self._awaited.discard(assigned.id)
            self._hold = URGENT
        self._results.append(result)
        if self._mean == math.inf:
            self._mean = result.seconds
        else:
            self._mean += WEIGHT * (result.seconds - self._mean)

    def end_of_job(self, now: float) -> None:
        """Discard recent results, since the batch system ends the job and may have signalled all its processes.

        No result counts that comes from `DOUBT` seconds before to `DOUBT` seconds after this call. Tasks whose results
        were already sent are given back.
        """
        self._in_doubt_until = now + DOUBT
        doubtful = {id for time, id in self._ends if time >= now - DOUBT}
        unsent = {int(result.task) for result in self._results if result.task in doubtful}
        self._results = [result for result in self._results if result.task not in doubtful]
        self._returns += [Returned(id) for id in sorted(doubtful - unsent)]
        self._ends.clear()

    def leave(self, *, running: bool = False) -> None:
        """Leave: take no more tasks, give back unstarted ones, finish running ones (or kill them), and send Exit.

        Tasks that are killed for this have not failed: they are not reported, and at the Exit the hub takes them back.
        """
        self.leaving = self._must_sign_off = True
        if running:
            self._kills += self.running
            self._cut_short.update(self.running)

    # -- what to do --------------------------------------------------------------------------------------------

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

    @property
    def can_start(self) -> bool:
        """Whether `next` has a task to start."""
        return (
            bool(self.queue)
            and len(self.running) < self.slots
            and not self.leaving
            and self._fits(self.queue[0].options)
        )

    @property
    def _usable_slots(self) -> int:
        """How many tasks can run at a time now: one that takes several cores may leave slots unused."""
        if self.has is None or not self._heavy:
            return self.slots
        return min(self.slots, self.has.cores - sum([t.cores - 1 for t in self._heavy.values()]))

    def _fits(self, options: Options) -> bool:
        """Whether there is room for a task: a hub that does not know our resources may send tasks that do not fit."""
        asked = options.asks
        if self.has is None or not self.running or (asked is ONE_CORE and not self._heavy):
            return True
        taken = (asked, *self._heavy.values())
        others = len(self.running) - len(self._heavy)
        return self.has.suffices(
            Resources(
                others + sum([t.cores for t in taken]), sum([t.memory for t in taken]), sum([t.gpus for t in taken])
            )
        )

    def kills(self) -> list[int]:
        """Return the running tasks that must be killed now, each once."""
        kills, self._kills = self._kills, []
        return kills

    def outbox(self, now: float) -> list[Message]:
        """Return the messages to send now."""
        if not self.native:
            return self._original(now)
        if self._is_dismissed:
            self.queue.clear()
            for left in (self._results, self._returns, self._unanswered):
                left.clear()
            self._must_sign_off = False
            return []
        out: list[Message] = []
        self._check_overdue(now)
        if self.queue and (self.leaving or self._is_stale(now)):
            self._returns += [Returned(assigned.id) for assigned in self.queue]
            self.queue.clear()
        if self._returns:
            out.append(GiveBack(self.location, tuple(self._returns), self._number(now, ())))
            self._returns.clear()
        n = self._wanted_tasks(now)
        if self._compare and not self._results:
            n = max(1, n)  # the list of tasks held is sent with results or with a Steal
        if n or self._compare or (self._results and self._report_is_due(now)):
            results = tuple(self._results)
            self._results.clear()
            native = self._number(now, results or None, steals=n > 0, compare=self._compare)
            self._compare = False
            out.append(Complete(self.location, results, n, native) if results else Steal(self.location, n, native))
        if self._must_sign_off and not self.running and not self._results and not self._unanswered:
            self._must_sign_off = False
            out.append(Exit(self.location))
        if out or not self._beat:
            self._last_sent = now
        elif now >= self._last_sent + self._beat and not self.over:
            self._last_sent, self._beat_unanswered = now, True
            out.append(Beat(self.location, self._number(now, None)))
        return out

    @property
    def over(self) -> bool:
        """Whether it has nothing left to do or to send."""
        busy = self.queue or self.running or self._results or self._returns or self._unanswered
        return self.leaving and not busy and not self._must_sign_off

    @property
    def unanswered(self) -> set[tuple[TaskKey, int]]:
        """Task and attempt of the results that may have to be sent again."""
        sent = [results for _, results in self._unanswered.values()]
        return {(result.task, result.attempt) for results in (self._results, *sent) for result in results}

    @property
    def asks(self) -> bool:
        """Whether it waits for an answer from the hub."""
        return bool(self._steal or self._unanswered or self._awaits or self._beat_unanswered)

    def deadline(self, now: float) -> float:
        """Return when `outbox` will next have a message if nothing else happens; infinity when never."""
        if not self.native:
            if self._awaits:
                return self._asked + self.policy.patience
            is_full = len(self.queue) + len(self.running) >= self.slots
            return math.inf if self.leaving or is_full else self._pause_until
        times = [self._last_sent + self._beat if self._beat else math.inf]
        if self._results:
            times.append(self._oldest + 2 * self._hold)
        if self.queue:
            times.append(self.started + self.policy.stale)
        if self._steal:
            times.append(self._steal_time + self.policy.wait + self.policy.patience)
        times += [time + self.policy.patience for time, _ in self._unanswered.values()]
        return min(times)

    # -- the rules ---------------------------------------------------------------------------------------------

    def _killed_by_leaving(self, assigned: Assigned, result: Result, now: float) -> bool:
        """Whether the task was killed because this worker leaves: a batch system sends both the same signal."""
        if assigned.id in self._cut_short:
            return not result.ok
        return result.may_be_the_end or now < self._in_doubt_until

    def _take(self, transfer: Transfer) -> None:
        if self.native and transfer.answers != self._steal:
            return
        self._steal = 0
        for assigned in transfer.tasks:
            if not self.native:  # a C++ hub sends no ids, so number them here
                self._serial += 1
                assigned = assigned._replace(id=self._serial)
            self.queue.append(assigned)
        if transfer.awaited:
            self._awaited.update([assigned.id for assigned in transfer.tasks])
        self._most_wanted = min(2 * self._most_wanted, self.policy.most)

    def _cancel(self, tasks: set[int]) -> None:
        if not tasks <= self.running.keys() | {assigned.id for assigned in self.queue}:
            self._repeat()  # the hub believes that this worker holds what it does not
        self._kills += [id for id in self.running if id in tasks]
        kept = [assigned for assigned in self.queue if assigned.id not in tasks]
        self._returns += [Returned(assigned.id) for assigned in self.queue if assigned.id in tasks]
        self.queue = deque(kept)

    def _wanted_tasks(self, now: float) -> int:
        """Return how many tasks to ask for now."""
        if self._steal or self.leaving:
            return 0
        places = self._usable_slots
        target = places
        pace = max(self._mean, now - self.started) if self.running else self._mean
        if pace * self.policy.most <= self.policy.lookahead * places:
            target = max(target, self.policy.most)
        elif pace < math.inf:
            target += int(self.policy.lookahead * places / pace)
        in_hand = len(self.queue) + len(self.running)
        if in_hand >= places and in_hand > target // 2:
            return 0
        return min(target - in_hand, self._most_wanted)

    def _report_is_due(self, now: float) -> bool:
        waits = self.queue or (self._unanswered and self.running)
        return not waits or self.leaving or now >= self._oldest + self._hold

    def _is_stale(self, now: float) -> bool:
        return now >= self.started + self.policy.stale and not self.can_start

    def _number(
        self, now: float, results: tuple[Result, ...] | None, *, steals: bool = False, compare: bool = False
    ) -> Native:
        """Return the native fields of the next request; unless results is None, it must be answered before leaving."""
        self._sequence += 1
        if results is not None:
            self._unanswered[self._sequence] = (now, results)
        if steals:
            self._steal, self._steal_time = self._sequence, now
        held = None
        if compare:
            held = tuple([(assigned.id, assigned.attempt) for assigned in (*self.running.values(), *self.queue)])
        hello = self.welcome is None
        has = self.has if hello or compare else None
        return Native(self.slots, self.policy.wait, self._sequence, held, hello, self._beat, has)

    def _check_overdue(self, now: float) -> None:
        """When an answer is overdue, treat all unanswered requests as lost: report again, compare the tasks held."""
        patience = self.policy.patience
        steal_is_lost = self._steal and now >= self._steal_time + self.policy.wait + patience
        if steal_is_lost or any(now >= time + patience for time, _ in self._unanswered.values()):
            self._repeat()

    def _repeat(self) -> None:
        """Send all unanswered results again, with the list of tasks held."""
        self._results[:0] = [result for _, results in self._unanswered.values() for result in results]
        self._oldest = -math.inf
        self._unanswered.clear()
        self._steal = 0
        self._compare = True

    def _original(self, now: float) -> list[Message]:
        """Return the next request, in the form that a C++ hub knows; one at a time."""
        if self._awaits and now < self._asked + self.policy.patience:
            return []
        message: Message | None = None
        n = self.slots - len(self.queue) - len(self.running)
        if self._results:
            message = Complete(self.location, tuple(self._results))
            self._results.clear()
        elif self.leaving and self._must_sign_off and not self.running:
            self._must_sign_off = False
            self.queue.clear()
            message = Exit(self.location)
        elif not self.leaving and n > 0 and now >= self._pause_until:
            repeats = self._sequence > 0  # the hub may have answered an earlier one, which is ignored
            message = Steal(self.location, n, self._number(now, None, steals=True, compare=repeats))
        self._awaits, self._asked = message is not None, now
        return [] if message is None else [message]
