"""Graph and hub under every legal and every illegal move, in any order, beside a simple model."""

from __future__ import annotations

import math
from collections import Counter
from fnmatch import fnmatchcase
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from dwork.core import events as e
from dwork.core import messages as m
from dwork.core.errors import GraphError
from dwork.core.halt import Halt
from dwork.core.messages import Native, Returned, Verb
from dwork.core.resources import Resources
from dwork.core.task import ACTIVE, Options, Result, State, Task
from dwork.hub.graph import LOST, Graph
from dwork.hub.hub import Hub
from dwork.hub.invariants import check_graph
from dwork.hub.node import Node
from dwork.hub.policy import Policy
from dwork.hub.step import Step
from dwork.transport import wire
from tests.facts import facts, look, nodes_of, written

#: What workers have that say so, and tasks that ask for more than a core.
HAS = Resources(4, 4 << 30, 1)
HEAVY = [Options(cores=3), Options(cores=2, memory=3 << 30), Options(gpus=1), Options(cores=9)]
NAMES = st.sampled_from([f"t{i}" for i in range(12)])
AFTER = st.lists(NAMES, max_size=3).map(tuple)
TASKS = st.builds(
    lambda name, command, after, after_any, options: Task(name, command, after, options, after_any=after_any),
    NAMES, st.sampled_from(["x", "x", "x", "y", None]), AFTER, st.lists(NAMES, max_size=2).map(tuple),
    st.sampled_from(
        [Options(), Options(), Options(priority=1), Options(priority=-1, retries=0), Options(retries=2), *HEAVY]
    ),
)  # fmt: skip
BATCHES = st.lists(TASKS, min_size=1, max_size=5).map(tuple)
#: To begin with: some tasks, each after some of those before it.
BEGINNINGS = st.lists(
    st.tuples(
        st.sampled_from(["x", "x", "x", None]),
        st.sets(st.integers(0, 5), max_size=3),
        st.sets(st.integers(0, 5), max_size=2),
    ),
    min_size=5,
    max_size=7,
).map(
    lambda rows: tuple(
        Task(
            f"t{i}",
            command,
            tuple(f"t{p}" for p in after if p < i),
            after_any=tuple(f"t{p}" for p in after_any - after if p < i),
        )
        for i, (command, after, after_any) in enumerate(rows)
    )
)
MOVES = ["start", "start", "finish", "fail", "put_back", "cancel", "suspend", "release", "revive", "revive"]
QUICK = settings(max_examples=60, stateful_step_count=40, deadline=None)


