"""The ready tasks in the order in which they go out, and a queue for each kind of request.

By priority, then what asks for more (GPUs, cores, memory), so that the small ones fill what the large ones leave; then
what was released last, then first come. Some tasks go last, whatever their priority: those that went wrong before. A
worker is offered the best of each kind that it has room for: the time for that grows with the number of kinds that
wait, not with the number of tasks.
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
#: The priority of the first of those that go last, below all that a task can ask for.
LAST = -(1 << 40)


class Room(Protocol):
    """What somebody can take."""

    def fit(self, asked: Resources) -> int:
        """How many more tasks that ask for this."""

    def claim(self, asked: Resources, n: int) -> None:
        """It gets n of them; with n below zero it gives some back."""


class ReadyQueue:
    """See the module's text.

    An entry counts only while its node is ready: a task that is cancelled or gets a new predecessor stays where it
    is and is passed over when its turn comes, so leaving from the middle costs nothing.
    """

    __slots__ = ("_kinds", "_plain", "last")

    def __init__(self) -> None:
        self.last: dict[Node, int] = {}  # those that go last, and how far behind the first of them
        self._plain = _Queue()
        self._kinds: dict[Resources, _Queue] = {ONE_CORE: self._plain}  # the first one stays, others come and go

    def append(self, nodes: Iterable[Node]) -> None:
        """New tasks queue behind."""
        plain = self._plain.at(0)
        last = self.last
        for node in nodes:
            if node.task.options is PLAIN and node not in last:
                plain.append(node)
            else:
                self._place(node).append(node)

    def prepend(self, nodes: Sequence[Node]) -> None:
        """Tasks that a completion released, or that came back, go first; nodes keep their order."""
        plain = self._plain.at(0)
        last = self.last
        for node in reversed(nodes):
            if node.task.options is PLAIN and node not in last:
                plain.appendleft(node)
            else:
                self._place(node).appendleft(node)

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
        """Whether all that is ready asks for a core and nothing else."""
        return len(self._kinds) == 1

    def kinds(self) -> dict[Resources, int]:
        """What the ready tasks ask for, with the highest priority of those that do."""
        tops = {asked: queue.top() for asked, queue in self._kinds.items()}
        self._kinds = {asked: q for asked, q in self._kinds.items() if tops[asked] is not None or q is self._plain}
        return {asked: top for asked, top in tops.items() if top is not None}

    def take(self, n: int, room: Room | None = None) -> list[Node]:
        """Remove and return up to n nodes for which there is room; None: there is for all."""
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
        """All ready nodes in order (each once)."""
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
    """The least goes first."""
    return -priority, -asked.gpus, -asked.cores, -asked.memory


class _Queue:
    """Tasks that ask for the same: a double-ended queue per priority."""

    __slots__ = ("_order", "_queues")

    def __init__(self) -> None:
        self._queues: dict[int, deque[Node]] = {}
        self._order: list[int] = []  # negated priorities, ascending: the highest priority first

    def at(self, priority: int) -> deque[Node]:
        queue = self._queues.get(priority)
        if queue is None:
            queue = self._queues[priority] = deque()
            insort(self._order, -priority)
        return queue

    def top(self) -> int | None:
        """The highest priority of something that is ready; what is not any more is dropped on the way."""
        while self._order:
            queue = self._queues[-self._order[0]]
            while queue and queue[0].state is not READY:
                queue.popleft()
            if queue:
                return -self._order[0]
            del self._queues[-self._order.pop(0)]
        return None

    def take(self, n: int, priority: int | None = None) -> list[Node]:
        """Remove and return up to n nodes; with a priority, of this alone. Emptied priorities are forgotten."""
        taken: list[Node] = []
        while self._order and len(taken) < n and (priority is None or -self._order[0] == priority):
            queue = self._queues[-self._order[0]]
            while queue and len(taken) < n:
                node = queue.popleft()
                if node.state is READY:
                    # Marked at once: a node can have a stale second entry, which must not be taken too.
                    node.state = State.ASSIGNED
                    taken.append(node)
            if not queue:
                del self._queues[-self._order.pop(0)]
        return taken

    def runs(self) -> Iterator[tuple[int, deque[Node]]]:
        for key in self._order:
            yield -key, self._queues[-key]
