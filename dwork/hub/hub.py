"""The hub: holds the task graph, hands out ready tasks to workers that steal them, and receives their results.

Theory of operation. `receive` takes one message from one peer and returns its effects as a Step: events (what has
happened) and sends (which message goes to which peer). The caller owns sockets, clock and disk; it must make the events
of a step durable before it sends the messages. An illegal request is answered with Error and changes nothing.

A *peer* is the caller's handle for sending to a process: any hashable. A *worker* is a location that has contacted the
hub as a worker; its peer is the one it last used. C++ workers on one host share a location; the hub treats them as one.

The parts, each of which imports only those before it: `state` (the graph, the workers, and what else all parts share),
`dispatch` (which worker gets which tasks, and which Steals wait), `endings` (done, failed, cancelled, skipped),
`returns` (given back, lost, interrupted, revoked), `exclusions` (workers on which tasks fail), `outcomes` (what results
mean), `membership` (workers that come and go), `shutdown`, `task_control` (what people do to tasks), and `handlers`
(one for each message).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from dwork.core import events, messages
from dwork.core.errors import GraphError
from dwork.core.messages import Message, Native
from dwork.core.min_time import MinTime
from dwork.core.task import State
from dwork.core.text import printable
from dwork.hub.dispatch import Dispatch
from dwork.hub.end_waiters import EndWaiters
from dwork.hub.endings import Endings
from dwork.hub.exclusions import Exclusions
from dwork.hub.graph import Restored
from dwork.hub.handlers import Handlers
from dwork.hub.invariants import check_graph
from dwork.hub.membership import Membership
from dwork.hub.node import Node
from dwork.hub.outcomes import Outcomes
from dwork.hub.policy import Policy
from dwork.hub.returns import Returns
from dwork.hub.shutdown import Shutdown
from dwork.hub.state import HubState
from dwork.hub.step import Peer, Step
from dwork.hub.stop import OPEN, Stop
from dwork.hub.task_control import TaskControl


class Hub:
    """One task graph and the workers that run it. The module docstring has the rules."""

    def __init__(self, policy: Policy | None = None, welcome: messages.Welcome | None = None) -> None:
        state = self._state = HubState(policy or Policy(), welcome or messages.Welcome())
        self.policy, self.graph, self.workers, self.retries = state.policy, state.graph, state.workers, state.retries
        self.dispatch = Dispatch(state)
        self._end_waiters = EndWaiters()
        self._endings = endings = Endings(state)
        self._returns = returns = Returns(state, endings)
        self.exclusions = Exclusions(state, returns)
        self._membership = membership = Membership(state, endings, returns, self.exclusions)
        self._shutdown = shutdown = Shutdown(state, endings, returns)
        self._control = TaskControl(state, endings, returns)
        outcomes = Outcomes(state, endings, returns, self.exclusions, self.dispatch.ran)
        self._messages = handlers = Handlers(
            state, self.dispatch, endings, returns, outcomes, membership, shutdown, self._end_waiters
        )
        self._handlers: dict[type, Callable[[Peer, Any, Step], None]] = {
            messages.Create: handlers.create,
            messages.Steal: handlers.steal,
            messages.Beat: handlers.beat,
            messages.Complete: handlers.complete,
            messages.GiveBack: handlers.give_back,
            messages.Lookup: handlers.lookup,
            messages.Exit: membership.sign_off,
            messages.Control: self._control.request,
            messages.Leave: membership.ask_to_leave,
            messages.Include: membership.include,
            messages.Drain: shutdown.request,
            messages.OK: handlers.status,
            messages.Await: handlers.wait_for_end,
            messages.Output: handlers.output,
        }

    def restore(
        self, tasks: Sequence[Restored], now: float, slots: Mapping[str, int] | None = None, next_id: int = 0
    ) -> Step:
        """Load the tasks of a record, in this order, before any other input; GraphError when they form no valid graph.

        Each location that held a task becomes a worker that is expected to return; slots: the slots of the native ones.
        next_id: as for Graph.restore.
        """
        state = self._state
        self.graph.restore(tasks, next_id)
        to_run = []
        for entry in tasks:
            node = self.graph.names[entry.task.name]
            if entry.suspended:
                self._control.restore(node)
            if node.state is State.ASSIGNED and node.holder is not None:
                worker = self._membership.expect(node.holder, (slots or {}).get(node.holder, 0), now)
                self.workers.give(worker, [node])
                state.intake.restore(node.id, node.attempt, entry.printed)
            if node.state.is_active and not node.is_join:
                to_run.append(node.id)
                if entry.losses:
                    self.retries.restore(node, entry.losses)
        step = Step(now, [events.Resumed(now, to_run)])
        for entry in tasks:
            node = self.graph.names[entry.task.name]
            if entry.losses >= self.policy.losses and not entry.spared and node.state is State.READY:
                self._returns.lost_before(node, entry.holder or "", entry.losses, step)
        if self._endings.has_failed:
            self._shutdown.halt_if_reached(step)
        return step

    # -- inputs ------------------------------------------------------------------------------------------------

    def receive(self, peer: Peer, message: Message, now: float) -> Step:
        """Process a message from peer."""
        step = Step(now)
        handler = self._handlers.get(type(message))
        if handler is None:
            step.answer(peer, messages.Error(printable(f"{type(message).__name__} is not a request")))
            return step
        native: Native | None = getattr(message, "native", None)
        try:
            handler(peer, message, step)
        except GraphError as error:  # nothing has changed, so there is nothing to settle
            step.answer(peer, messages.Error(printable(str(error)), native.sequence if native else 0))
            return step
        if native is not None:
            worker = self.workers.get(message.location)  # type: ignore[union-attr, arg-type]
            if worker is not None and worker.peer == peer and native.sequence > worker.sequence:
                worker.sequence = native.sequence
        self._settle(step)
        return step

    def lose(self, gone: Mapping[Peer, Iterable[Message]], now: float, reason: str) -> Step:
        """Process the loss of peers, as reported by the transport; gone has the messages that did not reach each peer.

        Nothing is handed out before all lost peers are removed, since it could go to another lost peer.
        """
        step = Step(now)
        for peer in gone:
            self._end_waiters.leave(peer)
        self._membership.lose(gone, reason, step)
        self._settle(step)
        return step

    def tick(self, now: float) -> Step:
        """Process the passage of time: answer Steals and release retries that have waited long enough, check limits."""
        step = Step(now)
        self.retries.tick(now)
        self._shutdown.tick(step)
        self._state.end_warnings.tick(step)
        self._membership.tick(step)
        self.dispatch.tick(step)
        step.sends += [(peer, messages.NotFound()) for peer in self._end_waiters.expired(now)]
        self._settle(step)
        return step

    def drain(self, now: float, reason: str, *, running: bool = False) -> Step:
        """Hand out no more tasks; with `running`, also kill the running ones, which another run will run again."""
        step = Step(now)
        self._shutdown.stop(reason, step, running=running)
        self._settle(step)
        return step

    def end_of_job(self, now: float, reason: str) -> Step:
        """Stop because the batch system ends the job: no result of the last second counts (see `Shutdown`)."""
        step = Step(now)
        self._shutdown.end_of_job(reason, step)
        self._settle(step)
        return step

    def expect_end(self, end: float, drain_before: float, min_time: MinTime, now: float) -> Step:
        """Set when the batch job ends; running tasks are killed `drain_before` seconds earlier.

        A task is not started when its `min_time`, or by default min_time, is more than the time left. When the end is
        moved, such tasks are considered again.
        """
        step = Step(now)
        self._shutdown.expect_end(end, drain_before)
        if not self._state.stop.kills:
            self._state.end_warnings.expect_end(end)
        self.dispatch.expect_end(end, min_time)
        self._settle(step)
        return step

    def suspect_deaths(self, now: float) -> None:
        """A rank may have died: for `silence` seconds, declare silent workers lost sooner than usual.

        When tasks are killed by SIGUSR1 at the same time, no rank has died: the batch system ends the job.
        """
        self._shutdown.warn(now)
        self._membership.suspect_deaths(now)

    def open(self, now: float, *, is_open: bool = True) -> Step:
        """Hand out tasks from now on; with is_open False, stop until the next call."""
        step = Step(now)
        self.dispatch.waits = not is_open
        self._settle(step)
        return step

    def dismiss(self, now: float) -> Step:
        """Send Exit to all native workers, which would wait forever: all is finished, or the hub ends."""
        step = Step(now)
        for worker in self.workers.values():
            if worker.slots:
                step.send(worker, messages.Exit())
        return step

    def conclude(self, now: float, code: int, view: bytes = b"") -> Step:
        """Answer all Awaits: the run has ended with this exit code. view: the data of the answer."""
        end = replace(self._messages.standing(), n=code, data=view)
        return Step(now, sends=[(peer, end) for peer in self._end_waiters.end()])

    def _settle(self, step: Step) -> None:
        """Serve the Steals that wait, and stop when none can ever be served."""
        if self._endings.has_failed:
            self._shutdown.halt_if_reached(step)
        self.exclusions.review(step)
        self.dispatch.settle(step)
        while self.exclusions.all and self.exclusions.readmit_for(self.dispatch.kept.unmet, step):
            self.dispatch.settle(step)
        if self._state.stop is OPEN and (reason := self.dispatch.why_stop()):
            self._shutdown.stop(reason, step, running=False)
            self.dispatch.settle(step)

    # -- state -------------------------------------------------------------------------------------------------

    @property
    def stop(self) -> Stop:
        """Whether, how far and why the hub stops."""
        return self._state.stop

    @property
    def deadline(self) -> float:
        """When `tick` is due at the latest, in seconds since the epoch; infinity when nothing waits for time."""
        own = min(self._shutdown.deadline, self._membership.deadline, self._end_waiters.deadline)
        own = min(own, self.exclusions.deadline, self._state.end_warnings.deadline)
        return min(own, self.retries.deadline, self.dispatch.deadline)

    @property
    def last_end(self) -> float:
        """When a task last ended, in seconds since the epoch; minus infinity when none has."""
        return self._endings.last

    @property
    def awaited(self) -> bool:
        """Whether some worker waits for work, so that any message that may bring some is urgent."""
        return bool(self.workers.parked)

    @property
    def has_end_waiters(self) -> bool:
        """Whether some peer waits for the end of the run."""
        return bool(self._end_waiters)

    @property
    def over(self) -> bool:
        """Whether nothing runs and nothing will, unless tasks are added. False before the first task."""
        return self.dispatch.over

    @property
    def waits_for_release(self) -> bool:
        """Whether nothing continues without a Release, since all remaining tasks are held or wait for held tasks."""
        return self._control.holds_all and not self.dispatch.unfit

    def is_held(self, node: Node) -> bool:
        """Whether a Hold request keeps the task from starting."""
        return self._control.is_held(node)

    def check(self) -> None:
        """Raise AssertionError unless graph and workers agree."""
        check_graph(self.graph)
        self.workers.check()
        held = {id: worker.location for worker in self.workers.values() for id in worker.held}
        assigned = {node.id: node.holder for node in self.graph.names.values() if node.state is State.ASSIGNED}
        assert held == assigned, "each assigned task is held by its holder only"
        self.dispatch.check()
        self._endings.check()
        self._control.check()
        self.exclusions.check()
        active = {node for node in self.graph.names.values() if node.state.is_active}
        assert self.retries.lost.keys() <= active, "suspects run"
