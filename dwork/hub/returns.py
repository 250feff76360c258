"""Tasks that workers do not finish: given back, lost or interrupted; and ends that turn out not to count.

A task that comes back is ready again, first in line, unless it was to be cancelled. The copy of a task at a worker that
was declared lost is adopted again when the worker returns with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dwork.core import events, messages
from dwork.core.cause import Cause
from dwork.core.events import Ended, Named
from dwork.core.messages import Returned
from dwork.core.task import TERM, Assigned, Result, State, TaskKey
from dwork.hub.endings import Endings, named
from dwork.hub.node import Node
from dwork.hub.state import HubState
from dwork.hub.step import Step
from dwork.hub.stop import OPEN
from dwork.hub.workers import WorkerState

#: The exit status of a task that failed because its workers died: the real one is unknown.
LOST_TOO_OFTEN = 255


class Returns:
    """See the module docstring."""

    def __init__(self, state: HubState, endings: Endings) -> None:
        self._state = state
        self._endings = endings

    def take_back(self, worker: WorkerState, nodes: Iterable[Node], cause: Cause, reason: str, step: Step) -> None:
        """Take unfinished tasks from a worker. With Cause.UNSTARTED, their attempts do not count."""
        state, back = self._state, list(nodes)
        state.workers.take(worker, [node.id for node in back])
        if not back:
            return
        if cause is Cause.UNSTARTED:
            state.graph.untake(back)
        else:
            state.graph.put_back([node for node in back if node.state is State.ASSIGNED])
        state.intake.forget([node.id for node in back])
        step.events.append(events.Requeued(step.now, worker.location, named(back), cause, reason))
        to_cancel = self._endings.to_cancel
        if to_cancel:
            self._endings.cancel([node for node in back if node in to_cancel], step)
            to_cancel.difference_update(back)

    def give_back(self, worker: WorkerState, tasks: Sequence[Returned], *, native: bool, step: Step) -> list[TaskKey]:
        """Take back what a worker gives back; return the tasks that it does not hold.

        A native worker can also give back a task that it has reported as done: its job was being ended, so the result
        does not count. GraphError when tasks cannot wait for what they are to wait for; then nothing has changed.
        """
        held: dict[Node, tuple[str, ...]] = {}
        doubtful: dict[Node, None] = {}
        missing: list[TaskKey] = []
        for returned in tasks:
            node = self._state.graph.find(returned.task)
            if node is None or node in held:
                missing.append(returned.task)
            elif node.id in worker.held:
                held[node] = returned.after
            elif native and node.state is State.DONE and node.holder == worker.location:
                doubtful[node] = None
            else:
                missing.append(returned.task)
        skipped = self._state.graph.extend([(node, after) for node, after in held.items() if after])
        for node, after in held.items():
            if after:
                step.events.append(events.Extended(step.now, Named(node.id, node.name), after))
        self.take_back(worker, held, Cause.UNSTARTED, "given back", step)
        self._endings.skip(skipped, step)
        self._endings.kill_copies(self._state.orphans.early(), step)
        self.revoke(list(doubtful), "its worker was being terminated", step)
        return missing

    def undelivered(self, transfer: messages.Transfer, reason: str, step: Step) -> None:
        """Take back the tasks of a Transfer that never arrived, as if it had not been requested."""
        lost: dict[str, list[Node]] = {}
        for assigned in transfer.tasks:
            node = self._state.graph.find(assigned.id)
            if node is None or node.state is not State.ASSIGNED or node.attempt != assigned.attempt:
                continue
            if node.holder is not None:
                lost.setdefault(node.holder, []).append(node)
        for location, nodes in lost.items():
            self.take_back(self._state.workers[location], nodes, Cause.UNSTARTED, reason, step)

    # -- losses ------------------------------------------------------------------------------------------------

    def lose(self, worker: WorkerState, nodes: list[Node], cause: Cause, reason: str, step: Step) -> None:
        """Take back tasks whose attempts are lost: they are suspects, which go last."""
        self._state.retries.suspect(nodes)
        self.take_back(worker, nodes, cause, reason, step)

    def give_up_suspects(self, worker: WorkerState, nodes: list[Node], cause: Cause, reason: str, step: Step) -> None:
        """Fail those of the tasks just lost that were lost too often."""
        retries = self._state.retries
        for node in nodes:
            if node.state is State.READY and (n := retries.lost[node]) >= self._state.policy.losses:
                text = f"its worker died: {reason}"
                if n > 1:
                    text = f"{n} workers died while running it; the last: {reason}"
                if cause is Cause.NO_OUTPUT:
                    text = f"it was lost {n} times; the last time {reason}"
                result = Result(node.id, node.attempt, LOST_TOO_OFTEN, started=step.now, cause=cause, error=text)
                self._endings.give_up(node, worker.location, result, step)

    def lost_before(self, node: Node, location: str, losses: int, step: Step) -> None:
        """Fail a ready task that was lost too often in earlier runs to be tried in this one."""
        deaths = f"its worker or the whole run died {losses} times while it ran"
        error = f"{deaths}; the next run tries it once more"
        result = Result(node.id, node.attempt, LOST_TOO_OFTEN, started=step.now, cause=Cause.DIED, error=error)
        self._endings.give_up(node, location, result, step)

    # -- copies ------------------------------------------------------------------------------------------------

    def may_keep(self, worker: WorkerState, id: int, attempt: int, step: Step) -> bool:
        """Whether a worker may continue a task that is not assigned to it; if nobody has it, it is from now on."""
        state = self._state
        node = state.graph.find(id)
        if node is None or not attempt or state.orphans.attempt(node, worker.location) != attempt:
            return False
        if node.state is State.READY and node.attempt == attempt and state.stop is OPEN:
            self._adopt(worker, node, attempt, step)
            state.workers.give(worker, [node])
            return True
        return node.state.is_active

    def end_of_copy(self, worker: WorkerState, result: Result, step: Step) -> Node | None:
        """Assign the task to this worker and return it, if its copy is the first attempt to succeed."""
        state = self._state
        node = state.graph.find(result.task)
        if node is None or not result.attempt or state.orphans.attempt(node, worker.location) != result.attempt:
            return None
        if not result.ok or node.state not in (State.READY, State.ASSIGNED):
            state.orphans.drop(node, worker.location)
            return None
        if node.state is State.ASSIGNED:
            other = state.workers[node.holder or ""]
            self._endings.to_cancel.discard(node)
            self.take_back(other, [node], Cause.ELSEWHERE, "another worker finished it", step)
            if other.slots:
                step.send(other, messages.Cancel((node.id,)))
        self._adopt(worker, node, result.attempt, step)
        return node

    def _adopt(self, worker: WorkerState, node: Node, attempt: int, step: Step) -> None:
        """Assign a ready task to the worker that turns out to have it, which the task therefore has not killed."""
        state = self._state
        state.orphans.drop(node, worker.location)
        state.retries.acquit(node)
        state.graph.adopt(node, worker.location)
        name, command, _, options, origin, _ = node.task
        assigned = Assigned(node.id, attempt, name, command, options, origin)
        step.events.append(events.Stolen(step.now, worker.location, [assigned]))

    # -- tasks that run again ----------------------------------------------------------------------------------

    def revoke(self, nodes: Sequence[Node], reason: str, step: Step) -> None:
        """Run tasks again whose results do not count, together with all that has started because of them."""
        if nodes:
            self._run_again(self._state.graph.resting_on(nodes), [], reason, step)

    def retry(self, nodes: Sequence[Node], step: Step) -> None:
        """Run failed or cancelled tasks again, together with all that has started because they had ended."""
        graph = self._state.graph
        affected = graph.resting_on(nodes) if graph.has_after_any else nodes
        self._run_again(affected, nodes, "a task before it is retried", step)

    def _run_again(self, affected: Sequence[Node], retried: Sequence[Node], reason: str, step: Step) -> None:
        """Run tasks again, which include all that has started after them; retried: those whose last result counts."""
        graph = self._state.graph
        kept = frozenset(retried)
        for node in affected:
            if node.state is State.ASSIGNED:
                self._interrupt(node, reason, step)
        for was in (State.DONE, State.FAILED):
            ended = [node for node in affected if node.state is was and not node.is_join and node not in kept]
            if ended:
                attempts = [node.attempt for node in ended]
                step.events.append(events.Revoked(step.now, named(ended), attempts, was, reason))
        revived = graph.revoke([node for node in affected if node.state is not State.CANCELLED or node in kept])
        if revived:
            step.events.append(events.Revived(step.now, named(revived)))
            self._endings.skip([node for node in revived if node.state is State.SKIPPED], step)
        self._endings.kill_copies(self._state.orphans.early(), step)

    def _interrupt(self, node: Node, reason: str, step: Step) -> None:
        """Take a task from its worker, which must kill it; the task will run again."""
        state = self._state
        worker = state.workers[node.holder or ""]
        if worker.slots:
            step.send(worker, messages.Cancel((node.id,)))
        if node in self._endings.to_cancel:  # it was cancelled meanwhile
            self.take_back(worker, [node], Cause.REVOKED, reason, step)
            return
        state.workers.take(worker, [node.id])
        state.intake.forget([node.id])
        state.graph.put_back([node])
        text = "a task that it depends on must run again"
        result = Result(node.id, node.attempt, 128 + TERM, TERM, step.now, cause=Cause.REVOKED, error=text)
        step.events.append(events.Interrupted(step.now, worker.location, Ended(node.id, node.name, result), reason))
