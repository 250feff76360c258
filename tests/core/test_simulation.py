"""A whole pool in one process on a virtual clock: a hub, workers, links that lose frames, workers that vanish.

Every message goes through its frame. What is asserted is what a user relies on: it ends, each task ends once, none
runs before its predecessors, and without faults each attempt runs once. `DWORK_LONG=1` tries many more pools, other
ones each time.
"""

from __future__ import annotations

import heapq
import itertools
import math
import os
import random
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dwork.core import events as e
from dwork.core import messages as m
from dwork.core.resources import Resources
from dwork.core.task import Assigned, Options, Result, State, Task, TaskKey
from dwork.hub.hub import Hub
from dwork.hub.policy import Policy
from dwork.hub.returns import LOST_TOO_OFTEN
from dwork.hub.step import Step
from dwork.transport import wire
from dwork.worker.worker import Worker, WorkerPolicy

#: Seconds after which a pool that has not ended never will.
FOREVER = 500.0
#: How a worker behaves over a link that loses frames.
CAREFUL = WorkerPolicy(wait=3.0, patience=2.0)


@dataclass(frozen=True)
class Faults:
    """How often, per frame, in percent; `vanish` is the number of workers that are lost, one after another."""

    drop: int = 0
    duplicate: int = 0
    vanish: int = 0

    @property
    def any(self) -> bool:
        return bool(self.drop or self.duplicate or self.vanish)


