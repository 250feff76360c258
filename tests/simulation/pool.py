"""A whole pool in one process on a virtual clock: a hub, workers, links that lose frames, workers that vanish.

Every message goes through its frame. A `Ledger` follows all events, and fails as soon as they contradict one another.
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from dwork.core import messages as m
from dwork.core.messages import Returned
from dwork.core.resources import Resources
from dwork.core.task import TERM, Assigned, Result, Task, TaskKey
from dwork.hub.hub import Hub
from dwork.hub.policy import Policy
from dwork.hub.step import Step
from dwork.transport import wire
from dwork.worker.worker import Worker, WorkerPolicy
from tests.facts import facts, look
from tests.simulation.ledger import Ledger, output

#: Seconds after which a pool that has not ended never will.
FOREVER = 500.0
#: How a worker behaves over a link that loses frames.
CAREFUL = WorkerPolicy(wait=3.0, patience=2.0)
#: What a member has beside its slots, unless something else is given.
HAS = Resources(4, 4 << 30, 1)
#: Who is no worker; their requests may be refused, and then have changed nothing.
PEOPLE = ("client", "boss")


@dataclass(frozen=True)
class Faults:
    """How often, per frame, in percent; `vanish` is the number of workers that are lost, one after another.

    late: answers that later ones overtake.
    """

    drop: int = 0
    duplicate: int = 0
    vanish: int = 0
    late: int = 0

    @property
    def any(self) -> bool:
        return bool(self.drop or self.duplicate or self.vanish or self.late)


@dataclass
class Runs:
    """What really ran: how long tasks take and which fail, by name; and what was started, by (id, attempt)."""

    seconds: dict[str, float]
    failures: dict[str, int] = field(default_factory=dict)
    started: Counter[tuple[int, int]] = field(default_factory=Counter)
    prints: dict[str, int] = field(default_factory=dict)  # pieces of output, which go ahead of the result
    bad: str = ""  # a worker on which all tasks fail at once

    def start(self, assigned: Assigned, location: str) -> Result:
        """How it will end."""
        self.started[assigned.id, assigned.attempt] += 1
        if location == self.bad:
            return Result(assigned.id, assigned.attempt, 1, seconds=0.003)
        seconds, limit = self.seconds.get(assigned.name, 0.0), assigned.options.timeout
        if limit is not None and seconds > limit:
            return Result(assigned.id, assigned.attempt, 128 + TERM, TERM, seconds=limit)
        status = int(assigned.attempt <= self.failures.get(assigned.name, 0))
        return Result(assigned.id, assigned.attempt, status, seconds=seconds)


class Pool:
    """The world: a clock, a hub and whoever is connected to it."""

    def __init__(self, runs: Runs, policy: Policy | None = None, faults: Faults | None = None, seed: int = 0) -> None:
        self.now = 0.0
        self.hub = Hub(policy, m.Welcome(output=bool(runs.prints)))
        self.runs = runs
        self.faults = faults or Faults()
        self.random = random.Random(seed)
        self.actors: dict[str, Any] = {}
        self.transcript: list[str] = []
        self.ledger = Ledger(runs.prints)
        self.forever = FOREVER
        self.busy_until = 0.0  # it does not end before, even when all have left
        self.refusals: list[str] = []
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._serial = itertools.count()
        self._last: dict[tuple[str, bool], float] = defaultdict(float)
        self._losses: Counter[str] = Counter()  # by peer: what was repeated before a loss or a restart is gone
        self._cut: dict[str, float] = {}  # by peer: until when its link loses everything
        self._frozen_until = 0.0  # the hub does nothing until then
        self._tick = math.inf

    # -- time --

    def at(self, time: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._agenda, (max(time, self.now), next(self._serial), action))

    def run(self) -> None:
        """Until nothing more happens, or everybody has left a hub that is over."""
        for _ in range(20_000):
            if not self._agenda or (self.hub.over and not self.actors and self.now >= self.busy_until):
                break
            self.now, _, action = heapq.heappop(self._agenda)
            assert self.now < self.forever, f"this pool does not end: {self.hub.graph.nodes}, {list(self.actors)}"
            action()
        else:
            raise AssertionError(f"this pool spins: {self.hub.graph.counts}, {list(self.actors)}")
        assert self.hub.over, f"this pool is stuck: {self.hub.graph.nodes}, {list(self.actors)}"
        assert not self.actors, f"these never leave: {list(self.actors)}"
        assert not any(worker.held for worker in self.hub.workers.values())

    # -- links --

    def to_hub(self, peer: str, message: m.Message) -> None:
        self.transcript.append(f"{peer} > {brief(message)}")
        frame = wire.encode(message)
        self._travel(peer, True, lambda: self._arrive(peer, frame))

    def _arrive(self, peer: str, frame: bytes) -> None:
        if self.now < self._frozen_until:
            self.at(self._frozen_until, lambda: self._arrive(peer, frame))
        else:
            self.receive(peer, wire.decode_request(frame))

    def receive(self, peer: str, message: m.Message) -> None:
        """Let the hub process a message; a request that it refuses has changed nothing."""
        may_be_refused = peer in PEOPLE or getattr(self.actors.get(peer), "may_err", False)
        before = (look(self.hub.graph), repr(facts(self.hub))) if may_be_refused else None
        step = self.hub.receive(peer, message, self.now)
        refusals = [reply.text for _, reply in step.sends if isinstance(reply, m.Error)]
        if refusals:
            assert not step.events
            assert (look(self.hub.graph), repr(facts(self.hub))) == before, "a refused request changes nothing"
            self.refusals += refusals
        self.follow(step)

    def follow(self, step: Step) -> None:
        self.hub.check()
        self.ledger.hear(step.events)
        self.ledger.agrees_with(self.hub)
        assert not (self.hub.over and self.hub.workers.parked), "who waits is told when all is finished"
        for peer in step.dropped:
            self._losses[str(peer)] += 1
        lost: dict[str, list[m.Message]] = {}
        for peer, message in step.sends:
            assert isinstance(peer, str)
            if peer in self.actors:
                self._to_peer(peer, message)
            elif peer not in PEOPLE:
                lost.setdefault(peer, []).append(message)
        for peer, undelivered in lost.items():
            self.follow(self.hub.lose({peer: undelivered}, self.now, "nobody is there"))
        if self.hub.deadline < self._tick:
            self._tick = self.hub.deadline
            self.at(self._tick, self._on_tick)

    def _on_tick(self) -> None:
        self._tick = math.inf
        if self.now < self._frozen_until:
            self._tick = self._frozen_until
            self.at(self._tick, self._on_tick)
            return
        step = self.hub.tick(self.now)
        assert self.hub.deadline > self.now, "the hub spins"
        self.follow(step)

    def _to_peer(self, peer: str, message: m.Message) -> None:
        self.transcript.append(f"{peer} < {brief(message)}")
        frame = wire.encode(message)

        def arrive() -> None:
            if peer in self.actors:
                self.actors[peer].receive(wire.decode_reply(frame))

        self._travel(peer, False, arrive)

    def _travel(self, peer: str, up: bool, arrive: Callable[[], None]) -> None:
        """Frames keep their order on a link, but for duplicates and late answers."""
        lossy = getattr(self.actors.get(peer), "lossy", False)
        if lossy and (self.random.randrange(100) < self.faults.drop or self.now < self._cut.get(peer, 0.0)):
            return
        delay = self.random.random() * 0.01 if self.faults.any else 0.001
        time = max(self._last[peer, up], self.now + delay)
        losses = self._losses[peer]

        def arrive_again() -> None:
            if self._losses[peer] == losses:  # no transport brings a frame of before a loss or a restart after it
                arrive()

        if lossy and not up and self.random.randrange(100) < self.faults.late:
            self.at(time + self.random.random(), arrive_again)
            return
        self._last[peer, up] = time
        self.at(time, arrive)
        if lossy and self.random.randrange(100) < self.faults.duplicate:
            self.at(time + self.random.random() * 5.0, arrive_again)

    # -- who comes and goes --

    def create(self, *tasks: Task) -> None:
        self.receive("client", m.Create(tasks))

    def order(self, verb: m.Verb, *tasks: str) -> None:
        """Somebody does something to tasks, if that can be done to them."""
        self.receive("boss", m.Control(verb, tasks))

    def join(self, name: str, slots: int = 1, policy: WorkerPolicy | None = None, has: Resources | None = None) -> None:
        self.actors[name] = Member(self, name, slots, policy, has or HAS)
        self.actors[name].act()

    def join_original(self, name: str, location: str = "") -> None:
        self.actors[name] = Original(self, name, location or name)
        self.actors[name].ask()

    def vanish(self, peer: str) -> None:
        """A node dies: the transport says so a little later, when what is on the way has come."""
        if self.actors.pop(peer, None):
            self.at(self.now + 1.0, lambda: self.lose(peer))

    def lose(self, peer: str, reason: str = "it died") -> None:
        """The transport says that a peer is gone, be it true or not."""
        self._losses[peer] += 1
        self.follow(self.hub.lose({peer: ()}, self.now, reason))

    def cut(self, peer: str, seconds: float) -> None:
        """All that is sent to and by a member is lost for a while."""
        self._cut[peer] = self.now + seconds

    def freeze(self, seconds: float) -> None:
        """The hub does nothing for a while, and then finds all that came meanwhile."""
        self._frozen_until = self.now + seconds

    def restart(self) -> None:
        """The hub dies, and another one goes on from what was recorded; the links remain."""
        old = self.hub
        slots = {worker.location: worker.slots for worker in old.workers.values() if worker.slots}
        self.transcript.append("restart")
        self.hub = Hub(old.policy, m.Welcome(output=bool(self.runs.prints)))
        self.ledger.is_stopped = False
        self._losses.update(self.actors.keys())
        self._tick = math.inf
        step = self.hub.restore(self.ledger.written(), self.now, slots)
        assert not step.sends
        self.follow(step)


class Member:
    """A native worker with its processes."""

    lossy = True

    def __init__(self, pool: Pool, name: str, slots: int, policy: WorkerPolicy | None, has: Resources) -> None:
        self.pool = pool
        self.peer = self.name = name
        self.worker = Worker(name, slots, policy, has)
        self._wake = math.inf
        self._stalled_until = 0.0
        self._kept: dict[tuple[TaskKey, int], int] = {}  # of ended attempts: how many bytes of their output are sent
        self._begun: dict[int, float] = {}  # when the tasks that run began
        self.succeeded = -math.inf  # when a task last did

    def stall(self, seconds: float) -> None:
        """It does nothing for a while."""
        self._stalled_until = self.pool.now + seconds

    def reconnect(self) -> None:
        """Its link breaks, and it makes another one."""
        pool = self.pool
        if pool.actors.pop(self.peer, None):
            pool.at(pool.now + 1.0, lambda peer=self.peer: pool.lose(peer, "its link broke"))
            self.peer += "'"
            pool.actors[self.peer] = self

    def receive(self, message: m.Message) -> None:
        if self._waits(lambda: self.receive(message)):
            return
        self.worker.receive(message, self.pool.now)
        if isinstance(message, m.Welcome) and message.again:
            self._kept = dict.fromkeys(self._kept, 0)
        self.act()

    def _waits(self, action: Callable[[], None]) -> bool:
        """Whether it is stalled or gone; a stalled one does it later."""
        if self.pool.actors.get(self.peer) is not self:
            return True
        if self.pool.now < self._stalled_until:
            self.pool.at(self._stalled_until, action)
            return True
        return False

    def _print(self, id: int, attempt: int, name: str) -> None:
        """Send what is not sent of what an ended attempt has printed."""
        text = output(self.pool.runs.prints[name])
        for position in range(self._kept[id, attempt], len(text), 5):
            self.pool.to_hub(self.peer, m.Output(self.name, id, 1, text[position : position + 5], attempt, position))
        self._kept[id, attempt] = len(text)

    def act(self) -> None:
        """A turn of the worker's loop."""
        pool, worker = self.pool, self.worker
        if self._waits(self.act):
            return
        for task in worker.kills():
            if task in worker.running:
                self._report(Result(task, 0, 128 + TERM, TERM))
        while (assigned := worker.next(pool.now)) is not None:
            result = pool.runs.start(assigned, self.name)
            self._begun[assigned.id] = pool.now
            if result.seconds:
                pool.at(pool.now + result.seconds, lambda r=result: self._ended(r))
            else:
                self._report(result)
        assert len(worker.running) <= worker.slots
        asked = [assigned.options.asks for assigned in worker.running.values()]
        assert worker.has is not None
        assert worker.has.suffices(Resources(*(sum(each) for each in zip(*asked, strict=True)))) or not asked
        self._kept = {key: n for key, n in self._kept.items() if key in worker.unanswered}
        for message in worker.outbox(pool.now):
            if isinstance(message, m.Complete):
                for result in message.results:
                    if (result.task, result.attempt) in self._kept:
                        self._print(int(result.task), result.attempt, pool.hub.graph.nodes[int(result.task)].name)
            assert not (isinstance(message, m.Steal) and message.n < 1)
            pool.to_hub(self.peer, message)
        if worker.over:
            pool.vanish(self.peer)  # its last word may get lost; the transport sees it close
            return
        deadline = worker.deadline(pool.now)
        assert deadline > pool.now, f"{self.name} spins {vars(worker)}"
        if deadline < self._wake:
            self._wake = deadline
            pool.at(deadline, self._woken)

    def _woken(self) -> None:
        self._wake = math.inf
        self.act()

    def _ended(self, result: Result) -> None:
        if not self._waits(lambda: self._ended(result)) and self._is_run(result):
            self._report(result)
            self.act()

    def _is_run(self, result: Result) -> bool:
        """Whether that run is the one that runs here now."""
        task = int(result.task)
        return task in self.worker.running and self._begun[task] + result.seconds <= self.pool.now

    def _report(self, result: Result) -> None:
        assigned = self.worker.running[int(result.task)]
        if result.signal != TERM and (pieces := self.pool.runs.prints.get(assigned.name, 0)):
            result = result._replace(attempt=assigned.attempt, sent=(len(output(pieces)), 0))
            self._kept[result.task, result.attempt] = 0
            self._print(assigned.id, assigned.attempt, assigned.name)
        if result.ok:
            self.succeeded = self.pool.now
            self.pool.ledger.ends[self.name, assigned.id, assigned.attempt] = self._begun[assigned.id]
        self.worker.ended(result, self.pool.now)


