"""How the hub stops: on request, when too much has failed, before or at the end of the batch job."""

from __future__ import annotations

import math
from collections.abc import Sequence

from dwork.core import events, messages
from dwork.core.cause import Cause
from dwork.core.task import USR1, Result, State
from dwork.hub.endings import DOUBT, Endings
from dwork.hub.returns import Returns
from dwork.hub.state import HubState
from dwork.hub.step import Peer, Step
from dwork.hub.stop import OPEN, Phase

#: Seconds that a worker has to end its tasks after it was asked to, beyond their grace; then they are taken back.
ENDING = 30.0


class Shutdown:
    """See the module docstring. drain_at: when to end the running tasks, since the job ends."""

    def __init__(self, state: HubState, endings: Endings, returns: Returns) -> None:
        self._state = state
        self._endings = endings
        self._returns = returns
        self._job_end = math.inf
        self._drain_at = math.inf
        self._end_by = math.inf  # when the tasks that are being killed must have ended
        self._patience = ENDING  # how many seconds they have for that
        self.warned_until = -math.inf  # until then, tasks killed by SIGUSR1 mean that the job ends

    @property
    def deadline(self) -> float:
        """When `tick` is due at the latest."""
        return min(math.inf if self._state.stop.kills else self._drain_at, self._end_by)

    def expect_end(self, end: float, drain_before: float) -> None:
        """Set when the batch job ends, and how many seconds earlier running tasks are ended."""
        self._job_end, self._drain_at = end, end - drain_before

    def tick(self, step: Step) -> None:
        """End what must have ended by now."""
        if step.now >= self._drain_at and not self._state.stop.kills:
            left = max(0.0, self._job_end - step.now)
            self.stop(f"the job ends in {left:.0f} s", step, running=True)
        if step.now >= self._end_by:
            self._end_by = math.inf
            reason = f"it did not end within {self._patience:.0f} s"
            for worker in self._state.workers.values():
                if worker.held:
                    self._returns.take_back(worker, list(worker.held.values()), Cause.STOPPED, reason, step)

    def request(self, peer: Peer, message: messages.Drain, step: Step) -> None:
        """Process a Drain request."""
        self.stop("drained on request", step, running=message.now)
        step.answer(peer, messages.OK())

    def halt_if_reached(self, step: Step) -> None:
        """Stop when enough tasks have failed, as the policy says; to be called when some have."""
        self._endings.has_failed = False
        halt, counts = self._state.policy.halt, self._state.graph.counts
        is_open = self._state.stop is OPEN
        if halt is not None and is_open and halt.reached(counts[State.FAILED], sum(counts.values())):
            self.stop(f"{counts[State.FAILED]} failed", step, running=halt.now, for_later=False)

    def stop(self, reason: str, step: Step, *, running: bool, for_later: bool = True) -> None:
        """Hand out no more tasks; running: also kill the running ones. for_later: another run runs the rest."""
        self._enter(Phase.KILLING if running else Phase.CLOSED, reason, step, for_later=for_later)

    def _enter(self, phase: Phase, reason: str, step: Step, *, for_later: bool = True) -> None:
        was, running = self._state.stop, phase >= Phase.KILLING
        self._state.stop = was.further(phase, reason, for_later=for_later)
        step.events.append(events.Stopping(step.now, reason, running))
        for worker in self._state.workers.values():
            if not worker.held:
                continue
            if not worker.slots:  # a C++ worker takes no unasked messages
                if running:
                    self._returns.take_back(worker, list(worker.held.values()), Cause.STOPPED, reason, step)
            elif running:
                step.send(worker, messages.Cancel(tuple(worker.held)))
            elif worker.surplus > 0:
                step.send(worker, messages.Recall(worker.surplus))
        if running and not was.kills:
            self._state.end_warnings.stop()
            self._patience = self._longest_grace() + ENDING
            self._end_by = step.now + self._patience

    def _longest_grace(self) -> float:
        """Return the longest time between TERM and KILL that is set for an assigned task; 0.0 when none is."""
        default = self._state.policy.grace or 0.0
        held = [node.task.options.grace for worker in self._state.workers.values() for node in worker.held.values()]
        return max([default if grace is None else grace for grace in held], default=0.0)

    # -- the end of the job ------------------------------------------------------------------------------------

    def end_of_job(self, reason: str, step: Step) -> None:
        """Stop because the batch system ends the job and may have sent all processes a signal.

        Does what `stop` does with `running`. In addition, no result counts that came within the last second or comes
        later: when `sim` in `sim; post` gets the signal first, the shell continues with `post`, and the task seems to
        succeed.
        """
        self._enter(Phase.IN_DOUBT, reason, step)
        self._returns.revoke(self._endings.recent(step.now), reason, step)

    def warn(self, now: float) -> None:
        """Note that a rank may have died; if tasks are killed by SIGUSR1 meanwhile, the job ends instead."""
        self.warned_until = now + 2 * DOUBT

    def inspect(self, results: Sequence[Result], step: Step) -> None:
        """Recognize the end of the job from tasks that were killed by SIGUSR1; to be called until `warned_until`."""
        if not self._state.stop.in_doubt and any(r.signal == USR1 and r.cause is Cause.ITSELF for r in results):
            self.end_of_job("SIGUSR1", step)
