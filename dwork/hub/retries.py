"""What the hub remembers of tasks that went wrong, for as long as they may run again.

A task that has failed waits before it is tried again, longer each time, and then goes to another worker than the one
it failed on if another wants something; no worker idles for that. To find something else for a worker only the next
few tasks are looked through: one on which everything fails would have the hub go through all of them, each time.

A task whose worker died, or whose whole run did, is a *suspect*: it may have killed it. Suspects go last, those that
were lost least often first, so that one that kills again costs the others nothing. They are handed out one at a time,
and a worker whose slots are full with one gets nothing further, so that the next death tells who did it. The more
often one was lost, the fewer tasks may run beside it: whoever runs with one that kills is suspected, too, and where a
death ends the whole run many would be for ever. Whoever was in the hands of so many dying workers has failed.
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

#: Seconds that a task waits at the most before it is tried again.
LONGEST = 60.0
#: How many ready tasks that have failed on a worker are passed over for one that has not.
LOOK = 100


class Retries:
    """See the module's text. delay: seconds before the second attempt; each further one waits twice as long."""

    def __init__(self, graph: Graph, delay: float) -> None:
        self._graph = graph
        self._delay = delay
        self._due: list[tuple[float, int, Node]] = []
        self._serial = count()
        self._failed_on: dict[Node, str] = {}
        self.lost: Counter[Node] = Counter()

    @property
    def deadline(self) -> float:
        """When the next task has waited long enough; infinity when none waits."""
        return self._due[0][0] if self._due else math.inf

    def failed(self, node: Node, location: str, now: float) -> float:
        """An assigned task is to be tried again; return the seconds that it waits."""
        self._failed_on[node] = location
        delay = min(self._delay * 2.0 ** min(node.failures - 1, 100), LONGEST)
        if delay > 0:
            self._graph.suspend([node])
            heapq.heappush(self._due, (now + delay, next(self._serial), node))
        else:
            self._graph.put_back([node], first=False)
        return delay

    def tick(self, now: float) -> None:
        """Time has passed: release the tasks that have waited long enough."""
        due = []
        while self._due and self._due[0][0] <= now:
            due.append(heapq.heappop(self._due)[2])
        if due:
            self._graph.release(due)

    def restore(self, node: Node, losses: int) -> None:
        """It was lost so many times in earlier runs."""
        self.lost[node] = losses

    def suspect(self, nodes: Iterable[Node]) -> None:
        """A worker has died with these in its hands; they are not ready again yet."""
        for node in nodes:
            self.lost[node] += 1
            self._graph.demote(node, self.lost[node])

    def acquit(self, node: Node) -> None:
        """The worker that it was lost with is alive."""
        if self.lost[node] > 1:
            self.lost[node] -= 1
            self._graph.demote(node, self.lost[node])
        else:
            del self.lost[node]
            self._graph.promote([node])

    def forget(self, nodes: Iterable[Node]) -> None:
        """These have ended."""
        if self._failed_on or self.lost:
            for node in nodes:
                self._failed_on.pop(node, None)
                del self.lost[node]
        self._graph.promote(nodes)

    # -- who gets what -----------------------------------------------------------------------------------------

    def fills(self, held: Iterable[Node], slots: int) -> bool:
        """Whether a worker with so many slots must not get more than it holds: there is a suspect, and no free slot."""
        if not self.lost:
            return False
        nodes = list(held)
        return 0 < slots <= len(nodes) and any(node in self.lost for node in nodes)

    def avoids(self, location: str) -> bool:
        """Whether all that this worker could get now has failed on it."""
        if not self._failed_on:
            return False
        return all(self._failed_on.get(node) == location for node in self._graph.upcoming(LOOK))

    def must_wait(self, node: Node, others: int, slots: int) -> bool:
        """Whether a suspect may not start yet, when so many others are in the hands of workers with so many slots.

        After one death it may, since most deaths are no task's fault and a rerun must not idle; after two a quarter of
        the slots may be taken then, after three a 16th.
        """
        steps = 2 * (self.lost[node] - 1)
        return steps > 0 and others > 0 and others >= slots >> steps

    def take(self, n: int, location: str, slots: int, room: Room | None = None) -> list[Node]:
        """As Graph.take, but with one suspect at the most, and first what has not failed on this worker.

        slots: of all workers.
        """
        nodes = self._graph.take(n, location, room)
        if self._failed_on:
            nodes = self._others_first(nodes, n, location, room)
        if self.lost:
            suspects = [node for node in nodes if node in self.lost]
            fine = len(nodes) - len(suspects)
            if suspects:
                others = self._graph.counts[State.ASSIGNED] - len(nodes)
                first = 0 if fine or self.must_wait(suspects[0], others, slots) else 1
                nodes = self._keep([node for node in nodes if node not in self.lost] + suspects, fine + first)
        return nodes

    def _others_first(self, nodes: list[Node], n: int, location: str, room: Room | None) -> list[Node]:
        """Pass over what has failed on this worker, as long as there is something else for it."""
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
        return self._keep(fine + avoided, len(fine) or 1)

    def _keep(self, nodes: list[Node], n: int) -> list[Node]:
        """Put the rest back as if it had not been taken."""
        rest = nodes[n:]
        for node in rest:
            node.attempt -= 1
        self._graph.put_back(rest)
        return nodes[:n]
