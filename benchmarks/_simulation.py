"""A whole pool on a virtual clock: the real hub and real workers, with the time that messages and processes take.

Theory of operation. The hub's `Hub` and the workers' `Worker` decide, as in a pool; around them is a world with a clock
that jumps from event to event, and in which everything costs time (`_costs`). The hub is one server: in a turn it
takes in what has come, AT_ONCE frames at the most, and then sends; what comes meanwhile waits. That queue is what
limits a large pool. A worker is one, too: it starts processes one after the other, and looks at its messages only now
and then, by the rules of the loops. Frames are not encoded, since that changes nothing but the time of this process.

What is left out: no frame is lost, no rank dies, the network has room for all, nodes are equally fast, all ranks are
there at the same moment, and nobody else wants their cores.
"""

from __future__ import annotations

import gc
import heapq
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from math import exp, inf
from time import process_time
from typing import Any, Protocol

from _costs import Costs

from dwork.core.messages import Complete, Create, GiveBack, Message, Transfer
from dwork.core.task import Result, Task
from dwork.hub.hub import Hub
from dwork.transport.mpi import AT_ONCE, CROWDED, HURRIED, RELAXED
from dwork.worker.worker import Worker
from dwork.worker_loop import BUSY_POLL

#: Of a lognormal run time: the standard deviation of its logarithm.
SIGMA = 1.0
#: Of a bimodal one: how many are long, and how many times as long as the others.
LONG, TIMES = 0.1, 10.0


def constant(mean: float, _: random.Random) -> float:
    return mean


def exponential(mean: float, chance: random.Random) -> float:
    return chance.expovariate(1.0) * mean


def lognormal(mean: float, chance: random.Random) -> float:
    return exp(chance.gauss(-SIGMA * SIGMA / 2, SIGMA)) * mean


def bimodal(mean: float, chance: random.Random) -> float:
    short = mean / (1 + LONG * (TIMES - 1))
    return short * TIMES if chance.random() < LONG else short


def independent(i: int, width: int) -> tuple[str, ...]:
    return ()


def chains(i: int, width: int) -> tuple[str, ...]:
    """As many chains as slots: each task after one other."""
    return (f"t{i - width}",) if i >= width else ()


def stencil(i: int, width: int) -> tuple[str, ...]:
    """Rows of as many tasks as slots: each task after three of the row before."""
    above, x = i // width - 1, i % width
    return tuple([f"t{above * width + (x + d) % width}" for d in (-1, 0, 1)]) if above >= 0 else ()


#: Which tasks task i follows, when so many can run at a time.
SHAPES: dict[str, Callable[[int, int], tuple[str, ...]]] = {f.__name__: f for f in (independent, chains, stencil)}

#: How long tasks take: seconds of one task, given the mean.
DISTRIBUTIONS: dict[str, Callable[[float, random.Random], float]] = {
    f.__name__: f for f in (constant, exponential, lognormal, bimodal)
}


@dataclass(frozen=True, slots=True)
class Setup:
    """What is simulated: so many workers with so many slots each, and so many tasks for each slot.

    seconds: the mean of a task's run time; 0: tasks for which no process is started.
    """

    workers: int
    seconds: float
    slots: int = 1
    tasks_per_slot: int = 10
    distribution: str = "constant"
    shape: str = "independent"
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came out. Times in seconds.

    makespan: from the first message until the hub knows the last end. work: of all tasks. hub_busy: of the hub, in
    virtual time. messages: in and out. given_back: tasks that were handed out and came back unstarted. core: what the
    hub's decisions, `Hub.receive`, have really taken in this process, and depends on the machine.
    """

    setup: Setup
    tasks: int
    work: float
    makespan: float
    hub_busy: float
    messages: int
    transfers: int
    given_back: int
    core: float

    @property
    def efficiency(self) -> float:
        """Which part of the slots' time went into the tasks themselves."""
        return self.work / (self.makespan * self.setup.workers * self.setup.slots)

    @property
    def load(self) -> float:
        """Which part of the time the hub was busy."""
        return self.hub_busy / self.makespan

    @property
    def batch(self) -> float:
        """Tasks in a message."""
        return self.tasks / self.transfers


