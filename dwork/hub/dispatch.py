"""Dispatch: which ready task goes to which worker that asks for one, and which Steals wait.

Parking. A native Steal for which nothing is ready is parked here until something is, or until its wait time has passed,
so idle workers cost nothing and get tasks immediately. `settle` runs after each input: it serves parked Steals, idle
workers first, and when some remain parked it recalls unstarted tasks from workers that hold more than they can run.

Sharing. A native worker gets enough tasks for its free slots, or half of an even share of all ready tasks if that is
more, so that the last tasks spread over all workers; a peer that does not report its slots gets as many as it asks for.
Beyond its free slots a worker gets only tasks of one core, and none while a larger task is ready that it could run
(`reservations`).

Time. A task that would not end before the batch job does is set aside, until the job's end changes.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import count

from dwork.core import events, messages
from dwork.core.events import Ended
from dwork.core.messages import Native
from dwork.core.min_time import UNKNOWN, MinTime
from dwork.core.resources import NOTHING, ONE_CORE, Resources
from dwork.core.task import Assigned, Options, State
from dwork.hub.node import Node
from dwork.hub.ready_queue import LAST
from dwork.hub.reservations import Kept, WorkerRoom
from dwork.hub.state import HubState
from dwork.hub.step import Peer, Step
from dwork.hub.stop import OPEN
from dwork.hub.workers import Parked, WorkerState

#: A worker whose last message is older than this many beats may be dead.
BEATS = 2.5
#: Seconds that a task which no worker could run may be ready before this is reported.
UNMET_DELAY = 5.0


class Dispatch:
    """See the module docstring."""

    def __init__(self, state: HubState) -> None:
        self._state = state
        self._graph = state.graph
        self._retries = state.retries
        self._workers = state.workers
        self._timeout, self._grace = state.policy.timeout, state.policy.grace
        self.waits = False  # no tasks are handed out yet
        self.job_end = math.inf  # when the batch job ends
        self.min_time = UNKNOWN
        self._mean, self._ended = 0.0, 0  # mean run time of the tasks that have succeeded, and their number
        self._set_aside: set[Node] = set()  # tasks that would not end before job_end; some have been cancelled since
        self.kept = Kept()
        self._deadlines: list[tuple[float, int, Peer, Parked]] = []
        self._serial = count()
        self._resolved: dict[Options, Options] = {}
        self._stuck: dict[Resources, int] = {}  # the ready kinds for which no parked worker has room
        self._unmet: dict[Resources, float] = {}  # what no worker could run, and when to report it; infinity: done

    @property
    def over(self) -> bool:
        """Whether nothing runs and nothing will, unless tasks are added. False before the first task."""
        if self._state.stop is not OPEN:
            return not self._graph.counts[State.ASSIGNED]
        return bool(self._graph.nodes) and not self._graph.active

    @property
    def unfit(self) -> list[Node]:
        """The tasks that would not end before the batch job does."""
        return [node for node in self._set_aside if node.state.is_active]

    @property
    def deadline(self) -> float:
        """When `tick` is due at the latest; infinity when nothing waits for time."""
        deadline = self._deadlines[0][0] if self._deadlines else math.inf
        return min(deadline, min(self._unmet.values())) if self._unmet else deadline

    def expect_end(self, end: float, min_time: MinTime) -> None:
        """Set when the batch job ends, and the minimum run time of tasks that set none."""
        self.job_end, self.min_time = end, min_time
        set_aside, self._set_aside = self._set_aside, set()
        self._graph.release(set_aside)

    def ran(self, ended: Sequence[Ended]) -> None:
        """Count successful tasks, if their mean run time decides what may still start."""
        if self.min_time.part:
            n = len(ended)
            self._ended += n
            self._mean += (sum([each.result.seconds for each in ended]) - n * self._mean) / self._ended

    def _notice(self) -> None:
        """Reconsider what was decided before workers joined, left or changed their resources."""
        for worker in self._workers.reshaped:
            self.kept.reconsider(worker)
            self._stuck = {}
        self._workers.reshaped.clear()

    # -- answers -----------------------------------------------------------------------------------------------

    def answer(self, worker: WorkerState, n: int, native: Native | None, step: Step) -> bool:
        """Answer a Steal, or let it wait; return whether it was answered."""
        if self._workers.reshaped:
            self._notice()
        peer = worker.peer
        answers = native.sequence if native else 0
        if self.over:
            self._workers.withdraw(peer)
            step.answer(peer, messages.Exit(answers=answers))
        elif (
            self._graph.ready
            and self._state.stop is OPEN
            and not self.waits
            and not (native and self._must_wait(worker))
            and self._transfer(worker, n, answers, step)
        ):
            if peer in self._workers.parked:
                self._workers.withdraw(peer)
        elif native and native.wait > 0:
            parked = self._workers.park(worker, n, answers)
            if native.wait < math.inf:
                heapq.heappush(self._deadlines, (step.now + native.wait, next(self._serial), peer, parked))
            return False
        else:
            step.answer(peer, messages.NotFound(answers=answers))
        return True

    def tick(self, step: Step) -> None:
        """Answer the Steals that have waited long enough, and report tasks that no worker could run."""
        while self._deadlines and self._deadlines[0][0] <= step.now:
            _, _, peer, parked = heapq.heappop(self._deadlines)
            if self._workers.parked.get(peer) is parked:
                self._workers.withdraw(peer)
                step.answer(peer, messages.NotFound(answers=parked.answers))
        for asked in [asked for asked, due in self._unmet.items() if due <= step.now]:
            self._unmet[asked] = math.inf
            step.events.append(events.Unmet(step.now, asked, most(self._workers.values())))

    def settle(self, step: Step) -> None:
        """Serve waiting Steals; when some remain, recall tasks and reserve workers so that they can be served later."""
        if self._workers.reshaped:
            self._notice()
        if self._workers.parked and self.over:
            for peer in list(self._workers.parked):
                self._workers.withdraw(peer)
                step.answer(peer, messages.Exit())
        if self._state.stop is not OPEN:
            self._unmet = {}
            return
        if self.waits:
            return
        if not self._graph.is_plain or self.kept.by_location or self._unmet:
            self._pack(step)
        else:
            self._stuck = {}
            self._workers.touched.clear()
            if self._workers.parked:
                self._serve(self._next_parked, step)
        if self._workers.parked:
            self._recall(step)

    def _pack(self, step: Step) -> None:
        """Serve the workers for which something has changed, and reserve workers for tasks that fit nowhere."""
        kinds = self._graph.kinds()
        touched = self._workers.touched
        for location in self.kept.drop_idle(kinds):
            touched.add(self._workers[location].peer)
        if kinds != self._stuck or self._retries.lost:  # a suspect may have waited for another task to end
            self._serve(self._next_parked, step)
        elif touched:
            self._serve(self._next_touched, step)
        touched.clear()
        kinds = self._stuck = self._graph.kinds()
        for worker in self.kept.choose(kinds, [w for w in self._workers.values() if not w.is_barred]):
            if worker.surplus and not worker.recalled:
                worker.recalled = True
                step.send(worker, messages.Recall(worker.surplus))
        self._unmet = {asked: self._unmet.get(asked, step.now + UNMET_DELAY) for asked in self.kept.unmet}

    def _serve(self, choose: Callable[[set[Peer]], Peer | None], step: Step) -> None:
        tried: set[Peer] = set()
        while self._graph.ready and (peer := choose(tried)) is not None:
            parked = self._workers.parked[peer]
            self._workers.withdraw(peer)
            tried.add(peer)
            if not self._transfer(parked.worker, max(parked.n, parked.worker.free), parked.answers, step):
                self._workers.put_back(parked)
                if self._graph.is_plain:  # what this worker cannot get yet, no other can
                    return

    def _must_wait(self, worker: WorkerState) -> bool:
        """Whether a worker gets nothing now: an idle worker goes first, or it must survive its suspect task first.

        An idle worker that waits goes before a busy one, and before one on which all tasks it could get have failed.
        """
        retries = self._retries
        if worker.is_barred or retries.fills(worker.held.values(), worker.slots):
            return True
        if worker.free and not retries.avoids(worker.location):
            return False
        idle = (
            p.worker
            for p in self._workers.parked.values()
            if p.worker.free and p.worker is not worker and not p.worker.is_barred
        )
        return any(not worker.free or not retries.avoids(other.location) for other in idle)

    def _next_parked(self, tried: set[Peer]) -> Peer | None:
        """Return the peer whose Steal to serve next: an idle worker, or else any worker that may get more.

        An idle worker on which all tasks it could get have failed comes after the other idle ones.
        """
        second = spare = None
        for peer, parked in self._workers.parked.items():
            if peer in tried or parked.worker.is_barred:
                continue
            if parked.worker.free:
                if not self._retries.avoids(parked.worker.location):
                    return peer
                second = peer if second is None else second
            elif spare is None and not self._retries.fills(parked.worker.held.values(), parked.worker.slots):
                spare = peer
        return spare if second is None else second

    def _next_touched(self, tried: set[Peer]) -> Peer | None:
        parked = [self._workers.parked[peer] for peer in self._workers.touched - tried if peer in self._workers.parked]
        fills = self._retries.fills
        parked = [p for p in parked if not p.worker.is_barred and not fills(p.worker.held.values(), p.worker.slots)]
        return min(parked, key=lambda p: self._retries.avoids(p.worker.location)).worker.peer if parked else None

    def _recall(self, step: Step) -> None:
        """Recall as many surplus tasks from loaded workers as the idle ones could run."""
        if not self._workers.loaded:
            return
        idle = [parked.worker for parked in self._workers.parked.values() if not parked.worker.is_barred]
        wanted = sum([worker.free for worker in idle if worker.location not in self.kept.by_location])
        for worker in self._workers.loaded.values():
            if wanted <= 0:
                return
            if worker.beat and step.now - worker.heard > BEATS * worker.beat:  # it may be dead
                continue
            n = min(wanted, worker.surplus)
            wanted -= n
            if not worker.recalled and worker.peer is not None:
                worker.recalled = True
                step.send(worker, messages.Recall(n))

    # -- what goes out -----------------------------------------------------------------------------------------

    def _transfer(self, worker: WorkerState, n: int, answers: int, step: Step) -> bool:
        """Hand out up to n tasks; return False when none that is ready fits the worker, or can end before the job."""
        room = None
        if worker.slots:
            n = min(n, max(1, worker.free, self._graph.ready // (2 * self._workers.slots) * worker.slots))
            room = self._room(worker, n)
        nodes = self._retries.take(n, worker.location, self._workers.slots, room)
        if self.job_end < math.inf:
            nodes = self._drop_unfit(nodes, n, worker.location, room, step.now)
        if not nodes:
            return False
        resolve = self._timeout is not None or self._grace is not None
        tasks = []
        for node in nodes:
            name, command, _, options, origin, _ = node.task
            if resolve:
                options = self._resolved.get(options) or self._resolve(options)
            tasks.append(Assigned(node.id, node.attempt, name, command, options, origin))
        if room is not None:
            self._end_reservation(worker, nodes)
        self._workers.give(worker, nodes, plain=room is None)
        step.events.append(events.Stolen(step.now, worker.location, tasks))
        time = 0.0 if worker.slots else step.now
        awaited = bool(worker.slots) and any([node.successors is not None for node in nodes])
        step.sends.append((worker.peer, messages.Transfer(tuple(tasks), answers, time, awaited)))
        return True

    def _room(self, worker: WorkerState, spare: int) -> WorkerRoom | None:
        """Return the room of a worker; None when all ready tasks are of one core: it may get them beyond its slots."""
        kept = self.kept.for_what(worker)
        if kept is None and self._graph.is_plain:
            return None
        is_wanted = kept is not None or any(
            asked is not ONE_CORE and top > LAST and worker.has.suffices(asked)
            for asked, top in self._graph.kinds().items()
        )
        return WorkerRoom(worker, 0 if is_wanted else spare, kept)

    def _end_reservation(self, worker: WorkerState, nodes: list[Node]) -> None:
        """End the reservation of a worker that now gets the task that it was kept for."""
        kept = self.kept.for_what(worker)
        if kept is not None and any(node.task.options.asks == kept for node in nodes):
            self.kept.forget(worker)

    def _drop_unfit(self, nodes: list[Node], n: int, location: str, room: WorkerRoom | None, now: float) -> list[Node]:
        """Return the nodes that can end before the job does, and others in place of the rest, which are set aside."""
        left = self.job_end - now
        expected = self.min_time.expected(self._mean)
        warnings = self._state.end_warnings
        fit: list[Node] = []
        while nodes:
            unfit: list[Node] = []
            for node in nodes:
                options = node.task.options
                before = warnings.before(options)
                takes_too_long = (options.min_time or expected) > left or (before > 0.0 and before >= left)
                (unfit if takes_too_long else fit).append(node)
                if not takes_too_long:
                    warnings.handed_out(options)
            if room is not None:
                for node in unfit:
                    room.claim(node.task.options.asks, -1)
            self._graph.set_aside(unfit)
            self._set_aside.update(unfit)
            lacking = n - len(fit) if unfit else 0
            nodes = self._retries.take(lacking, location, self._workers.slots, room) if lacking > 0 else []
        return fit

    def _resolve(self, options: Options) -> Options:
        """Return options with the pool's defaults filled in; cached, since most tasks share their options."""
        timeout = self._timeout if options.timeout is None else options.timeout
        grace = self._grace if options.grace is None else options.grace
        is_same = timeout == options.timeout and grace == options.grace
        resolved = options if is_same else replace(options, timeout=timeout, grace=grace)
        self._resolved[options] = resolved
        return resolved

    def misses(self, node: Node) -> str:
        """Return which resources a ready task waits for, as text; empty when it does not wait for resources."""
        asked, workers = node.task.options.asks, self._workers.values()
        if asked is ONE_CORE or node.state is not State.READY:
            return ""
        if any(worker.could(asked) for worker in workers):
            return f"no worker has {asked} free"
        return f"it asks for {asked}, but no worker has that (maximum: {most(workers)})" if workers else ""

    def why_stop(self) -> str:
        """Return why no more tasks will be handed out although some are left; empty while some may be."""
        counts = self._graph.counts
        if not (self._set_aside or self._unmet) or counts[State.ASSIGNED] or self._retries.deadline < math.inf:
            return ""
        if self._unmet and not self._state.policy.elastic:
            if all(self._unmet.get(asked) == math.inf for asked in self._graph.kinds()):
                return "the remaining tasks ask for more than any worker has"
        elif not counts[State.READY] and (unfit := self.unfit):
            return f"the remaining tasks would not finish before the job ends ({len(unfit):,} too long)"
        return ""

    def check(self) -> None:
        """Raise AssertionError unless this agrees with the workers."""
        self._notice()
        assert self.kept.by_location.keys() <= self._workers.keys(), "reserved workers are known"
        if self._state.stop is OPEN and not self.waits:
            others = self._graph.counts[State.ASSIGNED]
            ready = list(self._graph.upcoming(self._graph.ready))
            slots = self._workers.slots
            kinds = {n.task.options.asks for n in ready if not self._retries.must_wait(n, others, slots)}
            for parked in [parked for parked in self._workers.parked.values() if not parked.worker.is_barred]:
                room = WorkerRoom(parked.worker, 0, self.kept.for_what(parked.worker))
                assert not any(room.fit(asked) for asked in kinds), "no worker idles while a task fits"


def most(workers: Iterable[WorkerState]) -> Resources:
    """Return the maximum of each resource over these workers."""
    has = [worker.has for worker in workers if worker.slots] or [NOTHING]
    return Resources(max(h.cores for h in has), max(h.memory for h in has), max(h.gpus for h in has))
