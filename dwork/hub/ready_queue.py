"""The ready tasks in the order in which they are handed out, with a queue for each kind of request.

The order: by priority; then larger requests first (GPUs, cores, memory), so that small tasks fill the gaps that large
ones leave; then the most recently released; then first come, first served. Tasks that were lost before, or failed in an
earlier run, go last, whatever their priority. A worker gets the first tasks of each kind that it has room for; the time
for that grows with the number of kinds that are ready, not with the number of tasks.
"""

from __future__ import annotations

import heapq
from bisect import insort
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from dwork.core.resources import ONE_CORE, Resources
from dwork.core.task import PLAIN, State
from dwork.hub.node import Node

READY = State.READY
#: Entries of nodes that have left the queue that may stay in it, however short it is.
STALE = 1000
#: The priority of the first of the tasks that go last, below any priority that a task can set.
LAST = -(1 << 40)


class Room(Protocol):
    """How many tasks of each kind a worker can take."""

    def fit(self, asked: Resources) -> int:
        """Return how many more tasks with this request fit."""

    def claim(self, asked: Resources, n: int) -> None:
        """Use the room of n such tasks; a negative n frees it."""


class ReadyQueue:
    """See the module docstring.

    An entry counts only while its node is ready: a task that is cancelled or gets a new predecessor stays where it is
    and is ignored when its turn comes, so leaving the middle of a queue costs nothing. When more such entries may be
    there than ready nodes, all are removed.
    """

    __slots__ = ("_kinds", "_plain", "_stale", "last")

    def __init__(self) -> None:
        self._stale = 0  # at most how many entries there are besides the first one of each ready node
        self.last: dict[Node, int] = {}  # the nodes that go last, and how far behind LAST
        self._plain = _Queue()
        self._kinds: dict[Resources, _Queue] = {ONE_CORE: self._plain}  # this one is permanent, others come and go

    def append(self, nodes: Iterable[Node]) -> None:
        """Add nodes at the back of their queues."""
        plain = self._plain.at(0)
        last = self.last
        for node in nodes:
            if node.task.options is PLAIN and node not in last:
                plain.append(node)
            else:
                self._place(node).append(node)

    def prepend(self, nodes: Sequence[Node]) -> None:
        """Add nodes that a completion released or that came back at the front, in their order."""
        plain = self._plain.at(0)
        last = self.last
        for node in reversed(nodes):
            if node.task.options is PLAIN and node not in last:
                plain.appendleft(node)
            else:
                self._place(node).appendleft(node)

    def leave(self, ready: int) -> None:
        """Note that a node has stopped being ready without being taken. ready: how many others are."""
        self._stale += 1
        if self._stale > STALE and self._stale > ready:
            self._stale = 0
            for queue in self._kinds.values():
                queue.compact()

    def _place(self, node: Node) -> deque[Node]:
        options = node.task.options
        asked = options.asks
        queue = self._plain if asked is ONE_CORE else self._kinds.get(asked)
        if queue is None:
            queue = self._kinds[asked] = _Queue()
        behind = self.last.get(node)
        return queue.at(options.priority if behind is None else LAST - behind)

    @property
    def is_plain(self) -> bool:
        """Whether all ready tasks ask for one core and nothing else."""
        return len(self._kinds) == 1

    def kinds(self) -> dict[Resources, int]:
        """Return the kinds of request of the ready tasks, each with the highest priority among its tasks."""
        tops = {asked: queue.top() for asked, queue in self._kinds.items()}
        self._kinds = {asked: q for asked, q in self._kinds.items() if tops[asked] is not None or q is self._plain}
        return {asked: top for asked, top in tops.items() if top is not None}

    def take(self, n: int, room: Room | None = None) -> list[Node]:
        """Remove and return up to n nodes that fit into room; None: all fit."""
        if room is None and self.is_plain:
            return self._plain.take(n)
        taken: list[Node] = []
        heap = [(*_order(asked, top), asked) for asked, top in self.kinds().items()]
        heapq.heapify(heap)
        while heap and len(taken) < n:
            *_, asked = heap[0]
            queue = self._kinds[asked]
            fit = n if room is None else room.fit(asked)
            nodes = queue.take(min(fit, n - len(taken)), -heap[0][0]) if fit else []
            if room is not None and nodes:
                room.claim(asked, len(nodes))
            taken += nodes
            top = queue.top() if nodes else None
            if top is None:
                heapq.heappop(heap)
            else:
                heapq.heapreplace(heap, (*_order(asked, top), asked))
        return taken

    def __iter__(self) -> Iterator[Node]:
        """Iterate over all ready nodes in order, each once."""
        seen = set()
        for node in self._entries():
            if node.state is READY and node.id not in seen:
                seen.add(node.id)
                yield node

    def _entries(self) -> Iterator[Node]:
        runs = [(_order(asked, priority), run) for asked, q in self._kinds.items() for priority, run in q.runs()]
        for _, run in sorted(runs, key=lambda run: run[0]):
            yield from run


def _order(asked: Resources, priority: int) -> tuple[int, int, int, int]:
    """Return the sort key of a queue; the least goes first."""
    return -priority, -asked.gpus, -asked.cores, -asked.memory


class _Queue:
    """Tasks with the same request: a double-ended queue per priority."""

    __slots__ = ("_order", "_queues")

    def __init__(self) -> None:
        self._queues: dict[int, deque[Node]] = {}
        self._order: list[int] = []  # negated priorities, ascending: the highest priority first

    def at(self, priority: int) -> deque[Node]:
        """Return the queue of a priority, creating it when needed."""
        queue = self._queues.get(priority)
        if queue is None:
            queue = self._queues[priority] = deque()
            insort(self._order, -priority)
        return queue

    def top(self) -> int | None:
        """Return the highest priority of a ready node, None when there is none; drops entries that are not ready."""
        while self._order:
            queue = self._queues[-self._order[0]]
            while queue and queue[0].state is not READY:
                queue.popleft()
            if queue:
                return -self._order[0]
            del self._queues[-self._order.pop(0)]
        return None

    def take(self, n: int, priority: int | None = None) -> list[Node]:
        """Remove and return up to n nodes, only of this priority unless it is None. Empty queues are removed."""
        taken: list[Node] = []
        while self._order and len(taken) < n and (priority is None or -self._order[0] == priority):
            queue = self._queues[-self._order[0]]
            while queue and len(taken) < n:
                node = queue.popleft()
                if node.state is READY:
                    # Set the state now: a node can have a stale second entry, which must not be taken too.
                    node.state = State.ASSIGNED
                    taken.append(node)
            if not queue:
                del self._queues[-self._order.pop(0)]
        return taken

    def compact(self) -> None:
        """Drop all entries but the first one of each ready node."""
        for queue in self._queues.values():
            nodes = dict.fromkeys(node for node in queue if node.state is READY)
            queue.clear()
            queue += nodes

    def runs(self) -> Iterator[tuple[int, deque[Node]]]:
        for key in self._order:
            yield -key, self._queues[-key]