class GraphMachine(RuleBasedStateMachine):
    """The model: the definitions that were accepted, which tasks ended how, and how often each is suspended.

    From that each state follows.
    """

    def __init__(self) -> None:
        super().__init__()
        self.graph = Graph()
        self.after: dict[str, set[str]] = {}
        self.after_any: dict[str, set[str]] = {}
        self.command: dict[str, Any] = {}
        self.ended: dict[str, State] = {}
        self.suspended: Counter[str] = Counter()
        self.held: list[Node] = []

    def expected(self) -> dict[str, set[State]]:
        """The states that each task may be in."""
        found: dict[str, set[State]] = {name: {state} for name, state in self.ended.items()}
        for _ in self.after:  # as many rounds as a chain of all would need
            for name, after in self.after.items():
                before = [found.get(p, set()) for p in after]
                to_end = [found.get(p, set()) for p in self.after_any[name]]
                if name in found or not all(before + to_end):
                    continue
                if any(states & LOST for states in before):
                    found[name] = {State.SKIPPED}
                elif (
                    self.suspended[name]
                    or any(states != {State.DONE} for states in before)
                    or any(states & ACTIVE for states in to_end)
                ):
                    found[name] = {State.WAITING}
                else:
                    found[name] = {State.DONE} if self.command[name] is None else {State.READY, State.ASSIGNED}
        return found

    def culprits(self, name: str) -> set[str]:
        """Those that have failed or were cancelled, and for which the task is skipped."""
        found, seen, stack = set(), {name}, [name]
        while stack:
            for p in self.after[stack.pop()] - seen:
                seen.add(p)
                if self.ended.get(p) in LOST:
                    found.add(p)
                elif self.graph.names[p].state is State.SKIPPED:
                    stack.append(p)
        return found

    def refuses(self, call: Any) -> bool:
        """Whether it raises GraphError; if so, nothing has changed."""
        before = look(self.graph)
        try:
            call()
        except GraphError:
            assert look(self.graph) == before
            return True
        return False

    @initialize(tasks=BEGINNINGS)
    def begin(self, tasks: tuple[Task, ...]) -> None:
        self.add(tasks)

    @rule(tasks=BATCHES)
    def add(self, tasks: tuple[Task, ...]) -> None:
        known = {node.name: node.task for node in nodes_of(self.graph)}
        fresh: dict[str, Task] = {}
        legal = True
        for task in tasks:
            there = known.get(task.name) or fresh.get(task.name)
            if there is None:
                fresh[task.name] = task
            legal = legal and there in (None, task)
        legal = legal and all(p in known or p in fresh for t in fresh.values() for p in t.predecessors)
        legal = legal and not any(set(t.after) & set(t.after_any) for t in fresh.values())
        legal = legal and not has_cycle({name: set(t.predecessors) for name, t in fresh.items()})
        assert self.refuses(lambda: self.graph.add(tasks)) != legal
        if legal:
            self.after |= {name: set(task.after) for name, task in fresh.items()}
            self.after_any |= {name: set(task.after_any) for name, task in fresh.items()}
            self.command |= {name: task.command for name, task in fresh.items()}

    @rule(n=st.integers(-1, 4))
    def take(self, n: int) -> None:
        ready = list(self.graph._ready)
        nodes = self.graph.take(n, "w")
        assert nodes == ready[: max(0, n)]
        self.held += nodes

    @precondition(lambda self: self.after)
    @rule(moves=st.lists(st.tuples(st.sampled_from(MOVES), st.integers(1, 4095)), min_size=8, max_size=16))
    def move(self, moves: list[tuple[str, int]]) -> None:
        """Some in a row, of those nodes that can make them: each as a rule of its own would seldom meet the others."""
        for move, bits in moves:
            nodes = [node for i, node in enumerate(nodes_of(self.graph)) if bits >> i & 1]
            getattr(self, move)(nodes)
            self.agrees_with_the_model()

    def start(self, nodes: list[Node]) -> None:
        self.take(len(nodes))

    def finish(self, nodes: list[Node]) -> None:
        nodes = self.dropped(nodes)
        self.graph.finish(nodes)
        self.ended |= {node.name: State.DONE for node in nodes}

    def fail(self, nodes: list[Node]) -> None:
        for node in self.dropped(nodes):
            skipped = self.graph.fail(node)
            assert all(s.culprit is node for s in skipped)
            self.ended[node.name] = State.FAILED

    def put_back(self, nodes: list[Node]) -> None:
        nodes = self.dropped(nodes)
        self.graph.put_back(nodes, first=len(nodes) > 1)
        assert set(nodes) <= set(self.graph._ready)

    def cancel(self, nodes: list[Node]) -> None:
        for node in nodes[:2]:  # more would leave nothing
            legal = node.state in ACTIVE
            assert self.refuses(lambda node=node: self.graph.cancel(node)) != legal
            if legal:
                self.ended[node.name] = State.CANCELLED
                self.dropped([node])

    def suspend(self, nodes: list[Node]) -> None:
        nodes = [node for node in nodes if node.state in ACTIVE and not node.is_join]
        self.graph.suspend(nodes)
        self.suspended.update(node.name for node in nodes)
        self.dropped(nodes)
        assert not any(node.holder for node in nodes)

    def release(self, nodes: list[Node]) -> None:
        """Those that have ended since can be released as well."""
        nodes = [node for node in nodes if self.suspended[node.name]]
        ready = list(self.graph._ready)
        self.graph.release(nodes)
        self.suspended.subtract(node.name for node in nodes)
        after = list(self.graph._ready)
        assert [node for node in after if node in ready] == ready, "the others keep their places"
        assert set(after) - set(ready) <= set(nodes)

    def revive(self, nodes: list[Node]) -> None:
        nodes = [node for node in nodes if self.ended.get(node.name) in LOST and not node.is_join]
        before = {node: node.culprit for node in nodes_of(self.graph) if node.state is State.SKIPPED}
        resting = self.graph.resting_on(nodes)
        self.graph.put_back(self.dropped(resting))
        revived = self.graph.revoke(resting)
        for node in resting:
            self.ended.pop(node.name, None)
        for node in nodes:
            assert node.holder is None and not node.failures
        free = {node for node, culprit in before.items() if node.culprit is not culprit and not node.is_join}
        assert revived[: len(nodes)] == nodes
        assert set(revived) == {*nodes, *free} and len(revived) == len(nodes) + len(free)

    def dropped(self, nodes: list[Node]) -> list[Node]:
        """Those of nodes that are held; they leave their holder's hands."""
        gone = [node for node in nodes if node in self.held]
        self.held = [node for node in self.held if node not in gone]
        return gone

    @rule(execution=st.lists(st.tuples(NAMES, AFTER), min_size=1, max_size=3, unique_by=lambda wish: wish[0]))
    def extend(self, execution: list[tuple[str, tuple[str, ...]]]) -> None:
        nodes = [(self.graph.names[name], after) for name, after in execution if name in self.graph.names]
        active = all(node.state in ACTIVE for node, _ in nodes)
        known = all(name in self.after for _, after in nodes for name in after)
        wanted = {name: set(after) for name, after in self.after.items()}
        for node, after in nodes:
            wanted[node.name] |= set(after)
        # What is done waits for nothing: a way through it is no way. One through what is lost is, if that is revived.
        open_ = {n: {p for p in after if not self.is_done(p)} for n, after in wanted.items()}
        for name, after_any in self.after_any.items():
            open_[name] |= {p for p in after_any if not self.is_done(p)}
        to_end = any(set(after) & self.after_any[node.name] for node, after in nodes)
        legal = active and known and not to_end and not has_cycle(open_)
        assert self.refuses(lambda: self.graph.extend(nodes)) != legal
        if legal:
            self.after = wanted
            back = self.dropped([node for node, _ in nodes])
            self.graph.put_back([node for node in back if node.state is State.ASSIGNED])

    @rule(gap=st.integers(0, 2), backward=st.booleans())
    def restore(self, gap: int, backward: bool) -> None:
        """Go on with a graph that has been written out and read back."""
        old = self.graph
        entries = written(old, old.suspended, gap)
        self.graph = Graph()
        skipped = self.graph.restore(entries[::-1] if backward else entries)
        assert set(skipped) == {n for n in nodes_of(self.graph) if n.state is State.SKIPPED and not n.is_join}
        assert len(skipped) == len(set(skipped))
        if not any(self.command[name] is None for name in self.ended):
            assert {n.name: n.state for n in nodes_of(self.graph)} == {n.name: n.state for n in nodes_of(old)}
            assert self.graph.counts == old.counts
        # A join that was cancelled is not known to be: what it is follows from the others.
        self.ended = {name: state for name, state in self.ended.items() if self.command[name] is not None}
        self.suspended = Counter({name: 1 for name, n in self.suspended.items() if n})
        self.held = [self.graph.names[node.name] for node in self.held]

    def is_done(self, name: str) -> bool:
        node = self.graph.find(name)
        return node is not None and node.state is State.DONE

    @invariant()
    def agrees_with_the_model(self) -> None:
        check_graph(self.graph)
        nodes = nodes_of(self.graph)
        assert {node.name for node in nodes if node.state is State.ASSIGNED} == {n.name for n in self.held}
        assert {node.name: n for node, n in self.graph.suspended.items()} == +self.suspended
        expected = self.expected()
        for node in nodes:
            assert node.state in expected[node.name], node
            if node.culprit is not None:
                assert node.culprit.name in self.culprits(node.name), f"{node} because of {node.culprit}"