@dataclass
class Runs:
    """What really ran: how long tasks take and which fail, by name; and what was started, by (id, attempt)."""

    seconds: dict[str, float]
    failures: dict[str, int] = field(default_factory=dict)
    started: Counter[tuple[int, int]] = field(default_factory=Counter)
    prints: dict[str, int] = field(default_factory=dict)  # pieces of output, which go ahead of the result

    def start(self, assigned: Assigned) -> tuple[float, int]:
        """Seconds and exit status."""
        self.started[assigned.id, assigned.attempt] += 1
        return self.seconds.get(assigned.name, 0.0), int(assigned.attempt <= self.failures.get(assigned.name, 0))


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
        self.final: Counter[str] = Counter()
        self._done: set[str] = set()
        self._printed: dict[int, bytes] = {}
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._serial = itertools.count()
        self._last: dict[tuple[str, bool], float] = defaultdict(float)
        self._tick = math.inf

    # -- time --

    def at(self, time: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._agenda, (max(time, self.now), next(self._serial), action))

    def run(self) -> None:
        """Until nothing more happens, or everybody has left a hub that is over."""
        for _ in range(20_000):
            if not self._agenda or (self.hub.over and not self.actors):
                break
            self.now, _, action = heapq.heappop(self._agenda)
            assert self.now < FOREVER, f"this pool does not end: {self.hub.graph.counts}, {list(self.actors)}"
            action()
        else:
            raise AssertionError(f"this pool spins: {self.hub.graph.counts}, {list(self.actors)}")
        assert self.hub.over, f"this pool is stuck: {self.hub.graph.nodes}, {list(self.actors)}"
        assert not self.actors, f"these never leave: {list(self.actors)}"

    # -- links --

    def to_hub(self, peer: str, message: m.Message) -> None:
        self.transcript.append(f"{peer} > {brief(message)}")
        frame = wire.encode(message)
        self._travel(peer, True, lambda: self._step(self.hub.receive(peer, wire.decode_request(frame), self.now)))

    def _step(self, step: Step) -> None:
        self.hub.check()
        for event in step.events:
            self._hear(event)
        lost: dict[str, list[m.Message]] = {}
        for peer, message in step.sends:
            assert isinstance(peer, str)
            if peer in self.actors:
                self._to_peer(peer, message)
            elif peer not in ("client", "boss"):
                lost.setdefault(peer, []).append(message)
        for peer, undelivered in lost.items():
            self._step(self.hub.lose({peer: undelivered}, self.now, "nobody is there"))
        if self.hub.deadline < self._tick:
            self._tick = self.hub.deadline
            self.at(self._tick, self._on_tick)

    def _on_tick(self) -> None:
        self._tick = math.inf
        self._step(self.hub.tick(self.now))

    def _to_peer(self, peer: str, message: m.Message) -> None:
        self.transcript.append(f"{peer} < {brief(message)}")
        frame = wire.encode(message)

        def arrive() -> None:
            if peer in self.actors:
                self.actors[peer].receive(wire.decode_reply(frame))

        self._travel(peer, False, arrive)

    def _travel(self, peer: str, up: bool, arrive: Callable[[], None]) -> None:
        """Frames keep their order on a link, but for duplicates."""
        lossy = getattr(self.actors.get(peer), "lossy", False)
        if lossy and self.random.randrange(100) < self.faults.drop:
            return
        delay = self.random.random() * 0.01 if self.faults.any else 0.001
        self._last[peer, up] = time = max(self._last[peer, up], self.now + delay)
        self.at(time, arrive)
        if lossy and self.random.randrange(100) < self.faults.duplicate:
            self.at(time + self.random.random() * 5.0, arrive)

    # -- who comes and goes --

    def create(self, *tasks: Task) -> None:
        self._step(self.hub.receive("client", m.Create(tasks), self.now))

    def order(self, verb: m.Verb, task: str) -> None:
        """Somebody does something to a task, if that can be done to it."""
        self._step(self.hub.receive("boss", m.Control(verb, (task,)), self.now))

    def join(self, name: str, slots: int = 1, policy: WorkerPolicy | None = None, has: Resources | None = None) -> None:
        self.actors[name] = Member(self, name, slots, policy, has or HAS)
        self.actors[name].act()

    def join_original(self, name: str) -> None:
        self.actors[name] = Original(self, name)
        self.actors[name].ask()

    def vanish(self, name: str) -> None:
        """A node dies: the transport says so a little later, when what is on the way has come."""
        if self.actors.pop(name, None):
            self.at(self.now + 1.0, lambda: self._step(self.hub.lose({name: ()}, self.now, "it died")))

    # -- what must hold --

    def _hear(self, event: e.Event) -> None:
        match event:
            case e.Stolen(tasks=tasks):
                for assigned in tasks:
                    node = self.hub.graph.nodes[assigned.id]
                    assert not self.final[node.name], f"{node} had ended"
                    assert all(p.is_join or p.name in self._done for p in node.predecessors), f"{node} is too early"
            case e.Printed(id=id, stream=1, data=data):
                self._printed[id] = self._printed.get(id, b"") + data
            case e.Requeued(tasks=named):
                for task in named:
                    self._printed.pop(task.id, None)
            case _:
                pass
        match event:
            case e.Finished(tasks=tasks):
                for ended in tasks:
                    self._must_be_whole(ended)
                self._done |= {ended.name for ended in tasks}
                self.final.update(ended.name for ended in tasks)
            case e.Failed(task=ended) | e.Killed(task=ended):
                if ended.result.exit_status != LOST_TOO_OFTEN:
                    self._must_be_whole(ended)
                self.final[ended.name] += 1
            case e.Retried(task=ended) | e.Interrupted(task=ended):
                self._must_be_whole(ended)
            case e.Revived(tasks=named):
                for task in named:
                    del self.final[task.name]
            case e.Skipped(tasks=named) | e.Cancelled(tasks=named):
                self.final.update(task.name for task in named)

    def _must_be_whole(self, ended: e.Ended) -> None:
        """What was printed is all there, and nothing of it twice."""
        printed = self._printed.pop(ended.id, b"")
        if ended.result.sent:
            assert printed == output(self.runs.prints[ended.name]), f"{ended} has printed something else"


def output(pieces: int) -> bytes:
    return b"".join(b"%05d" % i for i in range(pieces))


