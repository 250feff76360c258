"""How tasks end for good: done, failed, cancelled or skipped. Whatever the hub remembers of them goes with that."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence

from dwork.core import events, messages
from dwork.core.events import Ended, Named
from dwork.core.task import Result, State
from dwork.hub.node import Node
from dwork.hub.state import HubState
from dwork.hub.step import Step

#: Seconds before the signal that ends the job in which the batch system may already have killed tasks or parts of them.
DOUBT = 1.0
#: The reason of a cancellation by a Cancel request.
ON_REQUEST = "on request"


class Endings:
    """See the module docstring.

    to_cancel: tasks to be cancelled as soon as their worker returns them. has_failed: whether tasks have failed for
    good since `Shutdown` last compared their number with the limit.
    """

    def __init__(self, state: HubState) -> None:
        self._state = state
        self.to_cancel: set[Node] = set()
        self.has_failed = False
        self._recent: deque[tuple[float, Sequence[Node]]] = deque()  # when which tasks ended, for the last second

    @property
    def last(self) -> float:
        """When a task last ended, in seconds since the epoch; minus infinity when none has."""
        return self._recent[-1][0] if self._recent else -math.inf

    def recent(self, now: float) -> list[Node]:
        """Return the tasks that were done or failed within the last second, and still are."""
        found = [node for time, nodes in self._recent if time >= now - DOUBT for node in nodes]
        return [node for node in found if node.state in (State.DONE, State.FAILED)]

    def _note(self, nodes: Sequence[Node], now: float) -> None:
        recent = self._recent
        recent.append((now, nodes))
        while recent[0][0] < now - DOUBT:
            recent.popleft()

    def finish(self, location: str, nodes: list[Node], ended: list[Ended], step: Step) -> None:
        """Mark assigned tasks as done; ended: the same tasks with their results."""
        self._state.graph.finish(nodes)
        self._note(nodes, step.now)
        self.forget(nodes, step)
        if self.to_cancel:
            self.to_cancel.difference_update(nodes)
        step.events.append(events.Finished(step.now, location, ended))

    def give_up(self, node: Node, location: str, result: Result, step: Step) -> None:
        """Fail a task for good, and skip its successors."""
        self.has_failed = True
        self.forget([node], step)
        skipped = self._state.graph.fail(node)
        self._note([node], step.now)
        step.events.append(events.Failed(step.now, location, Ended(node.id, node.name, result)))
        self.skip(skipped, step)

    def kill(self, node: Node, location: str, result: Result, step: Step) -> None:
        """Cancel a task whose worker has ended it."""
        skipped = self._state.graph.cancel(node)
        self.to_cancel.discard(node)
        self.forget([node], step)
        reason = self._state.stop.reason or ON_REQUEST
        step.events.append(events.Killed(step.now, location, Ended(node.id, node.name, result), reason))
        self.skip(skipped, step)

    def cancel(self, nodes: Iterable[Node], step: Step) -> None:
        """Cancel tasks that no worker holds; those that have been skipped because of an earlier one stay so."""
        cancelled: list[Node] = []
        skipped: list[Node] = []
        for node in nodes:
            if node.state.is_active:
                cancelled.append(node)
                skipped += self._state.graph.cancel(node)
        if cancelled:
            self.to_cancel.difference_update(cancelled)
            self.forget(cancelled, step)
            step.events.append(events.Cancelled(step.now, named(cancelled), ON_REQUEST))
            self.skip(skipped, step)

    def skip(self, skipped: list[Node], step: Step) -> None:
        """Report tasks that the graph has skipped, with one event for each culprit."""
        self.forget(skipped, step)
        by_culprit: dict[Named, list[Named]] = {}
        for node in skipped:
            assert node.culprit is not None, "a skipped task has a culprit"
            culprit = Named(node.culprit.id, node.culprit.name)
            by_culprit.setdefault(culprit, []).append(Named(node.id, node.name))
        step.events += [events.Skipped(step.now, tasks, culprit) for culprit, tasks in by_culprit.items()]

    def forget(self, nodes: list[Node], step: Step) -> None:
        """Forget the retries, losses and output of ended tasks, and have their stray copies killed."""
        state = self._state
        state.retries.forget(nodes)
        if state.intake:
            state.intake.forget([node.id for node in nodes])
        self.kill_copies(nodes, step)

    def kill_copies(self, nodes: Iterable[Node], step: Step) -> None:
        """Drop the stray copies of tasks, and have them killed."""
        for location, ids in self._state.orphans.end(nodes).items():
            worker = self._state.workers.get(location)
            if worker is not None and worker.slots:
                step.send(worker, messages.Cancel(tuple(ids)))

    def check(self) -> None:
        """Raise AssertionError unless only tasks that a worker holds wait to be cancelled."""
        assert all(node.state is State.ASSIGNED for node in self.to_cancel), "only assigned tasks wait to be cancelled"


def named(nodes: Iterable[Node]) -> list[Named]:
    """Return the ids and names of tasks."""
    return [Named(node.id, node.task.name) for node in nodes]