def has_cycle(after: dict[str, set[str]]) -> bool:
    """By taking away what waits for nothing, until nothing is left or nothing more goes."""
    left = {name: {p for p in before if p in after} for name, before in after.items()}
    while free := {name for name, before in left.items() if not before}:
        left = {name: before - free for name, before in left.items() if name not in free}
    return bool(left)


TestGraphMachine = GraphMachine.TestCase
TestGraphMachine.settings = settings(QUICK, stateful_step_count=30)  # each with many moves


LOCATIONS = st.sampled_from(["u", "v", "w", ""])
PEERS = st.sampled_from(["P", "Q", "R"])
KEYS = NAMES | st.integers(0, 14) | st.just(2**64 - 1)
NATIVES = st.builds(
    lambda slots, wait: (slots, wait), st.sampled_from([0, 0, 1, 2, 5]), st.sampled_from([0.0, 5.0, math.inf, math.nan])
)
RESULTS = st.lists(
    st.tuples(KEYS, st.sampled_from([0, 0, 1, 2]), st.sampled_from([0, 0, 0, 1, 255])).map(lambda row: Result(*row)),
    min_size=1,
    max_size=4,
).map(tuple)


TEXTS = NAMES | st.sampled_from(["#0", "#3", "#99", "#", "nosuch", "*", "t?", "t[0-5]", "n*", "[z-a]"])