class Original:
    """A client of the original dialect: one request, one reply, as a C++ worker or a shell script does.

    Some share a location. wishes: further predecessors with which it gives tasks back, one after another.
    """

    lossy = False

    @property
    def may_err(self) -> bool:
        """Whether what it sends may be refused."""
        return isinstance(self._last, m.GiveBack)

    def __init__(self, pool: Pool, peer: str, location: str) -> None:
        self.pool = pool
        self.peer = peer
        self.name = location
        self.wishes: list[tuple[str, ...]] = []
        self._running: list[Assigned] = []
        self._waits = False
        self._last: m.Message | None = None

    def ask(self) -> None:
        if self.pool.actors.get(self.peer) is not self:
            return
        assert not self._waits
        self._waits = True
        if not self._running:
            self._send(m.Steal(self.name, 2))
        elif self.wishes:
            self._send(m.GiveBack(self.name, (Returned(self._running[-1].name, self.wishes.pop()),)))
        else:
            assigned = self._running.pop(0)
            status = int(assigned.attempt <= self.pool.runs.failures.get(assigned.name, 0))
            if not status:
                id = self.pool.ledger.entries[assigned.name].id
                self.pool.ledger.ends[self.name, id, 0] = self.pool.now
            self._send(m.Complete(self.name, (Result(assigned.name, 0, status),)))

    def _send(self, message: m.Message) -> None:
        self._last = message
        self.pool.to_hub(self.peer, message)

    def receive(self, message: m.Message) -> None:
        assert self._waits, "exactly one reply"
        self._waits = False
        if isinstance(self._last, m.GiveBack) and not isinstance(message, m.Error):
            self._running.pop()
        match message:
            case m.Transfer(tasks=tasks):
                self._running += tasks
                seconds = sum(self.pool.runs.start(assigned, self.name).seconds for assigned in tasks)
                self.pool.at(self.pool.now + seconds, self.ask)
            case m.OK() | m.Error():
                self.ask()
            case m.NotFound():
                self.pool.at(self.pool.now + 0.25, self.ask)
            case m.Exit():
                del self.pool.actors[self.peer]
            case _:
                raise AssertionError(f"{message} to a peer of the original dialect")


def brief(message: m.Message) -> str:
    """A message in a few words, for transcripts."""
    native = getattr(message, "native", None)
    number = f" #{native.sequence}" if native else f" ={message.answers}" if getattr(message, "answers", 0) else ""
    match message:
        case m.Steal(n=n):
            what = f" {n}"
        case m.Complete(results=results, steal=steal):
            what = " " + " ".join(f"{r.task}:{r.exit_status}" for r in results) + (f" steal {steal}" if steal else "")
        case m.Transfer(tasks=tasks):
            what = " " + " ".join(f"{t.name}/{t.attempt}" for t in tasks)
        case m.GiveBack(tasks=tasks):
            what = " " + " ".join(str(returned.task) for returned in tasks)
        case m.Recall(n=n):
            what = f" {n}"
        case m.Cancel(tasks=ids):
            what = f" {ids}"
        case m.NotFound(tasks=keys) if keys:
            what = f" {keys}"
        case _:
            what = ""
    return f"{type(message).__name__}{number}{what}"