class Member:
    """A native worker with its processes."""

    lossy = True

    def __init__(self, pool: Pool, name: str, slots: int, policy: WorkerPolicy | None, has: Resources) -> None:
        self.pool = pool
        self.name = name
        self.worker = Worker(name, slots, policy, has)
        self._wake = math.inf
        self._kept: dict[tuple[TaskKey, int], int] = {}  # of ended attempts: how many bytes of their output are sent

    def receive(self, message: m.Message) -> None:
        self.worker.receive(message, self.pool.now)
        if isinstance(message, m.Welcome) and message.again:
            self._kept = dict.fromkeys(self._kept, 0)
        self.act()

    def _print(self, id: int, attempt: int, name: str) -> None:
        """Send what is not sent of what an ended attempt has printed."""
        text = output(self.pool.runs.prints[name])
        for position in range(self._kept[id, attempt], len(text), 5):
            self.pool.to_hub(self.name, m.Output(self.name, id, 1, text[position : position + 5], attempt, position))
        self._kept[id, attempt] = len(text)

    def act(self) -> None:
        """A turn of the worker's loop."""
        pool, worker = self.pool, self.worker
        if pool.actors.get(self.name) is not self:
            return
        for task in worker.kills():
            self._end(task, 0.0, 143)
        while (assigned := worker.next(pool.now)) is not None:
            seconds, status = pool.runs.start(assigned)
            result = Result(assigned.id, assigned.attempt, status, seconds=seconds)
            if seconds:
                pool.at(pool.now + seconds, lambda r=result: self._ended(r))
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
            pool.to_hub(self.name, message)
        if worker.over:
            pool.vanish(self.name)  # its last word may get lost; the transport sees it close
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
        if self.pool.actors.get(self.name) is self and result.task in self.worker.running:
            self._report(result)
            self.act()

    def _report(self, result: Result) -> None:
        assigned = self.worker.running[int(result.task)]
        if pieces := self.pool.runs.prints.get(assigned.name, 0):
            result = result._replace(attempt=assigned.attempt, sent=(len(output(pieces)), 0))
            self._kept[result.task, result.attempt] = 0
            self._print(assigned.id, assigned.attempt, assigned.name)
        self.worker.ended(result, self.pool.now)

    def _end(self, task: int, seconds: float, status: int) -> None:
        if task in self.worker.running:
            attempt = self.worker.running[task].attempt
            self.worker.ended(Result(task, attempt, status, seconds=seconds), self.pool.now)


class Original:
    """A client of the original dialect: one request, one reply, as a C++ worker or a shell script does."""

    lossy = False

    def __init__(self, pool: Pool, name: str) -> None:
        self.pool = pool
        self.name = name
        self._running: list[Assigned] = []
        self._waits = False

    def ask(self) -> None:
        if self.pool.actors.get(self.name) is self:
            assert not self._waits
            self._waits = True
            if self._running:
                status = int(self._running[0].attempt <= self.pool.runs.failures.get(self._running[0].name, 0))
                result = Result(self._running.pop(0).name, 0, status)
                self.pool.to_hub(self.name, m.Complete(self.name, (result,)))
            else:
                self.pool.to_hub(self.name, m.Steal(self.name, 2))

    def receive(self, message: m.Message) -> None:
        assert self._waits, "exactly one reply"
        self._waits = False
        match message:
            case m.Transfer(tasks=tasks):
                self._running += tasks
                seconds = sum(self.pool.runs.start(assigned)[0] for assigned in tasks)
                self.pool.at(self.pool.now + seconds, self.ask)
            case m.OK():
                self.ask()
            case m.NotFound():
                self.pool.at(self.pool.now + 0.25, self.ask)
            case m.Exit():
                del self.pool.actors[self.name]
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


# -- plans ------------------------------------------------------------------------------------------------------------

SECONDS = st.sampled_from([0.0, 0.0005, 0.003, 0.02, 0.3, 1.7, 6.0])