class _Actor(Protocol):
    def happen(self, now: float, what: Any) -> None: ...


class World:
    """The clock and what is to happen."""

    def __init__(self, seed: int) -> None:
        self.now = 0.0
        self.chance = random.Random(seed)
        self._agenda: list[tuple[float, int, _Actor, Any]] = []
        self._serial = count()

    def at(self, time: float, actor: _Actor, what: Any = None) -> None:
        heapq.heappush(self._agenda, (time, next(self._serial), actor, what))

    def run(self, until: Callable[[], bool]) -> None:
        agenda = self._agenda
        while agenda and not until():
            self.now, _, actor, what = heapq.heappop(agenda)
            actor.happen(self.now, what)


class Naps:
    """How late one who naps between two looks, as transport.mpi does, sees a frame after so long a silence."""

    def __init__(self, table: Sequence[tuple[int, float]]) -> None:
        self._steps: list[tuple[float, float]] = []  # from so many quiet seconds on, naps of so long
        since, naps, nap = 0.0, 0, 0.0
        for n, next_nap in table:
            since += (n - naps) * nap
            naps, nap = n, next_nap
            self._steps.append((since, nap))

    def lag(self, quiet: float, chance: random.Random) -> float:
        nap = next(nap for since, nap in reversed(self._steps) if quiet >= since)
        return chance.random() * nap


_HURRIED, _RELAXED = Naps(HURRIED), Naps(RELAXED)


class Station:
    """The hub and its loop: one server with a queue."""

    def __init__(self, world: World, costs: Costs) -> None:
        self.hub = Hub()
        self.members: dict[str, Member] = {}
        self.busy = self.core = 0.0
        self.messages = self.transfers = self.given_back = 0
        self._world, self._costs = world, costs
        self._inbox: deque[tuple[str, Message]] = deque()
        self.free_at = self._heard = 0.0  # free_at: when it has done what it is at
        self._is_due = False  # a turn is on the agenda

    def happen(self, now: float, what: tuple[str, Message] | None) -> None:
        if what is None:
            self._is_due = False
            self._turn(now)
            return
        self._inbox.append(what)
        if not self._is_due:
            self._is_due = True
            late = 0.0
            if self._costs.naps and now > self.free_at:
                naps = _HURRIED if self.hub.awaited else _RELAXED
                late = naps.lag(now - self._heard, self._world.chance)
            self._world.at(max(now + late, self.free_at), self)

    def _turn(self, now: float) -> None:
        """As HubLoop.turn: take in all, at one time for all of them, then send."""
        costs, inbox = self._costs, self._inbox
        assert now >= self.free_at, "the hub does one thing at a time"
        sends: list[tuple[Any, Message]] = []
        time = now
        begin = process_time()
        for _ in range(min(len(inbox), AT_ONCE)):
            peer, message = inbox.popleft()
            sends += self.hub.receive(peer, message, now).sends
            time += costs.hub_message
            if isinstance(message, Complete):
                time += costs.hub_task / 2 * len(message.results)
            elif isinstance(message, GiveBack):
                self.given_back += len(message.tasks)
            self.messages += 1
        self.core += process_time() - begin
        for peer, message in sends:
            time += costs.hub_message
            if isinstance(message, Transfer):
                time += costs.hub_task / 2 * len(message.tasks)
                self.transfers += 1
            self._world.at(time + costs.latency, self.members[peer], message)
        self.messages += len(sends)
        self.busy += time - now
        self.free_at = self._heard = time
        if inbox:
            self._is_due = True
            self._world.at(time, self)


