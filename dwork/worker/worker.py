"""A worker: steals tasks a little ahead of need, decides which start, reports how they ended, and gives back.

Theory of operation. No message is sent and no process started here: the caller brings in what happened (`receive`,
`ended`), asks what to do (`next` for the task to start, `kills` for those to end), and sends what `outbox` returns.

Prefetch. A worker wants enough in hand for `lookahead` seconds, judged by the run times that it sees, so a thousand
short tasks cost one message and a long one is not kept waiting behind another. It asks for twice as many as last
time at most, starts with one for each slot, and gives back what it could not start within `stale` seconds.

Reporting. A result goes out at once when its worker needs work or has none. Otherwise it waits for others, since every
message costs as much as several tasks: `URGENT` seconds when other tasks wait for it, `HOLD` seconds when none does,
and then until the next task ends, but not more than as long again. So it does, too, while the hub has not answered the
last report and other slots are at work: else many slots would send the more messages the less their hub keeps up.

Lost answers. Requests are numbered and their answers repeat the number. When one stays unanswered for `patience`
seconds, the results are sent again together with the ids of all tasks in hand: the hub takes back what it thinks
is here but is not, and passes over what it knows already. An answer to an earlier request comes too late and is
ignored: its tasks are the hub's again. The same when the hub says Welcome again: it was restarted, or had taken this
worker for lost; and when it refuses a report, or wants a task ended that is not here: it believes something wrong.

The original dialect. A C++ hub ignores what we add and answers in its own way; until a Welcome or a numbered answer
shows a hub of ours, one request at a time is sent, results are named and go without a Steal.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

from dwork.core.messages import (
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

#: Seconds that a result may wait for others to travel with it: when some task waits for it, and when none does.
URGENT, HOLD = 0.001, 0.02
#: The weight of the latest run time in the running mean.
WEIGHT = 0.1
#: Seconds before and after a signal to this worker in which ends of tasks prove nothing.
DOUBT = 1.0
#: Seconds between two Steals when a C++ hub has nothing ready: it cannot let one wait.
PAUSE = 0.25


@dataclass(frozen=True, slots=True)
class WorkerPolicy:
    """How a worker behaves. All times in seconds.

    lookahead: how much work to hold. most: the most tasks to hold, however short. stale: give back what could not
    start for so long. wait: how long the hub may keep a Steal. patience: after how long an answer counts as lost. beat:
    how long to be silent at the most; 0 for ever.
    """

    lookahead: float = 0.1
    most: int = 512
    stale: float = 1.0
    wait: float = math.inf
    patience: float = math.inf
    beat: float = 0.0


#: Of a worker over TCP: what is sent may get lost, and the hub must hear it now and then.
OVER_TCP = WorkerPolicy(wait=20.0, patience=10.0, beat=5.0)


class Worker:
    """One location with so many slots; has: what its tasks can have in all. See the module's text for the rules."""

    def __init__(
        self, location: str, slots: int = 1, policy: WorkerPolicy | None = None, has: Resources | None = None
    ) -> None:
        self.location = location
        self.slots = slots
        self.has = None if has is None else has._replace(cores=max(has.cores, slots))
        self.policy = policy or WorkerPolicy()
        self.native = False
        self.welcome: Welcome | None = None
        self.leaving = False
        self.queue: deque[Assigned] = deque()
        self.running: dict[int, Assigned] = {}
        self._heavy: dict[int, Resources] = {}  # what those of them have that ask for more than a core
        self._results: list[Result] = []
        self._oldest = 0.0  # when the first of the results came
        self._hold = HOLD  # how long it may wait
        self._awaited: set[int] = set()  # tasks in hand whose end others wait for
        self._returns: list[Returned] = []
        self._kills: list[int] = []
        self._cut_short: set[int] = set()  # tasks that are ended since this worker has to leave
        self._in_doubt_until = -math.inf  # the batch system may have ended tasks, or parts of them
        self._ends: deque[tuple[float, int]] = deque()  # tasks that ended well in the last second, and when
        self._sequence = 0
        self._unanswered: dict[int, tuple[float, tuple[Result, ...]]] = {}
        self._steal = 0  # the number of the Steal that is under way
        self._steal_time = -math.inf
        self._most_wanted = slots  # the most to ask for next time
        self._mean = math.inf
        self.started = -math.inf  # when the last task was started
        self._beat = self.policy.beat
        self._spoke = 0.0  # when the last message was sent
        self._beats = False  # a Beat is unanswered
        self._awaits = False  # original dialect: a request is under way
        self._asked = -math.inf  # and since when
        self._pause_until = -math.inf  # and the next Steal must wait
        self._compare = False  # tell the hub what is in hand: something got lost
        self._says_goodbye = False
        self._is_dismissed = False  # the hub is gone, and takes nothing any more
        self._serial = 0

    # -- what happened -----------------------------------------------------------------------------------------

    def receive(self, message: Message, now: float) -> None:
        """The hub has sent this."""
        answers = getattr(message, "answers", 0)
        if answers or isinstance(message, Welcome):
            self.native = True
        self._awaits = self._beats = False
        answered = self._unanswered.pop(answers, None)
        match message:
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
                if self._is_dismissed and self.native:  # what runs here has ended elsewhere, or is for another run
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
        """A task that `next` gave has ended."""
        assigned = self.running.pop(int(result.task))
        self._heavy.pop(assigned.id, None)
        if self._says_goodbye and self._is_our_end(assigned, result, now):
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
        """The batch system ends the job, and may have sent all its processes a signal: no end of a task proves
        anything from a second ago to a second from now. What the hub was told of these is given back."""
        self._in_doubt_until = now + DOUBT
        doubtful = {id for time, id in self._ends if time >= now - DOUBT}
        unsaid = {int(result.task) for result in self._results if result.task in doubtful}
        self._results = [result for result in self._results if result.task not in doubtful]
        self._returns += [Returned(id) for id in sorted(doubtful - unsaid)]
        self._ends.clear()

    def leave(self, *, running: bool = False) -> None:
        """Take nothing more: give back what has not started, finish what runs (or end it), and say goodbye.

        What is ended has not failed: nothing is reported of it, and at the goodbye the hub takes it back.
        """
        self.leaving = self._says_goodbye = True
        if running:
            self._kills += self.running
            self._cut_short.update(self.running)

    # -- what to do --------------------------------------------------------------------------------------------

    def next(self, now: float) -> Assigned | None:
        """The task to start now, if there is one and a slot for it."""
        while self.can_start:
            assigned = self.queue.popleft()
            is_new = assigned.id not in self.running
            self.running[assigned.id] = assigned
            if (asked := assigned.options.asks) is not ONE_CORE:
                self._heavy[assigned.id] = asked
            if is_new:
                self.started = now
                return assigned
            # The hub took us for lost and gives again what runs here still: this run counts as that attempt.
        return None

    @property
    def can_start(self) -> bool:
        """Whether `next` has something."""
        return (
            bool(self.queue)
            and len(self.running) < self.slots
            and not self.leaving
            and self._fits(self.queue[0].options)
        )

    @property
    def _places(self) -> int:
        """How many tasks can run at a time, as things are: one that takes several cores may leave slots unused."""
        if self.has is None or not self._heavy:
            return self.slots
        return min(self.slots, self.has.cores - sum([t.cores - 1 for t in self._heavy.values()]))

    def _fits(self, options: Options) -> bool:
        """Whether there is room for a task. A hub that knows what we have gives only what fits; others may not."""
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
        """The running tasks that must be ended now; each is told once."""
        kills, self._kills = self._kills, []
        return kills

    def outbox(self, now: float) -> list[Message]:
        """The messages to send now."""
        if not self.native:
            return self._original(now)
        if self._is_dismissed:
            self.queue.clear()
            for left in (self._results, self._returns, self._unanswered):
                left.clear()
            self._says_goodbye = False
            return []
        out: list[Message] = []
        self._look_back(now)
        if self.queue and (self.leaving or self._is_stale(now)):
            self._returns += [Returned(assigned.id) for assigned in self.queue]
            self.queue.clear()
        if self._returns:
            out.append(GiveBack(self.location, tuple(self._returns), self._number(now, ())))
            self._returns.clear()
        n = self._wanted_tasks(now)
        if self._compare and not self._results:
            n = max(1, n)  # what is in hand travels with results or with a Steal
        if n or self._compare or (self._results and self._report_is_due(now)):
            results = tuple(self._results)
            self._results.clear()
            native = self._number(now, results or None, steals=n > 0, compare=self._compare)
            self._compare = False
            out.append(Complete(self.location, results, n, native) if results else Steal(self.location, n, native))
        if self._says_goodbye and not self.running and not self._results and not self._unanswered:
            self._says_goodbye = False
            out.append(Exit(self.location))
        if out or not self._beat:
            self._spoke = now
        elif now >= self._spoke + self._beat and not self.over:
            self._spoke, self._beats = now, True
            out.append(Beat(self.location, self._number(now, None)))
        return out

    @property
    def over(self) -> bool:
        """Whether it has nothing more to do and nothing more to say."""
        busy = self.queue or self.running or self._results or self._returns or self._unanswered
        return self.leaving and not busy and not self._says_goodbye

    @property
    def unanswered(self) -> set[tuple[TaskKey, int]]:
        """Task and attempt of the results that may have to be told again."""
        told = [results for _, results in self._unanswered.values()]
        return {(result.task, result.attempt) for results in (self._results, *told) for result in results}

    @property
    def asks(self) -> bool:
        """Whether the hub owes it an answer."""
        return bool(self._steal or self._unanswered or self._awaits or self._beats)

    def deadline(self, now: float) -> float:
        """When `outbox` will have something to say though nothing happens; infinity when never."""
        if not self.native:
            if self._awaits:
                return self._asked + self.policy.patience
            is_full = len(self.queue) + len(self.running) >= self.slots
            return math.inf if self.leaving or is_full else self._pause_until
        times = [self._spoke + self._beat if self._beat else math.inf]
        if self._results:
            times.append(self._oldest + 2 * self._hold)
        if self.queue:
            times.append(self.started + self.policy.stale)
        if self._steal:
            times.append(self._steal_time + self.policy.wait + self.policy.patience)
        times += [time + self.policy.patience for time, _ in self._unanswered.values()]
        return min(times)

    # -- the rules ---------------------------------------------------------------------------------------------

    def _is_our_end(self, assigned: Assigned, result: Result, now: float) -> bool:
        """Whether it was this worker's end that ended the task: a batch system sends both the same signal."""
        if assigned.id in self._cut_short:
            return not result.ok
        return result.may_be_the_end or now < self._in_doubt_until

    def _take(self, transfer: Transfer) -> None:
        if self.native and transfer.answers != self._steal:
            return
        self._steal = 0
        for assigned in transfer.tasks:
            if not self.native:  # a C++ hub gives no ids, so we do
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
        """How many tasks to ask for now."""
        if self._steal or self.leaving:
            return 0
        places = self._places
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
        """Number a request; unless results is None it must be answered before this worker may leave."""
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

    def _look_back(self, now: float) -> None:
        """When an answer is overdue, count all that are due as lost, and make good: report again, compare hands."""
        patience = self.policy.patience
        steal_is_lost = self._steal and now >= self._steal_time + self.policy.wait + patience
        if steal_is_lost or any(now >= time + patience for time, _ in self._unanswered.values()):
            self._repeat()

    def _repeat(self) -> None:
        self._results[:0] = [result for _, results in self._unanswered.values() for result in results]
        self._oldest = -math.inf
        self._unanswered.clear()
        self._steal = 0
        self._compare = True

    def _original(self, now: float) -> list[Message]:
        """One request at a time, each in the form that a C++ hub knows."""
        if self._awaits and now < self._asked + self.policy.patience:
            return []
        message: Message | None = None
        n = self.slots - len(self.queue) - len(self.running)
        if self._results:
            message = Complete(self.location, tuple(self._results))
            self._results.clear()
        elif self.leaving and self._says_goodbye and not self.running:
            self._says_goodbye = False
            self.queue.clear()
            message = Exit(self.location)
        elif not self.leaving and n > 0 and now >= self._pause_until:
            repeats = self._sequence > 0  # the hub may have answered, and nothing of that counts any more
            message = Steal(self.location, n, self._number(now, None, steals=True, compare=repeats))
        self._awaits, self._asked = message is not None, now
        return [] if message is None else [message]
