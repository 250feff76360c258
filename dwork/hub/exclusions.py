"""Workers on which tasks fail that succeed elsewhere: they are excluded, and what failed there runs again.

A bad node (a broken mount, a full /tmp) fails each task within moments, asks for the next, and so fails most of a run.

- A worker becomes a *suspect* when different tasks have failed on it in a row, each within QUICK seconds: as many as
  it has slots, and at least FEWEST. The last of them runs again at once, elsewhere. A suspect gets no tasks, and
  failures of those that it still holds do not count: they run again, too.
- The first of these tasks to end on a worker that is no suspect decides. When it succeeds, the suspect is *excluded*:
  it gets no more tasks, and all that failed in that row run again as if they had not run there. When it fails, the
  tasks are at fault: the suspicion ends, and the worker's next one takes twice as many failures. So does a task that
  succeeds on the suspect, or SUSPICION seconds without a decision; then the row goes on.
- At most half of the workers are suspects or excluded, and each leaves a worker that has as many cores and GPUs. When
  others leave so that this is no longer so, the first one of these gets tasks again; and so does one that alone could
  run a task that is ready.

So no worker is excluded when tasks fail everywhere, nor is the only one. A worker that does not report its slots is not
judged. What a result costs does not depend on the number of tasks; only a new suspect is compared with other workers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final

from dwork.core import events
from dwork.core.cause import Cause
from dwork.core.messages import Recall
from dwork.core.resources import Resources
from dwork.core.task import Result, State
from dwork.core.text import label
from dwork.hub.endings import named
from dwork.hub.node import Node
from dwork.hub.returns import Returns
from dwork.hub.state import HubState
from dwork.hub.step import Step
from dwork.hub.stop import OPEN
from dwork.hub.workers import WorkerState

#: How many failures in a row make a suspect of a worker, at least.
FEWEST: Final = 5
#: The longest time that such a failed attempt has run, in seconds.
QUICK: Final = 10.0
#: How long a suspect gets no tasks, in seconds, when nothing decides.
SUSPICION: Final = 30.0
#: The failures that a bad worker can cause.
_COUNTED: Final = frozenset({Cause.ITSELF, Cause.NOT_STARTED, Cause.OUTPUT, Cause.SETUP, Cause.NOT_CREATED})


class Exclusions:
    """See the module docstring. excluded: by location, why. suspects: until when; both in the order of their begin."""

    def __init__(self, state: HubState, returns: Returns) -> None:
        self._state = state
        self._returns = returns
        self._is_on = state.policy.exclude
        self.excluded: dict[str, str] = {}
        self.suspects: dict[str, float] = {}
        # By location: the tasks that have failed there since one succeeded, and whether that failure counts.
        self._rows: dict[str, dict[Node, bool]] = {}
        self._factors: dict[str, int] = {}  # by location: how many times as many failures the next suspicion takes
        self._deciding: dict[Node, str] = {}  # the tasks that failed on a suspect

    @property
    def deadline(self) -> float:
        """When the next suspicion ends if nothing decides; infinity when there is none."""
        return min(self.suspects.values(), default=math.inf)

    @property
    def all(self) -> list[str]:
        """The locations of excluded workers and suspects."""
        return [*self.excluded, *self.suspects]

    # -- results -----------------------------------------------------------------------------------------------

    def succeeded(self, worker: WorkerState, nodes: Sequence[Node], step: Step) -> None:
        """Note that tasks have succeeded."""
        if not self._rows:
            return
        location = worker.location
        if location in self.suspects:
            self._acquit(location)
        self._rows.pop(location, None)
        for node in nodes if self._deciding and location not in self.excluded else ():
            suspect = self._deciding.get(node)
            if suspect is not None:
                self._exclude(suspect, f"{label(node.id, node.name)} succeeded on {location}", step)

    def forgives(self, worker: WorkerState, node: Node, result: Result, step: Step) -> bool:
        """Note that an attempt has failed; return whether that does not count, and the task runs again elsewhere."""
        location = worker.location
        if not self._is_on or not worker.slots or self._state.stop is not OPEN:
            return False
        suspect = self._deciding.get(node)
        if suspect is not None and not worker.is_barred:
            self._acquit(suspect)
        if result.cause not in _COUNTED:
            return False
        if location in self.excluded:
            return True
        if location not in self.suspects and result.seconds > QUICK:
            self._rows.pop(location, None)
            return False
        row = self._rows.setdefault(location, {})
        needed = max(FEWEST, worker.slots) * self._factors.get(location, 1)
        if location not in self.suspects and len(row) + (node not in row) >= needed and self._is_dispensable(worker):
            self._suspect(worker, step)
        is_forgiven = location in self.suspects
        if is_forgiven:
            self._deciding[node] = location
        if is_forgiven or len(row) < needed:  # of more failures than decide nothing is kept
            row[node] = row.get(node, False) or not is_forgiven
        return is_forgiven

    def _suspect(self, worker: WorkerState, step: Step) -> None:
        location = worker.location
        self.suspects[location] = step.now + SUSPICION
        self._deciding.update(dict.fromkeys(self._rows[location], location))
        self._state.workers.bar(worker, is_barred=True)
        if worker.held and not worker.recalled:
            worker.recalled = True
            step.send(worker, Recall(len(worker.held)))

    # -- decisions ---------------------------------------------------------------------------------------------

    def _exclude(self, location: str, evidence: str, step: Step) -> None:
        row = self._end_suspicion(location)
        failed = [node for node in row if node.state is State.FAILED]
        forgiven = [node for node, counts in row.items() if counts and node.state.is_active and node.failures]
        for node in forgiven:
            self._state.graph.forgive(node)
        reason = f"{len(row)} tasks in a row failed there, and {evidence}"
        self.excluded[location] = reason
        step.events.append(events.Excluded(step.now, location, reason, named(forgiven)))
        if failed:
            self._returns.retry(failed, step)

    def _acquit(self, location: str) -> None:
        """End a suspicion: the tasks are at fault."""
        self._end_suspicion(location)
        self._readmit(location)

    def _end_suspicion(self, location: str) -> dict[Node, bool]:
        """Forget a suspicion, and return the tasks that failed."""
        del self.suspects[location]
        self._deciding = {node: suspect for node, suspect in self._deciding.items() if suspect != location}
        return self._rows.pop(location, {})

    def _readmit(self, location: str) -> None:
        """Give a worker tasks again."""
        self._factors[location] = 2 * self._factors.get(location, 1)
        worker = self._state.workers.get(location)
        if worker is not None:
            self._state.workers.bar(worker, is_barred=False)

    # -- time and workers --------------------------------------------------------------------------------------

    def review(self, step: Step) -> None:
        """End suspicions that have lasted too long; see to workers that came or left."""
        if not self.suspects and not self.excluded:
            return
        workers = self._state.workers
        for location in [location for location, until in self.suspects.items() if step.now >= until]:
            row = self._end_suspicion(location)
            self._rows[location] = row
            self._readmit(location)
        if not workers.reshaped:
            return
        for location in [location for location in self.suspects if location not in workers]:
            self._end_suspicion(location)
        for location in self.excluded:  # one that was lost may have come back
            if location in workers and not workers[location].is_barred:
                workers.bar(workers[location], is_barred=True)
        for location in self.all:
            worker = workers.get(location)
            if worker is not None and worker.slots and not self._is_dispensable(worker):
                self.include(location, "there are too few other workers", step)

    def readmit_for(self, unmet: Iterable[Resources], step: Step) -> bool:
        """Give a worker tasks again that could run what no other can; return whether there was one."""
        for location in self.all:
            worker = self._state.workers.get(location)
            if worker is not None and any(map(worker.could, unmet)):
                self.include(location, "a task asks for what only this worker has", step)
                return True
        return False

    def _is_dispensable(self, worker: WorkerState) -> bool:
        """Whether the others can do without this worker."""
        workers = self._state.workers
        if 2 * (workers.barred + (not worker.is_barred)) > len(workers):
            return False
        return any(
            each.slots and each is not worker and not each.is_barred and each.peer is not None
            and each.has.cores >= worker.has.cores and each.has.gpus >= worker.has.gpus
            for each in workers.values()
        )  # fmt: skip

    def include(self, location: str, reason: str, step: Step) -> None:
        """Give a suspect or an excluded worker tasks again."""
        if location in self.suspects:
            self._acquit(location)
            return
        del self.excluded[location]
        self._readmit(location)
        step.events.append(events.Included(step.now, location, reason))

    def reason(self, location: str) -> str:
        """Return why a worker gets no tasks; empty when it gets some."""
        if location in self.suspects:
            return f"suspected: {len(self._rows[location])} tasks in a row failed there; they are tried elsewhere"
        reason = self.excluded.get(location)
        return f"excluded: {reason}" if reason else ""

    def check(self) -> None:
        """Raise AssertionError unless the facts agree."""
        workers = self._state.workers
        barred = {location for location in self.all if location in workers}
        assert barred == {w.location for w in workers.values() if w.is_barred}, "suspects and excluded get no tasks"
        assert not self.suspects.keys() & self.excluded.keys(), "a worker is suspected or excluded"
        assert set(self._deciding.values()) <= self.suspects.keys(), "tasks decide about suspects"
        assert 2 * len(barred) <= len(workers) or not barred, "at most half of the workers get no tasks"
