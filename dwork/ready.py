"""The ready tasks in the order in which they go out: by priority, then what was released last, then first come."""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from dwork.task import State

if TYPE_CHECKING:
    from dwork.graph import Node

READY = State.READY


class ReadyQueue:
    """A double-ended queue per priority.

    An entry counts only while its node is ready: a task that is cancelled or gets a new predecessor stays where it
    is and is passed over when its turn comes, so leaving from the middle costs nothing.
    """

    __slots__ = ("_order", "_queues")

    def __init__(self) -> None:
        self._queues: dict[int, deque[Node]] = {}
        self._order: list[int] = []  # negated priorities, ascending: the highest priority first

    def _queue(self, priority: int) -> deque[Node]:
        queue = self._queues.get(priority)
        if queue is None:
            queue = self._queues[priority] = deque()
            insort(self._order, -priority)
        return queue

    def append(self, nodes: Iterable[Node]) -> None:
        """New tasks queue behind."""
        for node in nodes:
            self._queue(node.task.options.priority).append(node)

    def prepend(self, nodes: Sequence[Node]) -> None:
        """Tasks that a completion released, or that came back, go first; nodes keep their order."""
        for node in reversed(nodes):
            self._queue(node.task.options.priority).appendleft(node)

    def take(self, n: int) -> list[Node]:
        """Remove and return up to n nodes; emptied priorities are forgotten."""
        taken: list[Node] = []
        while self._order and len(taken) < n:
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

    def __iter__(self) -> Iterator[Node]:
        """All ready nodes in order (each once, for checks)."""
        seen = set()
        for key in self._order:
            for node in self._queues[-key]:
                if node.state is READY and node.id not in seen:
                    seen.add(node.id)
                    yield node
