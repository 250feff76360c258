"""What people do to tasks: cancel, retry, hold and release them."""

from __future__ import annotations

import math

from dwork.core import events, messages
from dwork.core.messages import Verb
from dwork.core.task import State
from dwork.hub.endings import Endings, named
from dwork.hub.node import Node
from dwork.hub.returns import Returns
from dwork.hub.select import select
from dwork.hub.state import HubState
from dwork.hub.step import Peer, Step


class TaskControl:
    """Control requests, and the tasks that are held by one."""

    def __init__(self, state: HubState, endings: Endings, returns: Returns) -> None:
        self._state = state
        self._endings = endings
        self._returns = returns
        self._held: set[Node] = set()

    def request(self, peer: Peer, message: messages.Control, step: Step) -> None:
        """Process a request. GraphError when a task that it names is not in a suitable state; nothing has changed."""
        fits, why_not, act = {
            Verb.CANCEL: (_may_cancel, "only a task that has not ended can be cancelled", self._cancel),
            Verb.RETRY: (_may_retry, "only a failed or cancelled task can be retried", self._retry),
            Verb.HOLD: (self._may_hold, "only a waiting or ready task can be held, and only once", self._hold),
            Verb.RELEASE: (self._held.__contains__, "it is not held", self._release),
        }[message.verb]
        nodes = select(self._state.graph, message.tasks, fits, why_not)
        if nodes:
            act(nodes, step)
        step.answer(peer, messages.OK(n=len(nodes)))

    def is_held(self, node: Node) -> bool:
        """Whether a Hold request keeps the task from starting."""
        return node in self._held

    def restore(self, node: Node) -> None:
        """Note that a task was held when the hub ended; the graph has suspended it."""
        self._held.add(node)

    @property
    def holds_all(self) -> bool:
        """Whether all remaining tasks are held or wait for held tasks, if none waits for a retry."""
        counts = self._state.graph.counts
        is_idle = not counts[State.READY] and not counts[State.ASSIGNED]
        return is_idle and bool(self._held) and self._state.retries.deadline == math.inf

    def _cancel(self, nodes: list[Node], step: Step) -> None:
        """Cancel tasks. A native worker is asked to kill those that it holds, and its result counts; others cannot be.

        A repeated request is sent to the worker again, since the first Cancel may have been lost on its way.
        """
        workers = self._state.workers
        asked: dict[str, list[int]] = {}
        gone: list[Node] = []
        for node in nodes:
            worker = workers[node.holder] if node.state is State.ASSIGNED and node.holder is not None else None
            if worker is not None and worker.slots:
                self._endings.to_cancel.add(node)
                asked.setdefault(worker.location, []).append(node.id)
                continue
            if worker is not None:
                workers.take(worker, [node.id])
            gone.append(node)
        for location, ids in asked.items():
            step.send(workers[location], messages.Cancel(tuple(ids)))
        self._endings.cancel(gone, step)

    def _retry(self, nodes: list[Node], step: Step) -> None:
        """Retry tasks; those that depend on another lost task are skipped until that one is retried too."""
        self._returns.retry(nodes, step)

    def _may_hold(self, node: Node) -> bool:
        return node.state in (State.WAITING, State.READY) and node not in self._held

    def _hold(self, nodes: list[Node], step: Step) -> None:
        self._state.graph.suspend(nodes)
        self._held.update(nodes)
        step.events.append(events.Held(step.now, named(nodes)))

    def _release(self, nodes: list[Node], step: Step) -> None:
        self._held.difference_update(nodes)
        self._state.graph.release(nodes)
        step.events.append(events.Released(step.now, named(nodes)))

    def check(self) -> None:
        """Raise AssertionError unless all held tasks are suspended."""
        assert all(self._state.graph.suspended[node] for node in self._held), "held tasks are suspended"


def _may_cancel(node: Node) -> bool:
    return node.state.is_active


def _may_retry(node: Node) -> bool:
    return node.state in (State.FAILED, State.CANCELLED)
