"""The task graph: which task waits for which, what is ready, and what the end of a task means for the others.

The state machine. All code that changes a task's state is in this file (and in `ReadyQueue.take`).

    state      entered when                                   left for
    waiting    a predecessor is unfinished, or the task is    ready (nothing is left to wait for), skipped, cancelled
               suspended
    ready      nothing is left to wait for                    assigned (take), waiting (extend, suspend, revoke,
                                                              revive), skipped, cancelled
    assigned   a worker holds it                              done, failed, ready or waiting (put_back, suspend,
                                                              extend), skipped, cancelled
    done       it succeeded                                   ready or waiting (revoke)
    failed     it failed for good                             ready, waiting or skipped (revive)
    skipped    a predecessor that must be done failed, or     waiting (that predecessor is revived, and no other one
               was skipped or cancelled                       is lost)
    cancelled  it was cancelled on request                    ready, waiting or skipped (revive)

Edges are of two kinds. A predecessor of `after` must be done; when it is lost, the task is skipped. A predecessor of
`after_any` must have ended: done, failed, skipped or cancelled. So a done task releases all its successors, and a lost
one releases those of the second kind and skips the others. A failed task that will be retried has not ended. A task
that runs again, for whatever reason, has not ended any more; then all that rests on it must run again, too.

To *suspend* a task (because it is held, or must wait before a retry) is to count one more unfinished predecessor;
`release` takes that back. `restore` fills the graph from a record and sets the states directly.

A *join* is a task with nothing to run. It is never ready: it is done as soon as it waits for nothing, and passes
skipping on like any other task. So a barrier between n tasks and m successors costs n + m edges, not n * m.

Each edge is walked once forward (when its predecessor is done, or when a failure spreads), so the total time for a
graph is linear in tasks plus edges, however wide it fans out. Nothing is recursive: chains may be a million tasks long.

Illegal requests raise GraphError before anything has changed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from dwork.core.errors import GraphError
from dwork.core.resources import Resources
from dwork.core.task import ACTIVE, State, Task, TaskKey
from dwork.hub.links import added_predecessors, fresh_nodes, refuse_cycle, resolve
from dwork.hub.node import AnyNode, Node
from dwork.hub.ready_queue import ReadyQueue, Room

WAITING, READY, ASSIGNED, DONE = State.WAITING, State.READY, State.ASSIGNED, State.DONE
FAILED, SKIPPED, CANCELLED = State.FAILED, State.SKIPPED, State.CANCELLED
LOST = frozenset({FAILED, SKIPPED, CANCELLED})
_STARTED = frozenset({READY, ASSIGNED, DONE})
CULPRITS = frozenset({FAILED, CANCELLED})
RECORDED = frozenset({ASSIGNED, DONE, FAILED, CANCELLED})


class Restored(NamedTuple):
    """A task from a record. A task that is neither done, failed, cancelled nor assigned will run.

    The states of joins, and which tasks are skipped, follow from the other tasks. losses: how many times the task was
    lost with its worker or with a whole run; spared: it has failed because of that, and is tried once more. last: its
    place among the tasks that go last, from 1; 0 when it goes in its normal turn. printed: how many bytes of stdout and
    stderr of the assigned attempt are recorded.
    """

    id: int
    task: Task
    state: State = State.WAITING
    attempt: int = 0
    holder: str | None = None
    suspended: bool = False
    failures: int = 0
    losses: int = 0
    last: int = 0
    spared: bool = False
    printed: tuple[int, int] = (0, 0)


class Addition(NamedTuple):
    """The result of `add`: the new nodes in order of their ids, and the skipped ones, which have a culprit."""

    nodes: list[Node]
    skipped: list[Node]


class Graph:
    """All tasks, by id and by name; `counts` has the number of tasks (without joins) in each state.

    nodes has None for ids of a record whose tasks no longer exist. suspended: how many times each task is suspended.
    has_after_any: whether any task waits only for the end of another.
    """

    def __init__(self, *, unknown_is_done: bool = False) -> None:
        self.nodes: list[Node | None] = []
        self.names: dict[str, Node] = {}
        self.counts: dict[State, int] = dict.fromkeys(State, 0)
        self.suspended: Counter[Node] = Counter()
        self.has_after_any = False
        self._ready = ReadyQueue()
        self._unknown_is_done = unknown_is_done

    def __len__(self) -> int:
        return len(self.nodes)

    @property
    def active(self) -> int:
        """The number of tasks that run or may still run."""
        return self.counts[WAITING] + self.counts[READY] + self.counts[ASSIGNED]

    @property
    def ready(self) -> int:
        return self.counts[READY]

    @property
    def is_plain(self) -> bool:
        """Whether all ready tasks ask for one core and nothing else."""
        return self._ready.is_plain

    def kinds(self) -> dict[Resources, int]:
        """Return the kinds of request of the ready tasks, each with the highest priority among its tasks."""
        return self._ready.kinds()

    def upcoming(self, n: int) -> Iterator[Node]:
        """Return up to n ready tasks, in the order in which they would be taken."""
        return islice(self._ready, n)

    def find(self, key: TaskKey) -> Node | None:
        """Return the node with this id or name; None when there is none."""
        if isinstance(key, int):
            return self.nodes[key] if 0 <= key < len(self.nodes) else None
        return self.names.get(key)

    def number(self, name: str) -> int | None:
        """Return the id of the task with this name; None when there is none."""
        node = self.names.get(name)
        return None if node is None else node.id

    # -- adding ------------------------------------------------------------------------------------------------

    def add(self, tasks: Sequence[Task]) -> Addition:
        """Add tasks, which may refer to one another in any order; on GraphError nothing has changed.

        A task that already exists with the same definition is ignored, so a client that lost the answer to a Create can
        send it again.
        """
        fresh = fresh_nodes(tasks, self.names)
        self.names.update(fresh)
        try:
            ids = range(len(self.nodes), len(self.nodes) + len(fresh))
            order = resolve(fresh.values(), ids, self.names, unknown_is_done=self._unknown_is_done)
        except GraphError:
            for name in fresh:
                del self.names[name]
            raise
        self.nodes += fresh.values()
        return Addition(list(fresh.values()), self._place(order))

    def restore(self, tasks: Sequence[Restored], next_id: int = 0) -> list[Node]:
        """Fill an empty graph from a record, in this order; return the skipped nodes.

        next_id: lower ids are not used again, even if their tasks no longer exist. GraphError for an inconsistent
        record.
        """
        assert not self.nodes, "a graph is restored before anything else"
        self.nodes = [None] * max(next_id, 1 + max((entry.id for entry in tasks), default=-1))
        entries = [((AnyNode if entry.task.after_any else Node)(entry.task), entry) for entry in tasks]
        self.names = {node.name: node for node, _ in entries}
        if len(self.names) < len(tasks) or len({entry.id for entry in tasks}) < len(tasks):
            raise GraphError("two tasks in the record have the same name or id")
        ids = [entry.id for entry in tasks]
        order = resolve([node for node, _ in entries], ids, self.names, unknown_is_done=self._unknown_is_done)
        for node, (id, _, state, attempt, holder, suspended, failures, losses, last, _, _) in entries:
            self.nodes[id] = node
            if last:
                self.demote(node, losses, last)
            node.attempt, node.failures = attempt, failures
            if state in RECORDED and not node.is_join:
                node.state, node.holder = state, holder
            if suspended:
                self.suspended[node] = node.waiting = 1
        return self._place(order)

    def _place(self, order: Collection[Node]) -> list[Node]:
        """Link new nodes to their predecessors and set their states; return the skipped ones."""
        skipped: list[Node] = []
        ready: list[Node] = []
        for node in order:
            if node.task.command is not None:
                self.counts[node.state] += 1
            if node.predecessors:
                self._link(node, node.predecessors)
        for node in order:
            self._enter(node, ready, skipped)
        self._make_ready(ready)
        self._ready.append(ready)
        return skipped

    def _link(self, node: Node, predecessors: Iterable[Node]) -> None:
        after_any = node.after_any
        if after_any:
            self.has_after_any = True
        for p in predecessors:
            if p.state is not DONE:
                if not after_any or node.waits_for(p):
                    node.waiting += 1
                if p.successors is None:
                    p.successors = [node]
                else:
                    p.successors.append(node)

    def _enter(self, node: Node, ready: list[Node], skipped: list[Node]) -> None:
        """Set the first state of a new node, whose predecessors have theirs."""
        if node.state is not WAITING:  # restored
            return
        if not node.waiting:
            if node.task.command is None:  # a join: its successors enter later, so counting down is enough
                node.state = DONE
                for s in node.successors or ():
                    s.waiting -= 1
            else:
                ready.append(node)
        else:
            needed = node.needed if node.after_any else node.predecessors  # the same, and faster for a million tasks
            lost = next((p for p in needed if p.state in LOST), None)
            if lost is not None:
                skipped += self._skip_all([node], lost.culprit or lost)

    # -- what workers do ---------------------------------------------------------------------------------------

    def take(self, n: int, holder: str, room: Room | None = None) -> list[Node]:
        """Assign up to n ready tasks to holder, in order; only those that fit into room, unless it is None."""
        nodes = self._ready.take(n, room)
        for node in nodes:
            node.holder = holder
            node.attempt += 1
        self.counts[READY] -= len(nodes)
        self.counts[ASSIGNED] += len(nodes)
        return nodes

    def adopt(self, node: Node, holder: str) -> None:
        """Assign a ready node to a worker that turns out to hold it; the attempt stays the same."""
        self._move(node, ASSIGNED)
        node.holder = holder

    def finish(self, nodes: Sequence[Node]) -> None:
        """Mark assigned nodes as done; the tasks that this releases go first."""
        released: list[Node] = []
        for node in nodes:
            node.state = DONE
            if node.successors is not None:
                self._release(node.successors, released)
        self.counts[ASSIGNED] -= len(nodes)
        self.counts[DONE] += len(nodes)
        if released:
            self._go_first(released)

    def fail(self, node: Node) -> list[Node]:
        """Mark a node that is or was assigned as failed; return the nodes that are skipped because of it."""
        self._move(node, FAILED)
        return self._skip_all([node], node)

    def cancel(self, node: Node) -> list[Node]:
        """Cancel an active node; return the nodes that are skipped because of it. GraphError when it is not active."""
        if node.state not in ACTIVE:
            raise GraphError(f"task {node.name!r} is already {node.state.value}")
        self._move(node, CANCELLED)
        return self._skip_all([node], node)

    def put_back(self, nodes: Sequence[Node], *, first: bool = True) -> None:
        """Make assigned nodes ready again, at the front (given back, lost) or at the back (to be retried)."""
        for node in nodes:
            self._move(node, READY)
            node.holder = None
        if first:
            self._ready.prepend(nodes)
        else:
            self._ready.append(nodes)

    def untake(self, nodes: Sequence[Node]) -> None:
        """Take back assigned nodes that have not started: no attempt counts, and those that can run go first.

        A node that `extend` has already taken from its holder, since it must wait now or is skipped, stays as it is.
        """
        for node in nodes:
            node.attempt -= 1
        self.put_back([node for node in nodes if node.state is ASSIGNED])

    def set_aside(self, nodes: Sequence[Node]) -> None:
        """Suspend nodes that were taken and have not started: no attempt counts."""
        for node in nodes:
            node.attempt -= 1
        self.suspend(nodes)

    def count_failure(self, node: Node) -> int:
        """Count a failed attempt of an assigned node; return how many there are."""
        node.failures += 1
        return node.failures

    def forgive(self, node: Node) -> None:
        """Take back one failure of an active node."""
        node.failures -= 1

    def demote(self, node: Node, losses: int, place: int = 0) -> None:
        """Let a node go last whenever it becomes ready: after those with fewer losses, then by place."""
        self._ready.last[node] = (losses << 24) + place

    def promote(self, nodes: Iterable[Node]) -> None:
        """Let nodes go in their normal turn again."""
        if self._ready.last:
            for node in nodes:
                self._ready.last.pop(node, None)

    def suspend(self, nodes: Iterable[Node]) -> None:
        """Keep active nodes from starting until they are released; an assigned one is taken from its holder."""
        for node in nodes:
            node.waiting += 1
            self.suspended[node] += 1
            if node.state is not WAITING:
                self._move(node, WAITING)
                node.holder = None

    def release(self, nodes: Iterable[Node]) -> None:
        """Take back one suspension of each node."""
        ready = []
        for node in nodes:
            node.waiting -= 1
            self.suspended[node] -= 1
            if not self.suspended[node]:
                del self.suspended[node]
            if not node.waiting and node.state is WAITING:
                ready.append(node)
        self._make_ready(ready)
        self._ready.append(ready)

    def revive(self, nodes: Sequence[Node]) -> list[Node]:
        """Let failed or cancelled tasks run after all; return them and the tasks that are not skipped because of them.

        Of these, a node that depends on another lost task becomes or remains skipped, because of that one. Each edge
        below the nodes is walked once, and each node's predecessors are inspected once. Tasks that have started since
        some of these had ended must be revoked as well: see `resting_on`.
        """
        for node in nodes:
            self._move(node, SKIPPED)  # until no other lost predecessor is found
            node.holder, node.failures = None, 0
        lost = {node: lost_predecessors(node) for node in nodes}  # by node: how many of its predecessors are lost
        revived = list(nodes)
        chosen = set(nodes)
        stack = [node for node in nodes if not lost[node]]
        while stack:
            node = stack.pop()
            self._move(node, WAITING if node.waiting else READY)
            node.culprit = None
            for s in node.successors or ():
                if node in s.after_any:  # it had ended, and has not any more
                    s.waiting += 1
                    if s.state is READY:
                        self._move(s, WAITING)
                elif s.state is SKIPPED:
                    lost[s] = lost[s] - 1 if s in lost else lost_predecessors(s)
                    if not lost[s]:
                        stack.append(s)
                        if not s.is_join and s not in chosen:
                            revived.append(s)
        self._ready.append([node for node in nodes if node.state is READY])
        moved = self._reassign_culprits([node for node, left in lost.items() if left])
        return revived + [node for node in moved if node not in chosen and not node.is_join]

    def resting_on(self, nodes: Iterable[Node]) -> list[Node]:
        """Return nodes, and all tasks after them that are ready, assigned or done and must be taken back with them."""
        found = dict.fromkeys(nodes)
        size = 0
        while size < len(found):  # usually one pass, since predecessors usually come first
            size = len(found)
            for node in self.names.values():
                if node not in found and not found.keys().isdisjoint(node.predecessors):
                    # A task that is skipped no more has not ended any more, whatever was started because of its end.
                    is_revived = node.state is SKIPPED and all(p in found for p in node.needed if p.state in LOST)
                    if is_revived or node.state in _STARTED:
                        found[node] = None
        return [node for node in found if node.state is not SKIPPED]

    def revoke(self, nodes: Sequence[Node]) -> list[Node]:
        """Let nodes that are not assigned run again; nodes must include all that `resting_on` finds.

        Return those that had failed or were cancelled, and what else `revive` returns for them.
        """
        undone = {node: set(node.successors or ()) for node in nodes if node.state is DONE}
        for node in self.names.values():
            for p in node.predecessors if not undone.keys().isdisjoint(node.predecessors) else ():
                if p in undone:
                    node.waiting += 1
                    if node not in undone[p]:  # it was added after p was done
                        p.successors = [*(p.successors or ()), node]
        lost = [node for node in nodes if node.state in CULPRITS]
        others = [node for node in nodes if node.state not in CULPRITS]
        revived = self.revive(lost)
        for node in others:
            self._move(node, WAITING if node.waiting else READY)
            node.holder = None
        self._ready.append([node for node in others if node.state is READY])
        return revived

    @staticmethod
    def _reassign_culprits(nodes: list[Node]) -> list[Node]:
        """Find another culprit for skipped nodes whose culprit no longer counts, and those after them; return them."""
        moved = []
        stack = nodes
        while stack:
            node = stack.pop()
            if node.state is SKIPPED and (node.culprit is None or node.culprit.state not in CULPRITS):
                reasons = (p.culprit or p for p in node.needed if p.state in LOST)
                found = next((reason for reason in reasons if reason.state in CULPRITS), None)
                if found is not None:  # else a predecessor gets its culprit first, and leads here again
                    node.culprit = found
                    moved.append(node)
                    stack += node.successors or ()
        return moved

    def extend(self, wanted: Sequence[tuple[Node, Sequence[str]]]) -> list[Node]:
        """Add predecessors to tasks that have not ended; return the tasks that are skipped because of it.

        On GraphError nothing has changed. An assigned node must be one that is being given back: when it must wait now,
        it is taken from its holder.
        """
        lenient = self._unknown_is_done
        added = {node: added_predecessors(node, after, self.names, unknown_is_done=lenient) for node, after in wanted}
        for node in added:
            refuse_cycle(node, added)
        skipped: list[Node] = []
        for node, predecessors in added.items():
            node.predecessors += tuple(predecessors)
            self._link(node, predecessors)
            lost = next((p for p in predecessors if p.state in LOST), None)
            if lost is not None:
                skipped += self._skip_all([node], lost.culprit or lost)
            elif node.waiting and node.state in (READY, ASSIGNED):  # not skipped because of an earlier one
                self._move(node, WAITING)
                node.holder = None
        return skipped

    # -- propagation -------------------------------------------------------------------------------------------

    def _release(self, successors: Iterable[Node], released: list[Node]) -> None:
        """Count down the successors of an ended node; collect those that become ready and finish released joins."""
        for s in successors:
            s.waiting -= 1
            if not s.waiting and s.state is WAITING:
                if s.is_join:
                    self._finish_join(s, released)
                else:
                    released.append(s)

    def _finish_join(self, join: Node, released: list[Node]) -> None:
        """Finish a join and those that it releases; with a stack, since recursion would fail at 1,000 barriers."""
        stack = [join]
        while stack:
            join = stack.pop()
            join.state = DONE
            for s in join.successors or ():
                s.waiting -= 1
                if not s.waiting and s.state is WAITING:
                    (stack if s.is_join else released).append(s)

    def _skip_all(self, nodes: Iterable[Node], culprit: Node) -> list[Node]:
        """Skip active nodes and those after them; release those that wait only for an end; return the skipped ones.

        The culprit, which is lost already, may be among the nodes for what comes after it.
        """
        skipped: list[Node] = []
        only_end: list[Node] = []
        stack = list(nodes)
        while stack:
            node = stack.pop()
            if node.state in ACTIVE:
                self._move(node, SKIPPED)
                node.culprit, node.holder = culprit, None
                if not node.is_join:
                    skipped.append(node)
            elif node is not culprit:
                continue
            for s in node.successors or ():
                (only_end if node in s.after_any else stack).append(s)
        if only_end:  # last, since some of these may have been skipped
            released: list[Node] = []
            self._release(only_end, released)
            self._go_first(released)
        return skipped

    def _go_first(self, released: Sequence[Node]) -> None:
        self._make_ready(released)
        self._ready.prepend(released)

    def _make_ready(self, nodes: Sequence[Node]) -> None:
        for node in nodes:
            node.state = READY
        self.counts[WAITING] -= len(nodes)
        self.counts[READY] += len(nodes)

    def _move(self, node: Node, state: State) -> None:
        if not node.is_join:
            self.counts[node.state] -= 1
            self.counts[state] += 1
        was, node.state = node.state, state
        if was is READY:
            self._ready.leave(self.counts[READY])


def lost_predecessors(node: Node) -> int:
    """Return how many predecessors because of which a node is skipped are lost: failed, skipped or cancelled."""
    return sum([p.state in LOST for p in node.needed])