#: What a member has beside its slots, and what one has that can run only some of the tasks; and what these ask for.
HAS = Resources(4, 4 << 30, 1)
SMALL = Resources(2, 2 << 30, 0)
OPTIONS = (
    Options(), Options(priority=1), Options(cores=3), Options(), Options(gpus=1), Options(cores=2, memory=3 << 30),
    Options(memory=2 << 30, priority=-1),
)  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """tasks: (seconds, failures, join, predecessors as indices of earlier tasks)."""

    tasks: tuple[tuple[float, int, bool, tuple[int, ...]], ...]
    slots: tuple[int, ...]
    seed: int
    late: int  # so many of the tasks are created while others run

    def definitions(self) -> list[Task]:
        return [
            Task(
                f"t{i}", None if join else f"t{i}", tuple(f"t{p}" for p in sorted(after)), OPTIONS[(i + self.seed) % 7]
            )
            for i, (_, _, join, after) in enumerate(self.tasks)
        ]

    def runs(self) -> Runs:
        return Runs(
            {f"t{i}": seconds for i, (seconds, *_) in enumerate(self.tasks)},
            {f"t{i}": n for i, (_, n, *_) in enumerate(self.tasks) if n},
        )


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    n = draw(st.integers(1, 14))
    tasks = []
    for i in range(n):
        after = draw(st.sets(st.integers(0, i - 1), max_size=3)) if i else set()
        is_join = draw(st.integers(0, 9)) == 9
        tasks.append((draw(SECONDS), draw(st.sampled_from([0, 0, 0, 0, 1, 2])), is_join, tuple(after)))
    slots = draw(st.lists(st.integers(1, 3), min_size=1, max_size=4))
    return Plan(tuple(tasks), tuple(slots), draw(st.integers(0, 999)), draw(st.integers(0, n - 1)))


def prepare(plan: Plan, faults: Faults, policy: WorkerPolicy, second: Resources = HAS, prints: int = 0) -> Pool:
    """second: what every other member has; prints: pieces of output of every other task."""
    runs = plan.runs()
    runs.prints = {f"t{i}": prints for i in range(0, len(plan.tasks), 2)} if prints else {}
    pool = Pool(runs, Policy(retries=1), faults, plan.seed)
    tasks = plan.definitions()
    early = len(tasks) - plan.late
    pool.create(*tasks[:early], Task("keep-open", "keep-open"))
    pool.runs.seconds["keep-open"] = 1.0
    if plan.late:
        pool.at(0.5, lambda: pool.create(*tasks[early:]))
    for i, slots in enumerate(plan.slots):
        has = second if i % 2 else HAS
        pool.at(0.1 * i, lambda i=i, slots=slots, has=has: pool.join(f"w{i}", slots, policy, has))
    return pool


def conclude(pool: Pool, faults: Faults) -> None:
    pool.run()
    graph = pool.hub.graph
    for node in graph.nodes:
        if node.is_join:
            continue
        assert node.state in (State.DONE, State.FAILED, State.SKIPPED), node
        assert pool.final[node.name] == 1, f"{node} has ended {pool.final[node.name]} times"
        ran = sum(n for (id, _), n in pool.runs.started.items() if id == node.id)
        assert (ran > 0) == (node.state is not State.SKIPPED)
        assert (node.state is State.DONE) <= (pool.runs.failures.get(node.name, 0) < node.attempt)
        if not faults.any:
            assert ran == node.attempt == min(2, pool.runs.failures.get(node.name, 0) + 1) * (ran > 0)
            assert max((n for (id, _), n in pool.runs.started.items() if id == node.id), default=1) == 1
    assert not any(worker.held for worker in pool.hub.workers.values())


LONG = bool(os.environ.get("DWORK_LONG"))
FEW = settings(max_examples=2000 if LONG else 60, deadline=None, derandomize=not LONG)


@given(plans())
@FEW
def test_without_faults_each_attempt_runs_once_and_all_leave(plan: Plan) -> None:
    """As over MPI: no frame is lost, and workers wait for ever."""
    conclude(prepare(plan, Faults(), WorkerPolicy()), Faults())


@given(plans())
@FEW
def test_workers_need_not_be_alike(plan: Plan) -> None:
    conclude(prepare(plan, Faults(), WorkerPolicy(), SMALL), Faults())


@given(plans(), st.integers(1, 2))
@FEW
def test_peers_of_the_original_dialect_and_ours_share_the_work(plan: Plan, n: int) -> None:
    pool = prepare(plan, Faults(), WorkerPolicy())
    for i in range(n):
        pool.at(0.05 * i, lambda i=i: pool.join_original(f"vm{i}"))
    conclude(pool, Faults())


@given(plans(), st.sampled_from([5, 20, 40]), st.sampled_from([0, 20]))
@FEW
def test_lost_late_and_repeated_frames_cost_time_and_nothing_else(plan: Plan, drop: int, duplicate: int) -> None:
    faults = Faults(drop=drop, duplicate=duplicate)
    conclude(prepare(plan, faults, CAREFUL, SMALL if plan.seed % 2 else HAS), faults)


