"""Retries: what the hub remembers of tasks that failed or were lost, as long as they may run again.

A task that has failed waits before it is retried, longer each time, and then goes to a different worker than the one it
failed on, if another one asks for work; no worker idles for that. To find other tasks for a worker, only the next few
are inspected: otherwise a worker on which everything fails would make the hub inspect all tasks each time.

A task whose worker or whole run died is a *suspect*: it may be the cause. Suspects go last, those that were lost least
often first, so that one that kills again does not delay the others. They are handed out one at a time, and a worker
whose slots are full and that holds one gets no more tasks, so that the next death identifies the culprit. The more
often a suspect was lost, the fewer tasks may run beside it: a task that runs at the same time as a killer becomes a
suspect too, and where a death ends the whole run, many tasks would remain suspects. The hub fails a task that was held
by too many dying workers (`Policy.losses`).
"""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Iterable
from itertools import count

from dwork.core.task import State
from dwork.hub.graph import Graph
from dwork.hub.node import Node
from dwork.hub.ready_queue import Room

#: The longest wait before a retry, in seconds.
LONGEST = 60.0
#: How many ready tasks that have failed on a worker are passed over to find one that has not.
LOOK = 100


class Retries:
    """See the module docstring. delay: seconds before the first retry; each further retry waits twice as long."""

    def __init__(self, graph: Graph, delay: float) -> None:
        self._graph = graph
        self._delay = delay
        self._due: list[tuple[float, int, Node]] = []
        self._serial = count()
        self._failed_on: dict[Node, str] = {}
        self.lost: Counter[Node] = Counter()

    @property
    def deadline(self) -> float:
        """When the next retry is due, in seconds since the epoch; infinity when none waits."""
        return self._due[0][0] if self._due else math.inf

    def failed(self, node: Node, location: str, now: float) -> float:
        """Schedule the retry of an assigned task that failed; return the delay in seconds."""
        self._failed_on[node] = location
        delay = min(self._delay * 2.0 ** min(node.failures - 1, 100), LONGEST)
        if delay > 0:
            self._graph.suspend([node])
            heapq.heappush(self._due, (now + delay, next(self._serial), node))
        else:
            self._graph.put_back([node], first=False)
        return delay

    def run_elsewhere(self, node: Node, location: str, *, first: bool) -> None:
        """Make an assigned task ready whose failure on this worker does not count."""
        self._failed_on[node] = location
        self._graph.put_back([node], first=first)

    def tick(self, now: float) -> None:
        """Release the tasks that have waited long enough."""
        due = []
        while self._due and self._due[0][0] <= now:
            due.append(heapq.heappop(self._due)[2])
        if due:
            self._graph.release(due)

    def restore(self, node: Node, losses: int) -> None:
        """Set how often a task was lost in earlier runs."""
        self.lost[node] = losses

    def suspect(self, nodes: Iterable[Node]) -> None:
        """Count a loss of each task that a dead worker held; call it before they are ready again."""
        for node in nodes:
            self.lost[node] += 1
            self._graph.demote(node, self.lost[node])

    def acquit(self, node: Node) -> None:
        """Take back one loss of a task, since the worker that it was lost with is alive."""
        if self.lost[node] > 1:
            self.lost[node] -= 1
            self._graph.demote(node, self.lost[node])
        else:
            del self.lost[node]
            self._graph.promote([node])

    def forget(self, nodes: Iterable[Node]) -> None:
        """Forget tasks that have ended."""
        if self._failed_on or self.lost:
            for node in nodes:
                self._failed_on.pop(node, None)
                del self.lost[node]
        self._graph.promote(nodes)

    # -- handing out ------------------------------------------------------------------------------------------

    def fills(self, held: Iterable[Node], slots: int) -> bool:
        """Whether a worker must get no more tasks: it holds a suspect and has no free slot."""
        if not self.lost:
            return False
        nodes = list(held)
        return 0 < slots <= len(nodes) and any(node in self.lost for node in nodes)

    def avoids(self, location: str) -> bool:
        """Whether the next tasks that this worker could get have all failed on it."""
        if not self._failed_on:
            return False
        return all(self._failed_on.get(node) == location for node in self._graph.upcoming(LOOK))

    def must_wait(self, node: Node, others: int, slots: int) -> bool:
        """Whether a suspect must not start yet, given the number of other assigned tasks and the slots of all workers.

        After one death it may start, since most deaths are not the fault of a task and a rerun must not idle. After two
        it may when fewer than a quarter of the slots are in use, after three, fewer than a 16th.
        """
        steps = 2 * (self.lost[node] - 1)
        return steps > 0 and others > 0 and others >= slots >> steps

    def take(self, n: int, location: str, slots: int, room: Room | None = None) -> list[Node]:
        """Take tasks as Graph.take does, but at most one suspect, and first those that have not failed on this worker.

        slots: the slots of all workers.
        """
        nodes = self._graph.take(n, location, room)
        if not self._failed_on and not self.lost:
            return nodes
        avoided: list[Node] = []
        if self._failed_on:
            nodes, avoided = self._others_first(nodes, n, location, room)
        others = self._graph.counts[State.ASSIGNED] - len(nodes) - len(avoided)
        chosen = self._startable(nodes, others, slots) or self._startable(avoided, others, slots)[:1]
        kept = set(chosen)
        self._graph.untake([node for node in (*nodes, *avoided) if node not in kept])
        return chosen

    def _others_first(
        self, nodes: list[Node], n: int, location: str, room: Room | None
    ) -> tuple[list[Node], list[Node]]:
        """Take others in place of tasks that have failed on this worker; return them, and those that have failed."""
        avoided: list[Node] = []
        fine: list[Node] = []
        more = nodes
        while more:
            for node in more:
                if self._failed_on.get(node) != location:
                    fine.append(node)
                    continue
                avoided.append(node)
                if room is not None:
                    room.claim(node.task.options.asks, -1)
            more = self._graph.take(min(n - len(fine), LOOK - len(avoided)), location, room) if avoided else []
        return fine, avoided

    def _startable(self, nodes: list[Node], others: int, slots: int) -> list[Node]:
        """Return those of taken tasks that may start now: all but suspects, or one suspect that need not wait."""
        fine = [node for node in nodes if node not in self.lost] if self.lost else nodes
        if fine or not nodes or self.must_wait(nodes[0], others, slots):
            return fine
        return nodes[:1]
