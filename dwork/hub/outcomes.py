"""What the results of attempts mean: a task is done, retried, failed, cancelled or interrupted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from dwork.core import events
from dwork.core.cause import Cause
from dwork.core.events import Ended
from dwork.core.task import Result, State, TaskKey
from dwork.hub.endings import Endings
from dwork.hub.exclusions import Exclusions
from dwork.hub.node import Node
from dwork.hub.returns import Returns
from dwork.hub.state import HubState
from dwork.hub.step import Step
from dwork.hub.stop import OPEN
from dwork.hub.workers import WorkerState

#: How often a worker is asked without success for output that it reports as sent; then the attempt is lost.
ASKS = 2
#: The reason of such a loss.
NOT_ALL = "some of its output never arrived"

#: The reason of the interruption of a task that has ended after its warning.
WARNED = "it was warned that the job ends"


class Outcomes:
    """See the module docstring. ran: called with the tasks that have succeeded."""

    def __init__(
        self,
        state: HubState,
        endings: Endings,
        returns: Returns,
        exclusions: Exclusions,
        ran: Callable[[Sequence[Ended]], None],
    ) -> None:
        self._state = state
        self._endings = endings
        self._returns = returns
        self._exclusions = exclusions
        self._ran = ran

    def end(self, worker: WorkerState, results: Sequence[Result], step: Step, owed: dict[Node, int]) -> list[TaskKey]:
        """Process results; return the tasks that this worker does not hold.

        owed: filled with the tasks that remain assigned because some of their output has not arrived, and how often it
        was asked for.
        """
        state = self._state
        in_doubt = state.stop is not OPEN and state.stop.in_doubt
        keys: list[Any] = [result.task for result in results]
        if keys and isinstance(keys[0], str):  # the original dialect has names, and no ids at all
            keys = self._ids(keys)
        good: list[Node] = []
        ended: list[Ended] = []
        bad: list[tuple[Node, Result]] = []
        missing: list[TaskKey] = []
        for result, node in zip(results, state.workers.take(worker, keys), strict=True):
            if node is None:
                copy = self._returns.end_of_copy(worker, result, step) if state.orphans and not in_doubt else None
                if copy is not None:
                    if not (result.sent and self._lacks_output(worker, copy, result, owed)):
                        good.append(copy)
                        ended.append(Ended(copy.id, copy.name, result))
                elif not self._repeated(worker, result):
                    missing.append(result.task)
            elif result.attempt and result.attempt not in (node.attempt, state.intake.attempt(node.id)):
                state.workers.give(worker, [node])
                missing.append(result.task)
            elif result.sent and not in_doubt and self._lacks_output(worker, node, result, owed):
                pass
            elif result.exit_status == 0 and not in_doubt:
                good.append(node)
                ended.append(Ended(node.id, node.task.name, result))
            else:
                bad.append((node, result))
        worker.ended += len(good) + len(bad)
        if state.intake:
            state.intake.forget([node.id for node, _ in bad])
        if owed:
            self._give_up_owed(worker, owed, step)
        if good:
            self._ran(ended)
            self._endings.finish(worker.location, good, ended, step)
            self._exclusions.succeeded(worker, good, step)
        for node, result in bad:
            if node.state is State.ASSIGNED:  # else processing an earlier result has taken it back
                self._fail(worker, node, result, step)
        return missing

    def _ids(self, names: Sequence[str]) -> list[int]:
        """Return the ids of the tasks with these names; -1 for those that do not exist."""
        known = self._state.graph.names
        return [known[name].id if name in known else -1 for name in names]

    def _lacks_output(self, worker: WorkerState, node: Node, result: Result, owed: dict[Node, int]) -> bool:
        """Whether some of a task's output has not arrived yet; then it remains assigned to its worker."""
        state = self._state
        if not state.welcome.output or not worker.slots:
            return False
        asks = state.intake.asks(node.id, result.attempt or node.attempt, result.sent)
        if asks:
            state.workers.give(worker, [node])
            owed[node] = asks
        return bool(asks)

    def _give_up_owed(self, worker: WorkerState, owed: dict[Node, int], step: Step) -> None:
        """Give up output that was asked for too often: these attempts are lost, and no longer owed."""
        lost = [node for node, asks in owed.items() if asks > ASKS]
        if lost:
            for node in lost:
                del owed[node]
            self._returns.lose(worker, lost, Cause.NO_OUTPUT, NOT_ALL, step)
            self._returns.give_up_suspects(worker, lost, Cause.NO_OUTPUT, NOT_ALL, step)

    def _repeated(self, worker: WorkerState, result: Result) -> bool:
        """Whether this result was received before: a worker repeats it when the answer was lost."""
        node = self._state.graph.find(result.task)
        return (
            node is not None
            and 0 < result.attempt <= node.attempt
            and node.holder == worker.location
            and node.state in (State.DONE, State.FAILED, State.CANCELLED)
        )

    def _fail(self, worker: WorkerState, node: Node, result: Result, step: Step) -> None:
        """Process the result of an attempt that did not succeed, or whose success does not count."""
        state = self._state
        is_cancelled = node in self._endings.to_cancel
        ended = Ended(node.id, node.name, result)
        if state.stop.interrupts and not is_cancelled:
            state.graph.put_back([node])
            if result.cause in (Cause.ITSELF, Cause.CANCELLED):
                ended = Ended(node.id, node.name, result._replace(cause=Cause.STOPPED))
            step.events.append(events.Interrupted(step.now, worker.location, ended, state.stop.reason))
            return
        is_ended = is_cancelled or state.stop.kills
        if not is_ended and result.cause is Cause.ITSELF and state.end_warnings.has_warned(node):
            state.graph.put_back([node])
            ended = Ended(node.id, node.name, result._replace(cause=Cause.STOPPED))
            step.events.append(events.Interrupted(step.now, worker.location, ended, WARNED))
            return
        if is_ended:
            self._endings.kill(node, worker.location, result, step)
            return
        retries = node.task.options.retries
        allowed = 1 + (state.policy.retries if retries is None else retries)
        if self._exclusions.forgives(worker, node, result, step):
            state.retries.run_elsewhere(node, worker.location, first=True)
            left = max(1, allowed - node.failures)
            step.events.append(events.Retried(step.now, worker.location, ended, left, counts=False))
            return
        left = allowed - state.graph.count_failure(node)
        if left > 0:
            delay = state.retries.failed(node, worker.location, step.now)
            step.events.append(events.Retried(step.now, worker.location, ended, left, delay))
            return
        self._endings.give_up(node, worker.location, result, step)