@given(
    plans(),
    st.lists(
        st.tuples(st.sampled_from([0.001, 0.1, 0.3, 1.0, 2.5, 4.0]), st.sampled_from(m.Verb), st.integers(0, 13)),
        min_size=1,
        max_size=12,
    ),
    st.booleans(),
)
@FEW
def test_whatever_people_do_to_tasks_each_ends_once(
    plan: Plan, orders: list[tuple[float, m.Verb, int]], shares: bool
) -> None:
    pool = prepare(plan, Faults(), WorkerPolicy(), SMALL)
    pool.runs.seconds["keep-open"] = 10.0
    if shares:
        pool.join_original("vm")
    for time, verb, i in (*orders, (9.0, m.Verb.RELEASE, -1)):
        pool.at(time, lambda verb=verb, i=i: pool.order(verb, f"t{i}" if i >= 0 else "*"))
    pool.run()
    ended = (State.DONE, State.FAILED, State.SKIPPED, State.CANCELLED)
    for node in pool.hub.graph.nodes:
        assert node.state in ended
        assert pool.final[node.name] == (not node.is_join), f"{node} has ended {pool.final[node.name]} times"
    assert not any(worker.held for worker in pool.hub.workers.values())


@given(plans(), st.sampled_from([1, 3, 12]), st.sampled_from([0, 5, 20]), st.sampled_from([0, 20]), st.integers(0, 2))
@FEW
def test_no_task_ends_with_less_output_than_it_has_printed(
    plan: Plan, prints: int, drop: int, duplicate: int, n: int
) -> None:
    faults = Faults(drop=drop, duplicate=duplicate, vanish=n)
    pool = prepare(plan, faults, CAREFUL, prints=prints)
    for i in range(n):  # one dies, and one is only thought to be dead
        pool.at(0.4 + i, lambda i=i: pool.vanish(f"w{i % len(plan.slots)}"))
        pool.at(0.6 + i, lambda i=i: pool.join(f"new{i}", 1 + i % 2, CAREFUL))
        if not duplicate:  # no transport brings a frame again that came before it said so
            pool.at(0.9 + i, lambda i=i: pool._step(pool.hub.lose({f"new{i}": ()}, pool.now, "it seems dead")))
    conclude(pool, faults)


@given(
    plans(), st.integers(1, 4), st.sampled_from([0, 10]), st.lists(st.sampled_from([0.01, 0.3, 1.0, 2.5]), min_size=4)
)
@FEW
def test_workers_may_vanish_and_others_come(plan: Plan, n: int, drop: int, times: list[float]) -> None:
    faults = Faults(drop=drop, duplicate=drop, vanish=n)
    pool = prepare(plan, faults, CAREFUL)
    time = 0.05
    for i in range(n):
        time += times[i]
        pool.at(time, lambda i=i: pool.vanish(f"w{i % len(plan.slots)}"))
        pool.at(time + 0.2, lambda i=i: pool.join(f"new{i}", 1 + i % 2, CAREFUL))
    conclude(pool, faults)


@given(plans(), st.sampled_from([0.0, 0.15, 0.6, 1.2]), st.booleans(), st.sampled_from([0, 20]))
@FEW
@example(Plan(((6.0, 0, False, ()),), (1,), 0, 0), 0.6, True, 0)
def test_a_stopped_pool_ends_soon_with_nothing_in_anybodys_hands(
    plan: Plan, when: float, running: bool, drop: int
) -> None:
    faults = Faults(drop=drop)
    pool = prepare(plan, faults, CAREFUL)
    pool.at(when, lambda: pool._step(pool.hub.drain(pool.now, "enough", running=running)))
    pool.run()
    assert not pool.hub.graph.counts[State.ASSIGNED]
    assert max(pool.final.values(), default=1) == 1
    if not drop:
        longest = max(pool.runs.seconds.values())
        assert pool.now <= when + (CAREFUL.wait if running else longest + CAREFUL.wait) + 1.0


