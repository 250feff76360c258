"""A worker: steals tasks slightly ahead of need, decides which to start, reports results, and gives tasks back.

Theory of operation. This module sends no messages and starts no processes: the caller reports what happened (`receive`,
`ended`), asks what to do (`next` for the task to start, `kills` for those to kill), and sends what `outbox` returns.
The rules are beside what they govern: prefetch in `holding`, reports and lost answers in `reports`, leaving in
`departure`, starts that the system refuses in `refusals`, the dialect of a C++ hub in `original`.
"""

from __future__ import annotations

import math
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
    Warn,
    Welcome,
)
from dwork.core.peer_version import Version
from dwork.core.resources import Resources
from dwork.core.task import Assigned, Result, TaskKey
from dwork.worker.departure import Departure
from dwork.worker.holding import Holding
from dwork.worker.original import PAUSE, OriginalDialect
from dwork.worker.refusals import Refusals
from dwork.worker.reports import Reports


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
        self.has = None if has is None else has._replace(cores=max(has.cores, slots))
        self.policy = policy = policy or WorkerPolicy()
        self.native = False
        self.welcome: Welcome | None = None
        self.other: Version | None = None  # what the hub speaks, if that is another protocol: leave at once
        self.holding = Holding(slots, self.has, policy.lookahead, policy.most, policy.stale)
        self.reports = Reports(policy.wait, policy.patience)
        self.queue, self.running = self.holding.queue, self.holding.running
        self._departure = Departure()
        self._refusals = Refusals(slots)
        self._original = OriginalDialect(policy.patience)
        self._kills: list[int] = []
        self._warnings: list[tuple[int, int]] = []
        self._beat = policy.beat
        self._last_sent = 0.0  # when the last message was sent
        self._beat_unanswered = False  # a Beat is unanswered
        self._rests = False  # it pauses, since the system refuses to start processes

    # -- what happened -----------------------------------------------------------------------------------------

    def receive(self, message: Message, now: float) -> None:
        """Process a message from the hub."""
        reports = self.reports
        answers = getattr(message, "answers", 0)
        if answers or isinstance(message, Welcome):
            self.native = True
        self._original.awaits = self._beat_unanswered = False
        is_answered = reports.answered(answers)
        match message:
            case Welcome(version=version) | Error(version=Version() as version) if version.protocol != OURS.protocol:
                self.other = version
            case Error():
                reports.compare = reports.compare or is_answered
            case Transfer():
                self._take(message)
            case NotFound(tasks=()) if answers == reports.steal or not self.native:
                reports.steal = 0
                self._original.pause_until = now + PAUSE
            case Exit():
                self._departure.has_begun = True
                reports.steal = 0
                self._departure.is_dismissed = not answers
                if not answers and self.native:  # what runs here has ended elsewhere, or another run will run it
                    self._kills += self.running
            case Leave():
                self.leave()
            case Welcome(again=True):
                reports.repeat()
            case Welcome():
                self.welcome = message
                self._beat = min(self._beat, message.beat or self._beat)
            case Recall(n=n):
                self.holding.give_back(n)
            case Warn(tasks=tasks, signal=number):
                self._warnings += [(id, number) for id in self.holding.cancel(set(tasks))]
            case Cancel(tasks=tasks):
                self._cancel(set(tasks))

    def _take(self, transfer: Transfer) -> None:
        if self.native and transfer.answers != self.reports.steal:
            return
        self.reports.steal = 0
        tasks = transfer.tasks if self.native else tuple(self._original.numbered(transfer.tasks))
        self.holding.take(tasks)
        if transfer.awaited:
            self.reports.awaited.update([assigned.id for assigned in tasks])

    def _cancel(self, tasks: set[int]) -> None:
        if not tasks <= {assigned.id for assigned in self.holding.all}:
            self.reports.repeat()  # the hub believes that this worker holds what it does not
        self._kills += self.holding.cancel(tasks)

    def ended(self, result: Result, now: float) -> None:
        """Process the result of a task that `next` returned."""
        assigned = self.holding.ended(int(result.task))
        self._refusals.end()
        if self._departure.has_killed(assigned.id, result, now):
            return
        if result.attempt != assigned.attempt:
            result = result._replace(attempt=assigned.attempt)
        if not self.native:  # a C++ hub knows names only
            result = result._replace(task=assigned.name)
        elif result.ok:
            self._departure.succeeded(assigned.id, now)
        self.reports.add(result, assigned.id, now)
        self.holding.learn(result.seconds)

    def refused(self, task: int, now: float) -> None:
        """Process that the system refused to start the process of a task that `next` returned."""
        assigned = self.holding.ended(task)
        self._refusals.add(len(self.running), now)
        self.holding.slots = self._refusals.slots
        if self.native:
            self.holding.returns.append(Returned(assigned.id))
        else:
            self.queue.appendleft(assigned)
        if self._refusals.is_hopeless(now):
            self.leave()

    def end_of_job(self, now: float) -> None:
        """Discard recent results, since the batch system ends the job and may have signalled all its processes.

        No result counts that comes from `DOUBT` seconds before to `DOUBT` seconds after this call. Tasks whose results
        were already sent are given back.
        """
        doubtful = self._departure.doubt(now)
        unsent = self.reports.discard(doubtful)
        self.holding.returns += [Returned(id) for id in sorted(doubtful - unsent)]

    def lose_slot(self, asked: Resources) -> None:
        """Offer one slot less, and less resources: a task that asked for these has a process that cannot be killed.

        Leave when no slot remains. Otherwise the hub gets the list of tasks held: it drops a Steal that waits, since
        that was for more slots.
        """
        if self._refusals.all == 1:
            self.leave()
            return
        self._refusals.lose_slot()
        if (has := self.has) is not None:
            memory = max(has.memory - asked.memory, 1) if has.memory else 0
            self.has = Resources(
                max(has.cores - asked.cores, self._refusals.all), memory, max(has.gpus - asked.gpus, 0)
            )
        self.holding.resize(self._refusals.slots, self.has)
        self.reports.repeat()

    @property
    def slots(self) -> int:
        """How many tasks it runs at a time: fewer than at first after refused starts, or by `lose_slot`."""
        return self.holding.slots

    @property
    def leaving(self) -> bool:
        """Whether it takes no more tasks."""
        return self._departure.has_begun

    def leave(self, *, running: bool = False) -> None:
        """Leave: take no more tasks, give back unstarted ones, finish running ones (or kill them), and send Exit.

        Tasks that are killed for this have not failed: they are not reported, and at the Exit the hub takes them back.
        """
        self._departure.begin(self.running if running else ())
        if running:
            self._kills += self.running

    # -- what to do --------------------------------------------------------------------------------------------

    def next(self, now: float) -> Assigned | None:
        """Return the task to start now; None when there is none, or no room for it."""
        return None if self.leaving or now < self._refusals.rest_until else self.holding.next(now)

    @property
    def can_start(self) -> bool:
        """Whether `next` has a task to start."""
        return not self.leaving and not self._rests and self.holding.can_start

    @property
    def started(self) -> float:
        """When the last task was started."""
        return self.holding.started

    def kills(self) -> list[int]:
        """Return the running tasks that must be killed now, each once."""
        kills, self._kills = self._kills, []
        return kills

    def warnings(self) -> list[tuple[int, int]]:
        """Return the running tasks that must get a signal now, with its number, each once."""
        warnings, self._warnings = self._warnings, []
        return warnings

    def outbox(self, now: float) -> list[Message]:
        """Return the messages to send now."""
        self.holding.slots = self._refusals.offered(now)
        self._rests = now < self._refusals.rest_until
        if not self.native:
            return self._outbox_in_original(now)
        if self._departure.is_dismissed:
            self._drop_all()
            return []
        holding, reports, leaving = self.holding, self.reports, self.leaving
        out: list[Message] = []
        reports.check_overdue(now)
        if self.queue and (leaving or holding.is_stale(now)):
            holding.give_back_all()
        if holding.returns:
            out.append(GiveBack(self.location, tuple(holding.returns), self._numbered(now, ())))
            holding.returns.clear()
        n = 0 if reports.steal or leaving or self._rests else holding.wanted(now)
        if reports.compare and not reports.results:
            n = max(1, n)  # the list of tasks held is sent with results or with a Steal
        if n or reports.compare or (reports.results and self._report_is_due(now)):
            results = reports.take()
            native = self._numbered(now, results or None, steals=n > 0, compare=reports.compare)
            reports.compare = False
            out.append(Complete(self.location, results, n, native) if results else Steal(self.location, n, native))
        if self._departure.must_sign_off and not self.running and not reports.results and not reports.unanswered:
            self._departure.must_sign_off = False
            out.append(Exit(self.location))
        if out or not self._beat:
            self._last_sent = now
        elif now >= self._last_sent + self._beat and not self.over:
            self._last_sent, self._beat_unanswered = now, True
            out.append(Beat(self.location, self._numbered(now, None)))
        return out

    def _drop_all(self) -> None:
        for left in (self.queue, self.holding.returns, self.reports.results, self.reports.unanswered):
            left.clear()
        self._departure.must_sign_off = False

    def _report_is_due(self, now: float) -> bool:
        waits = self.queue or (self.reports.unanswered and self.running)
        return not waits or self.leaving or not self.reports.may_wait(now)

    def _numbered(
        self, now: float, results: tuple[Result, ...] | None, *, steals: bool = False, compare: bool = False
    ) -> Native:
        """Return the native fields of the next request; unless results is None, it must be answered before leaving."""
        number = self.reports.number(now, results, steals=steals)
        held = tuple([(assigned.id, assigned.attempt) for assigned in self.holding.all]) if compare else None
        hello = self.welcome is None
        has = self.has if hello or compare else None
        return Native(self.slots, self.policy.wait, number, held, hello, self._beat, has)

    def _outbox_in_original(self, now: float) -> list[Message]:
        """Return the next request, in the form that a C++ hub knows; one at a time."""
        if self._original.must_wait(now):
            return []
        message: Message | None = None
        n = self.slots - len(self.queue) - len(self.running)
        if self.reports.results:
            message = Complete(self.location, self.reports.take())
        elif self._departure.must_sign_off and not self.running:
            self._departure.must_sign_off = False
            self.queue.clear()
            message = Exit(self.location)
        elif not self.leaving and n > 0 and not self._rests and now >= self._original.pause_until:
            repeats = self.reports.sequence > 0  # the hub may have answered an earlier one, which is ignored
            message = Steal(self.location, n, self._numbered(now, None, steals=True, compare=repeats))
        self._original.asked(now, message is not None)
        if message is None:
            return []
        self._last_sent = now
        return [message]

    # -- whether there is more -----------------------------------------------------------------------------------

    @property
    def over(self) -> bool:
        """Whether it has nothing left to do or to send."""
        busy = self.queue or self.running or self.reports.results or self.holding.returns or self.reports.unanswered
        return self.leaving and not busy and not self._departure.must_sign_off

    @property
    def unanswered(self) -> set[tuple[TaskKey, int]]:
        """Task and attempt of the results that may have to be sent again."""
        return self.reports.pending

    @property
    def asks(self) -> bool:
        """Whether it waits for an answer from the hub."""
        reports = self.reports
        return bool(reports.steal or reports.unanswered or self._original.awaits or self._beat_unanswered)

    def deadline(self, now: float) -> float:
        """Return when `outbox` will next have a message if nothing else happens; infinity when never."""
        rest_until = self._refusals.rest_until if self._rests else math.inf
        if not self.native:
            if self._original.awaits:
                return self._original.overdue_at
            is_full = len(self.queue) + len(self.running) >= self.slots
            return math.inf if self.leaving else rest_until if is_full or self._rests else self._original.pause_until
        beat_at = self._last_sent + self._beat if self._beat else math.inf
        stale_at = self.holding.stale_at if self.queue and not self.can_start else math.inf
        return min(beat_at, stale_at, rest_until, self.reports.deadline)
