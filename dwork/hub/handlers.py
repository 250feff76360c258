"""The requests of workers and clients, one handler each. Control, Drain and Leave are in files of their own.

A handler checks the whole request before it changes anything, and raises GraphError when the request is illegal.
"""

from __future__ import annotations

from dwork.core import events, messages
from dwork.core.errors import GraphError
from dwork.core.messages import Native
from dwork.core.task import TaskKey
from dwork.hub.dispatch import Dispatch
from dwork.hub.end_waiters import EndWaiters
from dwork.hub.endings import Endings
from dwork.hub.membership import Membership
from dwork.hub.node import Node
from dwork.hub.outcomes import Outcomes
from dwork.hub.returns import Returns
from dwork.hub.select import find
from dwork.hub.shutdown import Shutdown
from dwork.hub.state import HubState
from dwork.hub.step import Peer, Step
from dwork.hub.workers import WorkerState


class Handlers:
    """See the module docstring."""

    def __init__(
        self,
        state: HubState,
        dispatch: Dispatch,
        endings: Endings,
        returns: Returns,
        outcomes: Outcomes,
        membership: Membership,
        shutdown: Shutdown,
        end_waiters: EndWaiters,
    ) -> None:
        self._state = state
        self._dispatch = dispatch
        self._endings = endings
        self._returns = returns
        self._outcomes = outcomes
        self._membership = membership
        self._shutdown = shutdown
        self._end_waiters = end_waiters

    # -- of workers --------------------------------------------------------------------------------------------

    def steal(self, peer: Peer, message: messages.Steal, step: Step) -> None:
        if message.n < 1:
            raise GraphError(f"Steal asks for {message.n} tasks; n must be 1 or more")
        worker = self._membership.meet(peer, message.location, message.native, step)
        if worker is not None and not _is_repeat(worker, message.native):
            self._membership.reconcile(worker, message.native, step)
            self._dispatch.answer(worker, message.n, message.native, step)

    def beat(self, peer: Peer, message: messages.Beat, step: Step) -> None:
        worker = self._membership.meet(peer, message.location, message.native, step)
        if worker is not None and not _is_repeat(worker, message.native):
            step.answer(peer, messages.OK(answers=message.native.sequence))

    def complete(self, peer: Peer, message: messages.Complete, step: Step) -> None:
        native = message.native
        worker = self._state.workers.get(message.location)
        if native is not None:
            worker = self._membership.meet(peer, message.location, native, step)
            if worker is None or _is_repeat(worker, native):
                return
        owed: dict[Node, int] = {}
        if worker is None:
            missing = [result.task for result in message.results]
        else:
            if step.now < self._shutdown.warned_until:
                self._shutdown.inspect(message.results, step)
            missing = self._outcomes.end(worker, message.results, step, owed)
            if self._endings.has_failed:
                self._shutdown.halt_if_reached(step)
        if worker is not None and native is not None:
            self._membership.reconcile(worker, native, step, owed)
            if owed:  # it takes no tasks before it has sent all output again
                self._state.workers.unpark(worker)
                self._membership.ask_again(peer, step)
                return
            if message.steal and self._dispatch.answer(worker, message.steal, native, step) and not missing:
                return  # the Transfer or Exit is the answer
        step.answer(peer, _held(missing, native))

    def give_back(self, peer: Peer, message: messages.GiveBack, step: Step) -> None:
        worker = self._state.workers.get(message.location)
        missing = [returned.task for returned in message.tasks]
        if worker is not None:
            if _is_repeat(worker, message.native):
                return
            missing = self._returns.give_back(worker, message.tasks, native=message.native is not None, step=step)
            if message.native is not None:
                self._membership.resize(worker, peer, message.native)
        step.answer(peer, _held(missing, message.native))

    def output(self, peer: Peer, message: messages.Output, step: Step) -> None:
        worker = self._state.workers.get(message.location)
        node = worker.held.get(message.task) if worker is not None else None
        if worker is not None and node is not None:
            worker.heard = step.now  # output may be all that it sends for a long time
            attempt = self._state.intake.attempt(node.id) or node.attempt
            if message.attempt in (0, attempt) and (new := self._state.intake.take(message, attempt)):
                step.events.append(events.Printed(step.now, message.task, message.stream, new))

    # -- of clients --------------------------------------------------------------------------------------------

    def create(self, peer: Peer, message: messages.Create, step: Step) -> None:
        addition = self._state.graph.add(message.tasks)
        if addition.nodes:
            tasks = [node.task for node in addition.nodes]
            step.events.append(events.Added(step.now, addition.nodes[0].id, tasks))
        self._endings.skip(addition.skipped, step)
        step.answer(peer, messages.OK())

    def lookup(self, peer: Peer, message: messages.Lookup, step: Step) -> None:
        node = find(self._state.graph, message.name)
        if node is None:
            step.answer(peer, messages.NotFound((message.name,)))
        else:
            step.answer(peer, messages.OK(name=node.state.value, n=node.id, location=node.holder))

    def status(self, peer: Peer, message: messages.OK, step: Step) -> None:
        step.answer(peer, self.standing())

    def standing(self) -> messages.OK:
        """Return the answer to a status query."""
        graph = self._state.graph
        text = f"dhub: {graph.active} active tasks, {graph.ready} ready."
        counts = tuple((state.value, n) for state, n in graph.counts.items())
        return messages.OK(name=text, n=graph.ready, counts=counts, version=messages.OURS)

    def wait_for_end(self, peer: Peer, message: messages.Await, step: Step) -> None:
        self._end_waiters.join(peer, message.wait, step.now)


def _is_repeat(worker: WorkerState, native: Native | None) -> bool:
    """Whether this request was received before: its answer is on its way."""
    return native is not None and 0 < native.sequence <= worker.sequence


def _held(missing: list[TaskKey], native: Native | None) -> messages.Message:
    """Return the answer to a worker that has ended or given back tasks; missing: those that it does not hold."""
    answers = native.sequence if native else 0
    return messages.NotFound(tuple(missing), answers) if missing else messages.OK(answers=answers)