@given(plans(), st.sampled_from([0.3, 0.7]), st.booleans(), st.sampled_from([0, 20]))
@FEW
def test_a_worker_that_leaves_loses_nothing(plan: Plan, when: float, running: bool, drop: int) -> None:
    faults = Faults(drop=drop)
    pool = prepare(plan, faults, CAREFUL)

    def leave() -> None:
        pool.join("other", 1, CAREFUL)
        if "w0" in pool.actors:
            pool.actors["w0"].worker.leave(running=running)
            pool.actors["w0"].act()

    pool.at(when, leave)
    pool.run()
    graph = pool.hub.graph
    assert all(pool.final[node.name] == 1 for node in graph.nodes if not node.is_join)
    assert not graph.active


@pytest.mark.parametrize("slots", [1, 4])
def test_a_worker_thought_dead_that_is_not_does_no_harm(slots: int) -> None:
    runs = Runs({str(i): 0.4 for i in range(40)})
    pool = Pool(runs, faults=Faults(vanish=1))
    pool.create(*(Task(str(i), str(i)) for i in range(40)))
    pool.join("w", slots, CAREFUL)
    pool.join("v", slots, CAREFUL)
    for time in (0.5, 0.9, 1.3, 2.0):
        pool.at(time, lambda: pool._step(pool.hub.lose({"w": ()}, pool.now, "it seems dead")))
    conclude(pool, pool.faults)


def test_many_short_tasks_take_few_messages() -> None:
    n = 2000
    pool = Pool(Runs({}))
    pool.hub.receive("client", m.Create(tuple(Task(str(i), str(i)) for i in range(n))), 0.0)
    pool.join("a")
    pool.join("b")
    pool.run()
    assert len(pool.transcript) < n / 20
    assert len(pool.runs.started) == n


def test_long_tasks_spread_over_all_workers() -> None:
    pool = Pool(Runs({str(i): 10.0 for i in range(8)}))
    pool.create(*(Task(str(i), str(i)) for i in range(8)))
    for name in "abcd":
        pool.join(name)
    pool.run()
    assert pool.now < 20.2


def test_who_is_full_with_a_large_task_does_not_ask_for_small_ones_all_the_time() -> None:
    names = [f"small-{i}" for i in range(20)]
    pool = Pool(Runs({"large": 60.0, **dict.fromkeys(names, 5.0)}))
    pool.create(Task("large", "large", (), Options(cores=4)), *[Task(name, name) for name in names])
    pool.join("w0", 3)
    pool.join("w1", 1)
    pool.run()
    assert len(pool.transcript) < 100


def test_uneven_run_times_leave_no_worker_idle_for_long() -> None:
    """Short tasks make a worker greedy; when long ones follow, what it cannot start goes to the others."""
    seconds = {str(i): 0.001 for i in range(200)} | {str(i): 5.0 for i in range(200, 208)}
    pool = Pool(Runs(seconds))
    pool.create(*(Task(name, name) for name in seconds))
    for name in "abcd":
        pool.join(name)
    pool.run()
    assert pool.now < 10.5


def test_the_transcript_of_a_small_pool() -> None:
    pool = Pool(Runs({"a": 1.0, "b": 0.5, "c": 0.25, "d": 0.25}, {"b": 1}), Policy(retries=1, delay=0))
    pool.create(Task("a", "a"), Task("b", "b"), Task("c", "c", ("a", "b")), Task("d", "d", ("a", "b")))
    pool.join("v")
    pool.join("w")
    pool.run()
    assert pool.transcript == TRANSCRIPT


TRANSCRIPT = [
    "v > Steal #1 1",
    "w > Steal #1 1",
    "v < Welcome",
    "v < Transfer =1 a/1",
    "w < Welcome",
    "w < Transfer =1 b/1",
    "w > Complete #2 1:1 steal 1",
    "w < Transfer =2 b/2",
    "v > Complete #2 0:0 steal 1",
    "v < OK =2",
    "w > Complete #3 1:0 steal 1",
    "w < Transfer =3 c/1",
    "v < Transfer =2 d/1",
    "w > Complete #4 2:0 steal 1",
    "v > Complete #3 3:0 steal 1",
    "w < OK =4",
    "v < Exit =3",
    "w < Exit",
]