class Member:
    """A worker and its loop, with its processes."""

    __slots__ = ("_costs", "_ends", "_free_at", "_heard", "_inbox", "_seconds", "_station", "_wake", "_world", "worker")

    def __init__(self, world: World, station: Station, costs: Costs, worker: Worker, seconds: Sequence[float]) -> None:
        self.worker = worker
        self._world, self._station, self._costs, self._seconds = world, station, costs, seconds
        self._inbox: list[Message] = []
        self._ends: list[tuple[float, int, Result]] = []  # of its processes
        self._free_at = self._heard = 0.0
        self._wake = inf  # when its next turn is
        station.members[worker.location] = self
        self._wake_at(0.0)

    def _wake_at(self, time: float) -> None:
        time = max(time, self._free_at)
        if time < self._wake:
            self._wake = time
            self._world.at(time, self)

    def happen(self, now: float, what: Message | None) -> None:
        if what is None:
            if now == self._wake:  # else it has had this turn
                self._wake = inf
                self._turn(now)
            return
        self._inbox.append(what)
        worker, chance = self.worker, self._world.chance
        if len(worker.running) >= worker.slots:
            least, most, share = BUSY_POLL
            late = chance.random() * min(max(least, share * (now - worker.started)), most)
        else:
            late = _HURRIED.lag(now - self._heard, chance) if self._costs.naps else 0.0
            late = min(late * self._costs.crowd, max(late, CROWDED))
        self._wake_at(now + late)

    def _turn(self, now: float) -> None:
        """As the worker's loop: take in what has come and ended, start what can start, send."""
        worker, costs, ends = self.worker, self._costs, self._ends
        if self._inbox:
            for message in self._inbox:
                worker.receive(message, now)
            self._inbox.clear()
            self._heard = now
        time = now
        while ends and ends[0][0] <= now:
            time += costs.reap
            worker.ended(heapq.heappop(ends)[2], now)
        time = self._start(now, time)
        for message in worker.outbox(time):
            time += costs.worker_message
            self._world.at(time + costs.latency, self._station, (worker.location, message))
        self._free_at = time
        if worker.can_start:
            self._wake_at(time)
        self._wake_at(min(worker.deadline(time), ends[0][0] if ends else inf))

    def _start(self, now: float, time: float) -> float:
        """Start what can be started; return when that is done."""
        worker, costs = self.worker, self._costs
        for _ in range(1 + len(worker.queue) // 2):  # as in the loop: not all, so that a Steal goes out meanwhile
            assigned = worker.next(now)
            if assigned is None:
                break
            seconds = self._seconds[assigned.id]
            if seconds:
                time += costs.start
                end = time + costs.child + seconds
                result = Result(assigned.id, assigned.attempt, 0, started=now, seconds=end - now)
                heapq.heappush(self._ends, (end, assigned.id, result))
            else:
                time += costs.no_op
                worker.ended(Result(assigned.id, assigned.attempt, 0, started=now), now)
        return time


def simulate(setup: Setup, costs: Costs) -> Outcome:
    """Run it to its end."""
    slots = setup.workers * setup.slots
    n = slots * setup.tasks_per_slot
    chance = random.Random(setup.seed)
    draw = DISTRIBUTIONS[setup.distribution]
    seconds = [draw(setup.seconds, chance) for _ in range(n)] if setup.seconds else [0.0] * n
    world = World(setup.seed)
    station = Station(world, costs)
    was_collecting = gc.isenabled()
    gc.disable()  # nothing here is garbage before the end, and looking for some takes half the time
    try:
        after = SHAPES[setup.shape]
        station.hub.receive(None, Create(tuple([Task(f"t{i}", "", after(i, slots)) for i in range(n)])), 0.0)
        for i in range(setup.workers):
            Member(world, station, costs, Worker(f"w{i}", setup.slots), seconds)
        world.run(until=lambda: station.hub.over)
    finally:
        if was_collecting:
            gc.enable()
    assert station.hub.over, "all tasks have ended"
    return Outcome(
        setup, n, sum(seconds), station.free_at, station.busy, station.messages, station.transfers, station.given_back,
        station.core,
    )  # fmt: skip