class HubMachine(RuleBasedStateMachine):
    """The model: who holds what, what ended how and what must not start, told by the replies and events alone."""

    def __init__(self) -> None:
        super().__init__()
        self.hub = Hub()
        self.now = 0.0
        self.sequences: Counter[str] = Counter()
        self.native: set[str] = set()  # peers that have said `slots`
        self.held: dict[int, str] = {}
        self.final: dict[int, State] = {}
        self.kept: set[int] = set()  # on hold
        self.doomed: set[int] = set()  # their worker has been told to end them
        self.waiting: dict[str, int] = {}  # by peer: the number of the Steal that is unanswered

    @initialize(
        retries=st.integers(0, 1),
        delay=st.sampled_from([0.0, 1.0]),
        losses=st.sampled_from([1, 2, 5]),
        halt=st.sampled_from([None, None, None, Halt(False, 3), Halt(True, 2)]),
        tasks=BEGINNINGS,
    )
    def begin(self, retries: int, delay: float, losses: int, halt: Halt | None, tasks: tuple[Task, ...]) -> None:
        self.hub = Hub(Policy(retries=retries, delay=delay, losses=losses, halt=halt))
        self.say("P", m.Create(tasks))

    # -- what the hub says --

    def follow(self, step: Step) -> Step:
        finished = {ended.id for event in step.events if isinstance(event, e.Finished) for ended in event.tasks}
        for event in step.events:
            if isinstance(event, e.Stolen) and self.hub.stop.reason:  # what was finished by a worker thought lost
                assert {assigned.id for assigned in event.tasks} <= finished
            self.hear(event)
        for peer, message in step.sends:
            wire.decode_reply(wire.encode(message))
            assert peer is not None, "it has not been heard of"
            assert peer in self.native or not isinstance(message, m.Welcome | m.Recall | m.Cancel)
            if isinstance(message, m.Transfer):
                assert message.tasks, "a Transfer of nothing"
            if isinstance(message, m.Recall):
                assert message.n > 0
            if isinstance(message, m.Transfer | m.Exit | m.NotFound):
                self.waiting.pop(peer, None)  # type: ignore[call-overload]
        return step

    def hear(self, event: e.Event) -> None:
        match event:
            case e.Stolen(location=location, tasks=tasks):
                for assigned in tasks:
                    assert assigned.id not in self.held and assigned.id not in self.final
                    assert assigned.id not in self.kept
                    assert assigned.attempt >= 1
                    self.held[assigned.id] = location
            case e.Finished(location=location, tasks=tasks):
                for ended in tasks:
                    assert self.held.pop(ended.id) == location
                    self.finally_(ended.id, State.DONE)
            case e.Failed(location=location, task=ended):
                if "died" in ended.result.error:  # it was requeued before
                    assert ended.id not in self.held
                else:
                    assert self.held.pop(ended.id) == location
                self.finally_(ended.id, State.FAILED)
            case e.Killed(location=location, task=ended):
                assert self.held.pop(ended.id) == location
                assert ended.id in self.doomed or self.hub.stop.reason
                self.finally_(ended.id, State.CANCELLED)
            case e.Retried(location=location, task=ended) | e.Interrupted(location=location, task=ended):
                assert self.held.pop(ended.id) == location
                assert ended.id not in self.doomed
            case e.Requeued(location=location, tasks=named):
                for task in named:
                    assert self.held.pop(task.id) == location
            case e.Held(tasks=named):
                assert not self.kept & {task.id for task in named}
                self.kept |= {task.id for task in named}
            case e.Released(tasks=named):
                assert self.kept >= {task.id for task in named}
                self.kept -= {task.id for task in named}
            case e.Revoked(tasks=named, was=was):
                for task in named:
                    assert self.final[task.id] is was
                    if was is State.DONE:  # else a Revived follows
                        del self.final[task.id]
            case e.Revived(tasks=named):
                for task in named:
                    assert self.final.pop(task.id) is not State.DONE
            case e.Cancelled(tasks=named):
                for task in named:
                    self.held.pop(task.id, None)
                    self.finally_(task.id, State.CANCELLED)
            case e.Skipped(tasks=named):
                for task in named:
                    self.finally_(task.id, State.SKIPPED)

    def finally_(self, id: int, state: State) -> None:
        assert id not in self.final, "a task ends once"
        self.final[id] = state
        self.doomed.discard(id)

    # -- moves --

    def say(self, peer: str, message: Any) -> Step:
        """Say it; a peer of the original dialect gets exactly one reply, and an Error has changed nothing."""
        self.now += 1.0
        message = wire.decode_request(wire.encode(message))
        before = look(self.hub.graph), repr(facts(self.hub))
        step = self.follow(self.hub.receive(peer, message, self.now))
        replies = [reply for to, reply in step.sends if to == peer]
        if getattr(message, "native", None) is None:
            answers = [r for r in replies if not getattr(r, "answers", 0) and not isinstance(r, m.Recall | m.Cancel)]
            assert len(answers) >= 1
            assert peer in self.native or len(replies) == 1
        if any(isinstance(reply, m.Error) for reply in replies):
            assert not step.events
            assert (look(self.hub.graph), repr(facts(self.hub))) == before, "a refused request changes nothing"
        return step

    def number(
        self, peer: str, native: tuple[int, float], held: tuple[tuple[int, int], ...] | None = None
    ) -> Native | None:
        slots, wait = native
        if not slots:
            return None
        self.native.add(peer)
        self.sequences[peer] += 1
        beat = 5.0 if peer == "R" else 0.0
        is_first = self.sequences[peer] == 1
        return Native(slots, wait, self.sequences[peer], held, is_first, beat, HAS if is_first or held else None)

    @rule(tasks=BATCHES, peer=PEERS)
    def create(self, tasks: tuple[Task, ...], peer: str) -> None:
        self.say(peer, m.Create(tasks))

    @rule(peer=PEERS, location=LOCATIONS, n=st.sampled_from([1, 1, 2, 100, 0, -1, -(2**31)]), native=NATIVES)
    def steal(self, peer: str, location: str, n: int, native: tuple[int, float]) -> None:
        self.say(peer, m.Steal(location, n, self.number(peer, native)))

    @rule(peer=PEERS, location=LOCATIONS, native=NATIVES, data=st.data())
    def compare(self, peer: str, location: str, native: tuple[int, float], data: st.DataObject) -> None:
        ids = data.draw(st.sets(st.integers(0, 14), max_size=3)) | set(list(self.held)[:2])
        nodes = self.hub.graph.nodes
        told = tuple((id, node.attempt if id < len(nodes) and (node := nodes[id]) else 1) for id in sorted(ids))
        numbered = self.number(peer, native, told)
        self.say(peer, m.Steal(location, 1, numbered))
        if numbered:
            worker = self.hub.workers[location]
            new = [id for id in worker.held if id not in ids]
            assert len(new) <= max(1, worker.slots)  # handed out just now

    @rule(peer=PEERS, location=LOCATIONS, results=RESULTS, steal=st.sampled_from([0, 1, 9]), native=NATIVES)
    def complete_anything(
        self, peer: str, location: str, results: tuple[Result, ...], steal: int, native: tuple[int, float]
    ) -> None:
        by_name = tuple(r for r in results if isinstance(r.task, str))
        by_number = tuple(r for r in results if not isinstance(r.task, str))
        for some in (by_name, by_number):
            if some:
                self.say(peer, m.Complete(location, some, steal, self.number(peer, native)))

    @precondition(lambda self: self.held)
    @rule(data=st.data(), status=st.sampled_from([0, 0, 1]), steal=st.sampled_from([0, 1, 9]))
    def complete_what_is_held(self, data: st.DataObject, status: int, steal: int) -> None:
        id = data.draw(st.sampled_from(sorted(self.held)))
        worker = self.hub.workers[self.held[id]]
        attempt = self.hub.graph.nodes[id].attempt
        peer: Any = worker.peer
        hand = None
        if peer is None:  # the hub was restarted: it wants to hear all
            peer = "P"
            hand = tuple((other.id, other.attempt) for other in worker.held.values() if other.id != id)
        native = self.number(peer, (worker.slots, math.inf), hand)
        is_doomed = id in self.doomed
        step = self.say(peer, m.Complete(worker.location, (Result(id, attempt, status),), steal, native))
        bad = e.Interrupted if self.hub.stop.interrupts else e.Failed | e.Retried | e.Killed
        is_good = not status and not self.hub.stop.in_doubt
        kinds = e.Finished if is_good else e.Killed if is_doomed else bad
        assert any(isinstance(event, kinds) for event in step.events)
        again = self.number(peer, (worker.slots, 0.0))
        told = self.say(peer, m.Complete(worker.location, (Result(id, attempt, status),), 0, again))
        assert not any(isinstance(event, e.Finished | e.Failed | e.Retried | e.Killed) for event in told.events)
        if id in self.final:
            assert any(to == peer and isinstance(reply, m.OK) for to, reply in told.sends), "it came before"

    @rule(peer=PEERS, location=LOCATIONS, keys=st.lists(KEYS, min_size=1, max_size=3), after=AFTER, native=NATIVES)
    def give_back(
        self, peer: str, location: str, keys: list[Any], after: tuple[str, ...], native: tuple[int, float]
    ) -> None:
        worker = self.hub.workers.get(location)
        held = sorted(worker.held)[:2] if worker else []
        returned = tuple(Returned(key, after if i % 2 else ()) for i, key in enumerate([*keys, *held, *held]))
        numbered = self.number(peer, native) if worker is not None and worker.peer == peer else None
        self.say(peer, m.GiveBack(location, returned, numbered))

    @precondition(lambda self: State.DONE in self.final.values())
    @rule(data=st.data())
    def take_back_an_end(self, data: st.DataObject) -> None:
        """A worker whose job is being ended says that what it has reported done proves nothing."""
        done = sorted(id for id, state in self.final.items() if state is State.DONE)
        node = self.hub.graph.nodes[data.draw(st.sampled_from(done))]
        worker = self.hub.workers.get(node.holder)
        if worker is None or not worker.slots or worker.peer is None:
            return
        self.say(
            worker.peer,
            m.GiveBack(worker.location, (Returned(node.id),), self.number(worker.peer, (worker.slots, 0.0))),
        )
        assert self.final.get(node.id) is not State.DONE

    @rule(sure=st.integers(0, 6))
    def end_of_job(self, sure: int) -> None:
        if sure == 6:  # seldom: nothing is handed out after it
            done = set(self.hub._endings.recent(self.now))
            self.follow(self.hub.end_of_job(self.now, "SIGTERM"))
            assert not any(node.state in (State.DONE, State.FAILED) for node in done)

    @rule(peer=PEERS, location=LOCATIONS)
    def exit(self, peer: str, location: str) -> None:
        known = location in self.hub.workers
        step = self.say(peer, m.Exit(location))
        assert (peer, m.OK() if known else m.NotFound()) in step.sends
        assert location not in self.hub.workers

    @rule(peer=PEERS, name=NAMES | st.sampled_from(["#0", "#99", "#", "#" + "1" * 30]))
    def look_up(self, peer: str, name: str) -> None:
        self.say(peer, m.Lookup(name))
        self.say(peer, m.OK())

    def meant(self, verb: Verb, texts: tuple[str, ...]) -> set[int] | None:
        """The ids of the tasks that a Control is about; None when it is illegal."""
        nodes = nodes_of(self.hub.graph)
        fitting = {
            Verb.CANCEL: [n for n in nodes if n.id not in self.final],
            Verb.RETRY: [n for n in nodes if self.final.get(n.id) in (State.FAILED, State.CANCELLED)],
            Verb.HOLD: [n for n in nodes if not {n.id} & {*self.final, *self.held, *self.kept}],
            Verb.RELEASE: [n for n in nodes if n.id in self.kept],
        }[verb]
        fitting = [node for node in fitting if not node.is_join]
        meant: set[int] = set()
        for text in texts:
            named = {node.id for node in nodes if text in (node.name, f"#{node.id}")}
            matching = {node.id for node in nodes if fnmatchcase(node.name, text)}
            if named - {node.id for node in fitting} or not (named or matching):
                return None
            meant |= named or matching & {node.id for node in fitting}
        return meant

    @rule(
        peer=PEERS,
        verb=st.sampled_from([*Verb, Verb.RETRY]),
        texts=st.lists(TEXTS, min_size=1, max_size=2).map(tuple),
    )
    def control(self, peer: str, verb: Verb, texts: tuple[str, ...]) -> None:
        meant = self.meant(verb, texts)
        step = self.say(peer, m.Control(verb, texts))
        if meant is None:
            assert any(to == peer and isinstance(reply, m.Error) for to, reply in step.sends)
            return
        assert (peer, m.OK(n=len(meant))) in step.sends
        for id in meant:
            match verb:
                case Verb.CANCEL if id in self.held:
                    self.doomed.add(id)
                    to = self.hub.workers[self.held[id]].peer
                    asked = [
                        task
                        for p, message in step.sends
                        if p == to and isinstance(message, m.Cancel)
                        for task in message.tasks
                    ]
                    assert to is None or id in asked
                case Verb.CANCEL:
                    assert self.final[id] in (State.CANCELLED, State.SKIPPED)
                case Verb.RETRY:
                    assert self.final.get(id, State.SKIPPED) is State.SKIPPED
                case Verb.HOLD:
                    assert id in self.kept
                case Verb.RELEASE:
                    assert id not in self.kept

    @rule(backward=st.booleans())
    def restart(self, backward: bool) -> None:
        """The hub dies, and another one goes on from what was recorded; it has heard of nobody yet."""
        old = self.hub
        entries = written(old.graph, {node for node in old.graph.suspended if node.id in self.kept})
        slots = {worker.location: worker.slots for worker in old.workers.values() if worker.slots}
        self.hub = Hub(old.policy)
        step = self.hub.restore(entries[::-1] if backward else entries, self.now, slots)
        assert not step.sends
        (resumed,) = step.events
        assert isinstance(resumed, e.Resumed)
        tasks = {node.id for node in nodes_of(self.hub.graph) if not node.is_join}
        assert sorted(resumed.ids) == sorted(tasks - self.final.keys())
        self.doomed.clear()

    @rule(peer=PEERS, reply=st.sampled_from([m.NotFound(), m.Error("x"), m.Recall(1), m.Transfer(())]))
    def send_what_is_no_request(self, peer: str, reply: Any) -> None:
        step = self.follow(self.hub.receive(peer, reply, self.now))
        assert [type(message) for to, message in step.sends if to == peer] == [m.Error]

    @rule(peer=PEERS, location=LOCATIONS, id=st.integers(0, 14))
    def output(self, peer: str, location: str, id: int) -> None:
        step = self.follow(self.hub.receive(peer, m.Output(location, id, 1, b"x"), self.now))
        assert not step.sends
        assert bool(step.events) == (self.held.get(id) == location)

    @rule(peer=PEERS | st.just("nobody"))
    def lose(self, peer: str) -> None:
        self.follow(self.hub.lose({peer: ()}, self.now, "gone"))
        assert not any(w.peer == peer and w.slots for w in self.hub.workers.values())

    @precondition(lambda self: self.hub._state.orphans)
    @rule(peer=PEERS, data=st.data(), status=st.sampled_from([None, None, 0, 0, 1]), slots=st.integers(1, 2))
    def come_back(self, peer: str, data: st.DataObject, status: int | None, slots: int) -> None:
        """A worker that was taken for lost has a task still (None), or has ended it."""
        copies = self.hub._state.orphans._copies
        node = data.draw(st.sampled_from(sorted(copies, key=lambda node: node.id)))
        location = data.draw(st.sampled_from(sorted(copies[node])))
        attempt = copies[node][location]
        held = self.hub.workers[location].held if location in self.hub.workers else {}
        if node.id in held:
            return  # it was given that anew, and its run counts as the later attempt
        hand = tuple((id, other.attempt) for id, other in held.items())
        before, last = node.state, node.attempt
        if status is None:
            native = self.number(peer, (slots, 0.0), (*hand, (node.id, attempt)))
            step = self.say(peer, m.Steal(location, 1, native))
            dropped = {id for to, msg in step.sends if to == peer and isinstance(msg, m.Cancel) for id in msg.tasks}
            if before is State.READY and attempt == last and not self.hub.stop.reason:
                assert self.held[node.id] == location and node.attempt == attempt
            if before in ACTIVE:
                assert node.id not in dropped - self.doomed or self.hub.stop.reason
            else:
                assert node.id in dropped
            return
        native = self.number(peer, (slots, 0.0), hand)
        step = self.say(peer, m.Complete(location, (Result(node.id, attempt, status),), 0, native))
        if status == 0 and before in (State.READY, State.ASSIGNED):
            assert self.final[node.id] is State.DONE
            assert any(to == peer and isinstance(reply, m.OK) for to, reply in step.sends)
        else:
            assert not any(isinstance(event, e.Finished | e.Failed | e.Retried | e.Killed) for event in step.events)

    @rule(peer=PEERS, location=LOCATIONS)
    def beat(self, peer: str, location: str) -> None:
        native = self.number(peer, (1, 0.0))
        assert native is not None
        step = self.say(peer, m.Beat(location, native))
        assert any(to == peer and isinstance(reply, m.OK | m.Welcome) for to, reply in step.sends)

    @rule(seconds=st.sampled_from([0.0, 1.0, 5.0, 50.0]))
    def tick(self, seconds: float) -> None:
        self.now += seconds
        silent = {w.location for w in self.hub.workers.values() if w.beat and self.now - w.heard >= 60.0}
        step = self.follow(self.hub.tick(self.now))
        left = {event.location for event in step.events if isinstance(event, e.Left)}
        assert left <= silent
        unmet = [event for event in step.events if isinstance(event, e.Unmet)]
        assert not any(worker.could(event.asked) for event in unmet for worker in self.hub.workers.values())
        expected: Any = e.Stolen | e.Unmet | e.Requeued | e.Cancelled if self.hub.stop.kills else e.Stolen | e.Unmet
        assert left or all(isinstance(event, expected | e.Skipped) for event in step.events)
        assert self.hub.deadline > self.now

    @rule(running=st.booleans(), sure=st.integers(0, 4))
    def stop(self, running: bool, sure: int) -> None:
        if sure == 4:  # seldom: nothing is handed out after it
            self.follow(self.hub.drain(self.now, "enough", running=running))

    @invariant()
    def agrees_with_the_model(self) -> None:
        self.hub.check()
        assert self.held == {id: w.location for w in self.hub.workers.values() for id in w.held}
        ends = {n.id: n.state for n in nodes_of(self.hub.graph) if n.state not in ACTIVE and not n.is_join}
        assert self.final == ends
        assert self.kept == {node.id for node in self.hub.graph.names.values() if self.hub.is_held(node)}
        assert not (self.hub.over and self.hub.workers.parked), "who waits is told when all is finished"


TestHubMachine = HubMachine.TestCase
TestHubMachine.settings = QUICK
