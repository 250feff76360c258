"""Workers that come, prove that they are alive, compare what they hold with the graph, and go.

A hub that is restored from its record knows which worker held which task; a worker that has kept its tasks continues as
if nothing had happened. A worker that promised to send beats and is silent for too long is declared lost; the tasks
that it still has if it returns are copies that the graph does not know (`orphans`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace

from dwork.core import events, messages
from dwork.core.cause import Cause
from dwork.core.errors import GraphError
from dwork.core.glob import is_glob, matcher
from dwork.core.messages import OURS, STANDSTILL, Message, Native
from dwork.core.peer_version import mismatch
from dwork.core.task import State
from dwork.core.text import printable
from dwork.hub.dispatch import BEATS
from dwork.hub.endings import Endings
from dwork.hub.exclusions import Exclusions
from dwork.hub.node import Node
from dwork.hub.returns import Returns
from dwork.hub.state import HubState
from dwork.hub.step import Peer, Step
from dwork.hub.workers import WorkerState

#: The beat of a worker that is expected to return to a restarted hub, until it sends its own.
RETURN = 1.0


class Membership:
    """See the module docstring. deadline: when to check for silent workers."""

    def __init__(self, state: HubState, endings: Endings, returns: Returns, exclusions: Exclusions) -> None:
        self._state = state
        self._endings = endings
        self._returns = returns
        self._exclusions = exclusions
        self.deadline = math.inf
        self._suspect_until = -math.inf  # until then, declare silent workers lost sooner

    # -- coming ------------------------------------------------------------------------------------------------

    def expect(self, location: str, slots: int, now: float) -> WorkerState:
        """Return the worker at location, which is expected to return to this hub."""
        workers = self._state.workers
        worker = workers.get(location)
        if worker is None:
            worker = workers.add(location)
            worker.heard, worker.beat = now, RETURN if slots else 0.0
            workers.meet(worker, None, slots, None)
            self._expect_beats(worker, now)
        return worker

    def meet(self, peer: Peer, location: str, native: Native | None, step: Step) -> WorkerState | None:
        """Return the worker at location, registering it when it is new.

        Return None when it speaks another protocol, or must first report what it holds: it knows this hub, but this
        hub does not know it.
        """
        workers = self._state.workers
        worker = workers.get(location)
        if native and (worker is None or worker.peer != peer):
            if native.version.protocol != OURS.protocol:
                text = printable(mismatch("the hub", OURS, f"worker {location}", native.version))
                step.answer(peer, messages.Error(text, native.sequence, OURS))
                return None
            if native.sequence > 1 and not native.hello and native.held is None:
                self.ask_again(peer, step)
                return None
        slots = native.slots if native else 0
        if worker is None:
            worker = workers.add(location)
        if worker.peer is None:
            worker.joined = step.now
            step.events.append(events.Joined(step.now, location, slots))
        has = native.has if native else None
        if worker.peer != peer:
            worker.sequence = 0
        if worker.peer != peer or worker.slots != slots or (has is not None and has != worker.has):
            workers.meet(worker, peer, slots, has)
        worker.heard = step.now
        if native:
            worker.beat = native.beat
            if native.beat:
                self._expect_beats(worker, step.now)
            if native.hello:
                step.answer(peer, self._state.welcome)
        return worker

    def resize(self, worker: WorkerState, peer: Peer, native: Native) -> None:
        """Note how many slots a worker offers, which are fewer when its system refuses to start more processes."""
        if worker.peer == peer and worker.slots != native.slots:
            self._state.workers.meet(worker, peer, native.slots, None)

    def ask_again(self, peer: Peer, step: Step) -> None:
        """Ask a worker to send everything again."""
        step.answer(peer, replace(self._state.welcome, again=True))

    # -- comparing ---------------------------------------------------------------------------------------------

    def reconcile(self, worker: WorkerState, native: Native | None, step: Step, owed: Iterable[Node] = ()) -> None:
        """Compare the tasks that the worker reports as held with those assigned to it, if it reports them.

        Assigned tasks that it does not have were lost on the way and are taken back, except those in owed, whose output
        is incomplete. A Steal of it that waits here is dropped, since the worker would ignore the answer.
        """
        if native is None or native.held is None:
            return
        self._state.workers.unpark(worker)
        reported = dict(native.held)
        reported.update((node.id, node.attempt) for node in owed)
        lost = [node for id, node in worker.held.items() if reported.get(id) != node.attempt]
        if lost:
            self._returns.take_back(worker, lost, Cause.NEVER_ARRIVED, "it never arrived", step)
        to_drop = [
            id
            for id, attempt in native.held
            if id not in worker.held and not self._returns.may_keep(worker, id, attempt, step)
        ]
        kills, to_cancel = self._state.stop.kills, self._endings.to_cancel
        if to_cancel or kills:  # it was away when the Cancel was sent, or that got lost
            to_drop += [id for id, node in worker.held.items() if kills or node in to_cancel]
        if to_drop:
            step.send(worker, messages.Cancel(tuple(to_drop)))

    # -- going -------------------------------------------------------------------------------------------------

    def ask_to_leave(self, peer: Peer, message: messages.Leave, step: Step) -> None:
        """Ask workers to leave. GraphError when none of them can be asked."""
        able = [worker for worker in self._state.workers.values() if worker.slots and worker.peer is not None]
        asked = [worker for worker in able if any(_matches(worker.location, text) for text in message.locations)]
        if not asked:
            raise GraphError(f"no worker that can be asked to leave matches {', '.join(message.locations)}")
        step.sends += [(worker.peer, messages.Leave()) for worker in asked]
        step.answer(peer, messages.OK(n=len(asked)))

    def include(self, peer: Peer, message: messages.Include, step: Step) -> None:
        """Give excluded workers tasks again. GraphError when none matches."""
        texts = message.locations
        found = [each for each in self._exclusions.all if any(_matches(each, text) for text in texts)]
        if not found:
            raise GraphError(f"no excluded worker matches {', '.join(texts)}")
        for location in found:
            self._exclusions.include(location, "on request", step)
        step.answer(peer, messages.OK(n=len(found)))

    def sign_off(self, peer: Peer, message: messages.Exit, step: Step) -> None:
        """Remove a worker that leaves."""
        worker = self._state.workers.get(message.location or "")
        if worker is None:
            step.answer(peer, messages.NotFound())
            return
        reason = "it signed off"
        self._returns.take_back(worker, list(worker.held.values()), Cause.LEFT, reason, step)
        self._state.workers.remove(worker)
        step.events.append(events.Left(step.now, worker.location, reason, died=False))
        step.answer(peer, messages.OK())

    def lose(self, gone: Mapping[Peer, Iterable[Message]], reason: str, step: Step) -> None:
        """Remove the workers of peers that are gone; gone has the messages that did not reach each peer.

        The tasks of a native worker become ready again. Peers of the original dialect may share a location, and the
        loss of one proves nothing about the others: only tasks that could not be delivered to it are taken back.
        """
        for undelivered in gone.values():
            for message in undelivered:  # first: tasks that it never received did not kill it
                if isinstance(message, messages.Transfer):
                    self._returns.undelivered(message, reason, step)
        for worker in [w for w in self._state.workers.values() if w.slots and w.peer in gone]:
            self._remove_dead(worker, reason, step)

    def _remove_dead(self, worker: WorkerState, reason: str, step: Step) -> None:
        nodes = list(worker.held.values())
        self._returns.lose(worker, nodes, Cause.DIED, reason, step)
        self._state.workers.remove(worker)
        step.events.append(events.Left(step.now, worker.location, reason, died=True))
        self._state.orphans.add([node for node in nodes if node.state is State.READY], worker.location)
        self._returns.give_up_suspects(worker, nodes, Cause.DIED, reason, step)

    # -- silence -----------------------------------------------------------------------------------------------

    def suspect_deaths(self, now: float) -> None:
        """For `silence` seconds, declare silent workers lost sooner than usual."""
        self._suspect_until = now + self._state.policy.silence
        self.deadline = min(self.deadline, now)

    def _expect_beats(self, worker: WorkerState, now: float) -> None:
        """Check no later than when this worker has been silent for too long."""
        self.deadline = min(self.deadline, worker.heard + self._allowed_silence(worker, now))

    def _allowed_silence(self, worker: WorkerState, now: float) -> float:
        return max(0.0 if now < self._suspect_until else self._state.policy.silence, BEATS * worker.beat)

    def tick(self, step: Step) -> None:
        """Declare the workers lost that have been silent for too long."""
        now, policy = step.now, self._state.policy
        if now < self.deadline:
            return
        late, self.deadline = now - self.deadline, math.inf
        workers = self._state.workers.values()
        if late >= max(policy.beat, STANDSTILL):  # messages that arrived meanwhile are still unread
            for worker in workers:
                worker.heard = now
        for worker in list(workers):
            if not worker.beat:
                continue
            silence = now - worker.heard
            if silence >= self._allowed_silence(worker, now):
                self._remove_dead(worker, f"it was silent for {silence:.0f} s", step)
                if worker.peer is not None:
                    step.dropped.append(worker.peer)
            else:
                self._expect_beats(worker, now)


def _matches(location: str, text: str) -> bool:
    if not is_glob(text):
        return location == text
    try:
        return matcher(text)(location) is not None
    except ValueError as error:
        raise GraphError(str(error)) from None
