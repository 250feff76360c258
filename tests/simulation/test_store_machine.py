"""A hub driven at random with a store that hears all, killed at any moment and brought back from what is on disk.

What a store has made durable is what its hub knew: which tasks there are, what they come after, how they stand, who has
which attempt in hand. What it heard and had not yet written is as if it had not happened.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from dwork.core import messages as m
from dwork.core.events import Event
from dwork.core.messages import Native, Returned, Verb
from dwork.core.task import ACTIVE, Options, Result, State, Task
from dwork.hub.hub import Hub
from dwork.hub.node import Node
from dwork.hub.policy import Policy
from dwork.hub.step import Step
from dwork.record import past
from dwork.record.logs import Logs
from dwork.record.store import Store
from tests.desk import RUN, killed

NAMES = st.sampled_from([f"t{i}" for i in range(10)])
TASKS = st.builds(
    lambda name, command, after, options, after_any: Task(name, command, after, options, after_any=after_any),
    NAMES,
    st.sampled_from(["x", "x", "x", ("y", "z"), None]),
    st.lists(NAMES, max_size=3).map(tuple),
    st.sampled_from([Options(), Options(), Options(retries=2), Options(retries=0)]),
    st.lists(NAMES, max_size=1).map(tuple),
)
#: To begin with: some tasks, each after some of those before it.
BEGINNINGS = st.lists(
    st.tuples(st.sets(st.integers(0, 5), max_size=2), st.sets(st.integers(0, 5), max_size=1)), min_size=4, max_size=6
).map(
    lambda rows: tuple(
        Task(
            f"t{i}",
            "x",
            tuple(f"t{p}" for p in after if p < i),
            after_any=tuple(f"t{p}" for p in after_any - after if p < i),
        )
        for i, (after, after_any) in enumerate(rows)
    )
)
WORKERS = st.sampled_from(["n:1", "n:2", "original"])
PICKS = st.integers(0, 5)


def row(task: Task, after: Any, state: State, holder: str | None, attempt: int, held: bool, failures: int) -> Any:
    """What a record must have of a task. It does not tell what is ready from what waits, nor how joins stand.

    A stray may have done a task in an earlier attempt than its last; failures count only of what may still run.
    """
    if task.command is None:
        return task.name, None, after, held
    if state is State.READY:
        state = State.WAITING
    return (
        task.name,
        task.command,
        after,
        state,
        holder if state in (State.ASSIGNED, State.DONE) else None,
        attempt if state is not State.DONE else None,
        held,
        failures if state in ACTIVE else None,
    )


def named(node: Node) -> Any:
    return {p.name for p in node.needed}, {p.name for p in node.after_any}


def known(hub: Hub) -> dict[int, Any]:
    """What the hub knows."""
    return {
        n.id: row(n.task, named(n), n.state, n.holder, n.attempt, hub.is_held(n), n.failures)
        for n in hub.graph.nodes
        if n is not None
    }


def written(store: Store) -> dict[int, Any]:
    """What the record has."""
    store.settle()
    found = past.recorded(store.connection)
    names = {e.task.name for e in found}

    def before(task: Task) -> Any:
        return set(task.after) & names, set(task.after_any) & names

    return {e.id: row(e.task, before(e.task), e.state, e.holder, e.attempt, e.held, e.failures) for e in found}


class StoreMachine(RuleBasedStateMachine):
    """hands: what each native worker thinks that it holds, as it does not hear of a hub that was killed."""

    def __init__(self) -> None:
        super().__init__()
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # a disk that is waited for is slow
        self.directory = Path(tempfile.mkdtemp(prefix="dwork-test-", dir=memory))
        self.copies = 0
        self.is_eager = False
        self.now = 100.0
        self.sequence = 0
        self.heard: list[Event] = []
        self.hands: dict[str, dict[int, int]] = {"n:1": {}, "n:2": {}}
        self.open(self.directory / "run.db")

    def open(self, path: Path) -> None:
        self.hub = Hub(Policy(retries=1, delay=1.0, losses=2))
        logs = Logs(str(self.directory / "logs"), str(path))
        self.store = Store(str(path), RUN, self.hub.graph.number, logs)
        restored = self.store.recover(self.now)
        self.heard = list(self.hub.restore(restored, self.now, self.store.slots()).events)
        self.hub.graph.nodes.extend([None] * (self.store.next_id() - len(self.hub.graph.nodes)))
        self.durable = known(self.hub)

    def teardown(self) -> None:
        self.store.close(self.now, "done")
        shutil.rmtree(self.directory)

    # -- the hub is told something --

    def take(self, step: Step) -> None:
        self.hub.check()
        self.heard += step.events
        self.now += 0.25
        for peer, message in step.sends:
            if isinstance(message, m.Transfer) and peer in self.hands:
                self.hands[peer].update({assigned.id: assigned.attempt for assigned in message.tasks})
            elif isinstance(message, m.Cancel) and peer in self.hands:
                for id in message.tasks:
                    node = self.hub.graph.find(id)
                    if node is None or node.state is not State.ASSIGNED or node.holder != peer:
                        self.hands[peer].pop(id, None)
        if self.is_eager:
            self.write()

    def say(self, peer: str, message: m.Message) -> None:
        self.take(self.hub.receive(peer, message, self.now))

    def native(self, worker: str, **more: Any) -> Native | None:
        self.sequence += 1
        return None if worker == "original" else Native(2, 0.0, self.sequence, hello=True, **more)

    def held(self, worker: str) -> list[Node]:
        return list(self.hub.workers[worker].held.values()) if worker in self.hub.workers else []

    @initialize(tasks=BEGINNINGS, is_eager=st.booleans())
    def begin(self, tasks: tuple[Task, ...], is_eager: bool) -> None:
        self.is_eager = is_eager
        self.say("client", m.Create(tasks))

    @rule(tasks=st.lists(TASKS, min_size=1, max_size=4).map(tuple))
    def create(self, tasks: tuple[Task, ...]) -> None:
        self.say("client", m.Create(tasks))

    @rule(worker=WORKERS, n=st.integers(1, 4))
    def steal(self, worker: str, n: int) -> None:
        self.say(worker, m.Steal(worker, n, self.native(worker)))

    @rule(worker=WORKERS, ends=st.lists(st.tuples(PICKS, st.booleans()), min_size=1, max_size=3), output=st.booleans())
    def complete(self, worker: str, ends: list[tuple[int, bool]], output: bool) -> None:
        """Also of tasks that it does not hold, and of one twice."""
        results = []
        for pick, ok in ends:
            node = (self.held(worker) or [None])[pick % max(1, len(self.held(worker)))]
            id, attempt = (node.id, node.attempt) if node else (pick, 1)
            results.append(
                Result(id, attempt if worker != "original" else 0, int(not ok), 0, self.now, 1.0, stdout=b"x" * output)
            )
            self.hands.get(worker, {}).pop(id, None)
        self.say(worker, m.Complete(worker, tuple(results), 0, self.native(worker)))

    @rule(worker=st.sampled_from(["n:1", "n:2"]), pick=PICKS, ok=st.booleans())
    def complete_what_it_thinks_it_holds(self, worker: str, pick: int, ok: bool) -> None:
        hands = self.hands[worker]
        if hands:
            id = list(hands)[pick % len(hands)]
            result = Result(id, hands.pop(id), int(not ok), 0, self.now, 1.0)
            self.say(worker, m.Complete(worker, (result,), 0, self.native(worker)))

    @rule(worker=st.sampled_from(["n:1", "n:2"]), forgets=st.booleans())
    def compare(self, worker: str, forgets: bool) -> None:
        """A worker comes back, or tells what it holds since an answer got lost."""
        if forgets:
            self.hands[worker].clear()
        self.say(worker, m.Steal(worker, 1, self.native(worker, held=tuple(self.hands[worker].items()))))

    @rule(worker=WORKERS, pick=PICKS, after=st.lists(PICKS, max_size=2))
    def give_back(self, worker: str, pick: int, after: list[int]) -> None:
        """With further predecessors, which may make a circle, or be lost."""
        held = self.held(worker)
        if held:
            names = list(self.hub.graph.names)
            returned = Returned(held[pick % len(held)].id, tuple(names[-1 - i % len(names)] for i in after))
            self.say(worker, m.GiveBack(worker, (returned,), self.native(worker)))
            self.hands.get(worker, {}).pop(returned.task, None)  # type: ignore[call-overload]

    @rule(worker=WORKERS)
    def leave(self, worker: str) -> None:
        self.say(worker, m.Exit(worker))
        self.hands.get(worker, {}).clear()

    @rule(worker=WORKERS)
    def lose(self, worker: str) -> None:
        self.take(self.hub.lose({worker: ()}, self.now, "it died"))

    @rule(verb=st.sampled_from(Verb), names=st.just(("*",)) | st.lists(NAMES, min_size=1, max_size=2).map(tuple))
    def control(self, verb: Verb, names: tuple[str, ...]) -> None:
        self.say("client", m.Control(verb, names))

    @rule(verb=st.sampled_from(Verb), pick=PICKS)
    def control_one_that_fits(self, verb: Verb, pick: int) -> None:
        fits = {
            Verb.CANCEL: {State.READY, State.ASSIGNED},
            Verb.RETRY: {State.FAILED, State.CANCELLED},
            Verb.HOLD: {State.READY, State.WAITING},
            Verb.RELEASE: set(State),
        }[verb]
        found = [n for n in self.hub.graph.names.values() if n.state in fits]
        if verb in (Verb.HOLD, Verb.RELEASE):
            found = [n for n in found if self.hub.is_held(n) == (verb is Verb.RELEASE)]
        if found:
            self.say("client", m.Control(verb, (found[pick % len(found)].name,)))

    @rule(worker=WORKERS, pick=PICKS, stream=st.sampled_from([1, 2]))
    def output(self, worker: str, pick: int, stream: int) -> None:
        held = self.held(worker)
        self.say(worker, m.Output(worker, held[pick % len(held)].id if held else pick, stream, b"a piece"))

    @rule(seconds=st.sampled_from([0.5, 5.0, 100.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.take(self.hub.tick(self.now))

    # -- the store does something --

    @precondition(lambda self: self.heard)
    @rule()
    def write(self) -> None:
        """One turn of the loop: all that was heard is one transaction."""
        self.store.hear(self.heard)
        self.heard = []
        self.durable = known(self.hub)

    @precondition(lambda self: self.copies < 6)
    @rule(again=st.booleans())
    def kill(self, again: bool) -> None:
        """The hub's process ends here; what was not written has not happened."""
        self.copies += 1
        copy = killed(self.store.path, self.directory / f"{self.copies}.db")
        before = self.durable
        self.store.close(self.now, "it goes on elsewhere")
        self.open(copy)
        assert written(self.store) == before
        assert known(self.hub) == before

    @rule()
    def enter_some(self) -> None:
        self.store.idle()

    @precondition(lambda self: not self.heard)
    @invariant()
    def what_is_written_is_what_the_hub_knows(self) -> None:
        copy = killed(self.store.path, self.directory / "look.db")
        other = Store(str(copy), RUN, self.hub.graph.number)
        assert written(other) == known(self.hub)
        other.close(self.now, "looked")


TestStoreMachine = StoreMachine.TestCase
TestStoreMachine.settings = settings(
    max_examples=35, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
