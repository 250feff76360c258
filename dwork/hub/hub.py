"""The hub: holds the task graph, hands out ready tasks to workers that steal them, and receives their results.

Theory of operation. `receive` takes one message from one peer and returns its effects as a Step: events (what has
happened) and sends (which message goes to which peer). The caller owns sockets, clock and disk; it must make the events
of a step durable before it sends the messages. An illegal request is answered with Error and changes nothing.

A *peer* is the caller's handle for sending to a process: any hashable. A *worker* is a location that has contacted the
hub as a worker; its peer is the one it last used. C++ workers on one host share a location; the hub treats them as one.

Handing out. `dispatch` decides which worker gets which tasks and which Steals wait; `_settle` runs it after each input.

Restarts and lost workers. A hub that is restored from its record knows which worker held which task; a worker that has
kept its tasks continues as if nothing had happened. A worker that promised to send beats and is silent for too long is
declared lost; the tasks that it still has if it returns are copies that the graph does not know (`orphans`).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dwork.core import events, messages
from dwork.core.errors import GraphError
from dwork.core.events import Ended, Named
from dwork.core.glob import is_glob, matcher
from dwork.core.halt import Halt
from dwork.core.messages import STANDSTILL, Message, Native, Verb
from dwork.core.min_time import MinTime
from dwork.core.task import ACTIVE, TERM, USR1, Assigned, Result, State, TaskKey
from dwork.hub.dispatch import BEATS, Dispatch
from dwork.hub.end_waiters import EndWaiters
from dwork.hub.graph import Graph, Restored
from dwork.hub.intake import Intake
from dwork.hub.node import Node
from dwork.hub.orphans import Orphans
from dwork.hub.retries import Retries
from dwork.hub.select import find, select
from dwork.hub.workers import Peer, Step, WorkerState, refusal

#: The beat of a worker that is expected to return to a restarted hub, until it sends its own.
RETURN = 1.0
#: Seconds that a worker has to end its tasks after it was asked to; then they are taken back.
ENDING = 30.0
#: The exit status of a task that failed because its workers died: the real one is unknown.
LOST_TOO_OFTEN = 255
#: Seconds before the signal that ends the job in which the batch system may already have killed tasks or parts of them.
DOUBT = 1.0
#: How often a worker is asked without success for output that it reports as sent; then the attempt is lost.
ASKS = 2
#: The reason of such a loss.
NOT_ALL = "some of its output never arrived"
#: The reason of a cancellation by a Cancel request.
ON_REQUEST = "on request"


@dataclass(frozen=True, slots=True)
class Policy:
    """The hub's settings, and the defaults of tasks that do not set their own.

    retries: how often a failed task is retried. delay: seconds before the first retry; each further retry waits twice
    as long. losses: a task fails after this many workers have died while running it. silence: seconds without a message
    after which a worker that promised to send beats is lost. timeout: seconds that one attempt may take; None: no
    limit. halt: when failures stop the pool. unknown_is_done: treat an unknown predecessor as done, as the C++ hub
    does, instead of refusing it. elastic: workers may join that can run tasks which no present worker can; otherwise
    the hub stops when only such tasks are left.
    """

    retries: int = 0
    delay: float = 1.0
    losses: int = 5
    silence: float = 60.0
    timeout: float | None = None
    halt: Halt | None = None
    unknown_is_done: bool = False
    elastic: bool = True

    @property
    def beat(self) -> float:
        """Seconds between two beats of a worker, short enough to notice its silence in time."""
        return self.silence / 8


class Hub:
    """One task graph and the workers that run it. The module docstring has the rules."""

    def __init__(self, policy: Policy | None = None, welcome: messages.Welcome | None = None) -> None:
        self.policy = policy or Policy()
        self.graph = Graph(unknown_is_done=self.policy.unknown_is_done)
        self.trials = Retries(self.graph, self.policy.delay)
        self.dispatch = Dispatch(self.graph, self.trials, self.policy.timeout, self.policy.elastic)
        self.workers: dict[str, WorkerState] = {}
        self.stopping = ""  # why no more tasks are handed out; empty while they are
        self.cancelling = False  # running tasks are being killed too
        self.interrupting = False  # and have not failed by that: the next run runs them again
        self.in_doubt = False  # the batch system may have killed them, or parts of them: no result counts
        self._ends: deque[tuple[float, Sequence[Node]]] = deque()  # when which tasks ended, for the last second
        self._warned_at = -math.inf  # when a signal came that means a dead rank or the end of the job
        self.is_drained = False  # the remaining tasks are left to another run
        self._drain_at = math.inf
        self._end_by = math.inf  # when the tasks that are being killed must have ended
        self._welcome = welcome or messages.Welcome()
        self._held: set[Node] = set()  # tasks held by a Hold request
        self._orphans = Orphans()
        self._intake = Intake()
        self._end_waiters = EndWaiters()
        self._silence_check = math.inf  # when to check for silent workers
        self._suspect_until = -math.inf  # until then, declare silent workers lost sooner
        self._to_cancel: set[Node] = set()  # to be cancelled as soon as their worker returns them
        self._handlers: dict[type, Callable[[Peer, Any, float, Step], None]] = {
            messages.Create: self._create,
            messages.Steal: self._steal,
            messages.Beat: self._beat,
            messages.Complete: self._complete,
            messages.GiveBack: self._give_back,
            messages.Lookup: self._lookup,
            messages.Exit: self._exit,
            messages.Control: self._control,
            messages.Leave: self._leave,
            messages.Drain: self._drain,
            messages.OK: self._status,
            messages.Await: self._await,
            messages.Output: self._output,
        }

    def restore(
        self, tasks: Sequence[Restored], now: float, slots: Mapping[str, int] | None = None, next_id: int = 0
    ) -> Step:
        """Load the tasks of a record, in this order, before any other input; GraphError when they form no valid graph.

        Each location that held a task becomes a worker that is expected to return; slots: the slots of the native ones.
        next_id: as for Graph.restore.
        """
        self.graph.restore(tasks, next_id)
        to_run = []
        for entry in tasks:
            node = self.graph.names[entry.task.name]
            if entry.suspended:
                self._held.add(node)
            if node.state is State.ASSIGNED and node.holder is not None:
                self._returning(node.holder, (slots or {}).get(node.holder, 0), now).hold(node)
                self._intake.restore(node.id, node.attempt, entry.printed)
            if node.state in ACTIVE and not node.is_join:
                to_run.append(node.id)
            if entry.losses and node.state in ACTIVE:
                self.trials.restore(node, entry.losses)
        for worker in self.workers.values():
            self.dispatch.update_load(worker)
        step = Step([events.Resumed(now, to_run)])
        for entry in tasks:
            if entry.losses >= self.policy.losses and not entry.spared:
                self._give_up_lost(self.graph.names[entry.task.name], entry, now, step)
        return step

    def _give_up_lost(self, node: Node, entry: Restored, now: float, step: Step) -> None:
        """Fail a task that was lost too often in earlier runs to be tried in this one."""
        if node.state is State.READY:
            deaths = f"its worker or the whole run died {entry.losses} times while it ran"
            error = f"{deaths}; the next run tries it once more"
            result = Result(node.id, node.attempt, LOST_TOO_OFTEN, started=now, error=error)
            self._give_up(node, entry.holder or "", result, now, step)

    def _returning(self, location: str, slots: int, now: float) -> WorkerState:
        """Return the worker at location, which is expected to return to this hub."""
        worker = self.workers.get(location)
        if worker is None:
            beat = RETURN if slots else 0.0
            worker = self.workers[location] = WorkerState(location, None, heard=now, beat=beat)
            self.dispatch.join(worker, slots, None)
            self._expect_beats(now)
        return worker

    # -- inputs ------------------------------------------------------------------------------------------------

    def receive(self, peer: Peer, message: Message, now: float) -> Step:
        """Process a message from peer."""
        step = Step()
        handler = self._handlers.get(type(message))
        if handler is None:
            step.sends.append((peer, messages.Error(f"{type(message).__name__} is not a request")))
            return step
        native: Native | None = getattr(message, "native", None)
        try:
            handler(peer, message, now, step)
        except GraphError as error:
            step.sends.append((peer, messages.Error(str(error), native.sequence if native else 0)))
        else:
            if native is not None:
                worker = self.workers.get(message.location)  # type: ignore[arg-type,union-attr]
                if worker is not None and worker.peer == peer and native.sequence > worker.sequence:
                    worker.sequence = native.sequence
        self._settle(now, step)
        return step

    def lose(self, gone: Mapping[Peer, Iterable[Message]], now: float, reason: str) -> Step:
        """Process the loss of peers, as reported by the transport; gone has the messages that did not reach each peer.

        The tasks of a native worker become ready again. Peers of the original dialect may share a location, and the
        loss of one proves nothing about the others: only tasks that could not be delivered to it are taken back.
        Nothing is handed out before all lost peers are removed, since it could go to another lost peer.
        """
        step = Step()
        for peer, undelivered in gone.items():
            self._end_waiters.leave(peer)
            for message in undelivered:  # first: tasks that it never received did not kill it
                if isinstance(message, messages.Transfer):
                    self._return_undelivered(message, now, reason, step)
        for worker in [w for w in self.workers.values() if w.slots and w.peer in gone]:
            self._remove(worker, now, reason, step)
        self._settle(now, step)
        return step

    def tick(self, now: float) -> Step:
        """Process the passage of time: answer Steals and release retries that have waited long enough, check limits."""
        step = Step()
        self.trials.tick(now)
        if now >= self._drain_at and not self.cancelling:
            left = max(0.0, self.dispatch.job_end - now)
            self._stop(now, f"the job ends in {left:.0f} s", True, step, interrupts=True)
        if now >= self._end_by:
            self._end_by = math.inf
            for worker in self.workers.values():
                if worker.held:
                    reason = f"it did not end within {ENDING:.0f} s"
                    self._take_back(worker, list(worker.held.values()), now, reason, step, lost=True)
        if now >= self._silence_check:
            self._check_silence(now, step)
        self.dispatch.tick(self.workers.values(), now, step)
        step.sends += [(peer, messages.NotFound()) for peer in self._end_waiters.expired(now)]
        self._settle(now, step)
        return step

    def stop(self, now: float, reason: str, *, running: bool = False) -> Step:
        """Hand out no more tasks; with `running`, also kill the running ones, which another run will run again."""
        step = Step()
        self._stop(now, reason, running, step, interrupts=True)
        self._settle(now, step)
        return step

    def end_of_job(self, now: float, reason: str) -> Step:
        """Stop because the batch system ends the job and may have sent all processes a signal.

        Does what `stop` does with `running`. In addition, no result counts that came within the last second or comes
        later: when `sim` in `sim; post` gets the signal first, the shell continues with `post`, and the task seems to
        succeed.
        """
        step = Step()
        self._end_of_job(now, reason, step)
        self._settle(now, step)
        return step

    def dismiss(self) -> Step:
        """Send Exit to all native workers, which would wait forever: all is finished, or the hub ends."""
        step = Step()
        for worker in self.workers.values():
            if worker.slots:
                step.send(worker, messages.Exit())
        return step

    @property
    def has_end_waiters(self) -> bool:
        """Whether some peer waits for the end of the run."""
        return bool(self._end_waiters)

    def conclude(self, code: int, view: bytes = b"") -> Step:
        """Answer all Awaits: the run has ended with this exit code. view: the data of the answer."""
        end = replace(self._standing(), n=code, data=view)
        return Step(sends=[(peer, end) for peer in self._end_waiters.end()])

    # -- state -------------------------------------------------------------------------------------------------

    @property
    def deadline(self) -> float:
        """When `tick` is due at the latest, in seconds since the epoch; infinity when nothing waits for time."""
        drain_at = math.inf if self.cancelling else self._drain_at
        own = min(drain_at, self._silence_check, self._end_by)
        return min(own, self.trials.deadline, self.dispatch.deadline, self._end_waiters.deadline)

    @property
    def last_end(self) -> float:
        """When a task last ended, in seconds since the epoch; minus infinity when none has."""
        return self._ends[-1][0] if self._ends else -math.inf

    @property
    def awaited(self) -> bool:
        """Whether some worker waits for work, so that any message that may bring some is urgent."""
        return bool(self.dispatch.parked)

    @property
    def over(self) -> bool:
        """Whether nothing runs and nothing will, unless tasks are added. False before the first task."""
        return self.dispatch.over

    # -- requests ----------------------------------------------------------------------------------------------

    def _create(self, peer: Peer, message: messages.Create, now: float, step: Step) -> None:
        addition = self.graph.add(message.tasks)
        if addition.nodes:
            tasks = [node.task for node in addition.nodes]
            step.events.append(events.Added(now, addition.nodes[0].id, tasks))
        self._report_skipped(addition.skipped, now, step)
        step.sends.append((peer, messages.OK()))

    def _steal(self, peer: Peer, message: messages.Steal, now: float, step: Step) -> None:
        if message.n < 1:
            raise GraphError(f"Steal asks for {message.n} tasks; n must be 1 or more")
        worker = self._worker(peer, message.location, message.native, now, step)
        if worker is not None and not self._is_repeat(worker, message.native):
            self._reconcile(worker, message.native, now, step)
            self.dispatch.answer(worker, message.n, message.native, now, step)

    def _beat(self, peer: Peer, message: messages.Beat, now: float, step: Step) -> None:
        worker = self._worker(peer, message.location, message.native, now, step)
        if worker is not None and not self._is_repeat(worker, message.native):
            step.sends.append((peer, messages.OK(answers=message.native.sequence)))

    def _complete(self, peer: Peer, message: messages.Complete, now: float, step: Step) -> None:
        native = message.native
        known = self.workers.get(message.location)
        if native is not None:
            known = self._worker(peer, message.location, native, now, step)
            if known is None or self._is_repeat(known, native):
                return
        owed: dict[Node, int] = {}
        missing = self._end(known, message.results, now, step, owed) if known else [r.task for r in message.results]
        answers = native.sequence if native else 0
        if known is not None and native is not None:
            self._reconcile(known, native, now, step, owed)
            if owed:  # it takes no tasks before it has sent all output again
                self.dispatch.unpark(known)
                step.sends.append((peer, replace(self._welcome, again=True)))
                return
            if message.steal and self.dispatch.answer(known, message.steal, native, now, step) and not missing:
                return  # the Transfer or Exit is the answer
        answer = messages.NotFound(tuple(missing), answers) if missing else messages.OK(answers=answers)
        step.sends.append((peer, answer))

    def _give_back(self, peer: Peer, message: messages.GiveBack, now: float, step: Step) -> None:
        worker = self.workers.get(message.location)
        if worker is not None and self._is_repeat(worker, message.native):
            return
        held: dict[Node, tuple[str, ...]] = {}
        doubtful: dict[Node, None] = {}
        missing: list[TaskKey] = []
        for returned in message.tasks:
            node = self.graph.find(returned.task)
            if worker is None or node is None or node in held:
                missing.append(returned.task)
            elif node.id in worker.held:
                held[node] = returned.after
            elif message.native and node.state is State.DONE and node.holder == worker.location:
                doubtful[node] = None
            else:
                missing.append(returned.task)
        skipped = self.graph.extend([(node, after) for node, after in held.items() if after])
        for node, after in held.items():
            node.attempt -= 1  # it did not start, so this attempt does not count
            if after:
                step.events.append(events.Extended(now, Named(node.id, node.name), after))
        if worker is not None:
            self._take_back(worker, held, now, "given back", step, lost=False)
        self._report_skipped(skipped, now, step)
        self._revoke(list(doubtful), now, "its worker was being terminated", step)
        answers = message.native.sequence if message.native else 0
        answer = messages.NotFound(tuple(missing), answers) if missing else messages.OK(answers=answers)
        step.sends.append((peer, answer))

    def _lookup(self, peer: Peer, message: messages.Lookup, now: float, step: Step) -> None:
        node = find(self.graph, message.name)
        if node is None:
            step.sends.append((peer, messages.NotFound((message.name,))))
        else:
            step.sends.append((peer, messages.OK(name=node.state.value, n=node.id, location=node.holder)))

    def _exit(self, peer: Peer, message: messages.Exit, now: float, step: Step) -> None:
        worker = self.workers.get(message.location or "")
        if worker is None:
            step.sends.append((peer, messages.NotFound()))
            return
        self._remove(worker, now, events.GOODBYE, step, died=False)
        step.sends.append((peer, messages.OK()))

    def _status(self, peer: Peer, message: messages.OK, now: float, step: Step) -> None:
        step.sends.append((peer, self._standing()))

    def _standing(self) -> messages.OK:
        graph = self.graph
        text = f"dhub: {graph.active} active tasks, {graph.ready} ready."
        counts = tuple((state.value, n) for state, n in graph.counts.items())
        return messages.OK(name=text, n=graph.ready, counts=counts, version=messages.OURS)

    def _await(self, peer: Peer, message: messages.Await, now: float, step: Step) -> None:
        self._end_waiters.join(peer, message.wait, now)

    def _output(self, peer: Peer, message: messages.Output, now: float, step: Step) -> None:
        worker = self.workers.get(message.location)
        node = worker.held.get(message.task) if worker is not None else None
        if worker is not None and node is not None:
            worker.heard = now  # output may be all that it sends for a long time
            attempt = self._intake.attempt(node.id) or node.attempt
            if message.attempt in (0, attempt) and (new := self._intake.take(message, attempt)):
                step.events.append(events.Printed(now, message.task, message.stream, new))

    def _control(self, peer: Peer, message: messages.Control, now: float, step: Step) -> None:
        fits, why_not, act = {
            Verb.CANCEL: (_may_cancel, "only a task that has not ended can be cancelled", self._cancel),
            Verb.RETRY: (_may_retry, "only a failed or cancelled task can be retried", self._retry),
            Verb.HOLD: (self._may_hold, "only a waiting or ready task can be held, and only once", self._hold),
            Verb.RELEASE: (self._held.__contains__, "it is not held", self._release),
        }[message.verb]
        nodes = select(self.graph, message.tasks, fits, why_not)
        if nodes:
            act(nodes, now, step)
        step.sends.append((peer, messages.OK(n=len(nodes))))

    def _leave(self, peer: Peer, message: messages.Leave, now: float, step: Step) -> None:
        asked = [worker for worker in self.workers.values() if worker.slots and worker.peer is not None]
        asked = [worker for worker in asked if any(_matches(worker.location, text) for text in message.locations)]
        if not asked:
            raise GraphError(f"no worker that can be asked to leave matches {', '.join(message.locations)}")
        step.sends += [(worker.peer, messages.Leave()) for worker in asked]
        step.sends.append((peer, messages.OK(n=len(asked))))

    def _drain(self, peer: Peer, message: messages.Drain, now: float, step: Step) -> None:
        self._stop(now, "drained on request", message.now, step, interrupts=True)
        step.sends.append((peer, messages.OK()))

    # -- control requests --------------------------------------------------------------------------------------

    def _cancel(self, nodes: list[Node], now: float, step: Step) -> None:
        """Cancel tasks. A native worker is asked to kill those that it holds, and its result counts; others cannot be.

        A repeated request is sent to the worker again, since the first Cancel may have been lost on its way.
        """
        asked: dict[str, list[int]] = {}
        gone: list[Node] = []
        skipped: list[Node] = []
        for node in nodes:
            if node.state not in ACTIVE:  # skipped because of an earlier one
                continue
            worker = self.workers[node.holder] if node.holder is not None else None
            if worker is not None and worker.slots:
                self._to_cancel.add(node)
                asked.setdefault(worker.location, []).append(node.id)
                continue
            if worker is not None:
                del worker.held[node.id]
            gone.append(node)
            skipped += self.graph.cancel(node)
        for location, ids in asked.items():
            step.send(self.workers[location], messages.Cancel(tuple(ids)))
        self._report_cancelled(gone, skipped, now, step)

    def _report_cancelled(self, nodes: list[Node], skipped: list[Node], now: float, step: Step) -> None:
        if nodes:
            self._to_cancel.difference_update(nodes)
            self._forget(nodes, step)
            step.events.append(events.Cancelled(now, _named(nodes), ON_REQUEST))
            self._report_skipped(skipped, now, step)

    def _retry(self, nodes: list[Node], now: float, step: Step) -> None:
        """Retry tasks; those that depend on another lost task are skipped until that one is retried too."""
        step.events.append(events.Revived(now, _named(self.graph.revive(nodes))))
        self._report_skipped([node for node in nodes if node.state is State.SKIPPED], now, step)

    def _may_hold(self, node: Node) -> bool:
        return node.state in (State.WAITING, State.READY) and node not in self._held

    def _hold(self, nodes: list[Node], now: float, step: Step) -> None:
        self.graph.suspend(nodes)
        self._held.update(nodes)
        step.events.append(events.Held(now, _named(nodes)))

    def _release(self, nodes: list[Node], now: float, step: Step) -> None:
        self._held.difference_update(nodes)
        self.graph.release(nodes)
        step.events.append(events.Released(now, _named(nodes)))

    @property
    def waits_for_release(self) -> bool:
        """Whether all remaining tasks are held or wait for held tasks, so that nothing continues without a Release."""
        counts = self.graph.counts
        is_idle = not counts[State.READY] and not counts[State.ASSIGNED]
        return is_idle and bool(self._held) and self.trials.deadline == math.inf and not self.dispatch.unfit

    def is_held(self, node: Node) -> bool:
        """Whether a Hold request keeps the task from starting."""
        return node in self._held

    # -- workers -----------------------------------------------------------------------------------------------

    def _worker(self, peer: Peer, location: str, native: Native | None, now: float, step: Step) -> WorkerState | None:
        """Return the worker at location, registering it when it is new.

        Return None when it speaks another protocol, or must first report what it holds: it knows this hub, but this
        hub does not know it.
        """
        if (refused := refusal(location, native)) is not None:
            step.sends.append((peer, refused))
            return None
        worker = self.workers.get(location)
        is_new = worker is None or worker.peer != peer
        if is_new and native and native.sequence > 1 and not native.hello and native.held is None:
            step.sends.append((peer, replace(self._welcome, again=True)))
            return None
        slots = native.slots if native else 0
        if worker is None:
            worker = self.workers[location] = WorkerState(location, None)
        if worker.peer is None:
            worker.joined = now
            step.events.append(events.Joined(now, location, slots))
        has = native.has if native else None
        if worker.peer != peer or worker.slots != slots or (has is not None and has != worker.has):
            self.dispatch.unpark(worker)
            worker.peer, worker.sequence = peer, 0
            self.dispatch.join(worker, slots, has)
        worker.heard = now
        if native:
            worker.beat = native.beat
            if native.beat:
                self._expect_beats(now)
            if native.hello:
                step.sends.append((peer, self._welcome))
        return worker

    def expect_end(self, end: float, drain_before: float, min_time: MinTime, now: float) -> Step:
        """Set when the batch job ends; running tasks are killed `drain_before` seconds earlier.

        A task is not started when its `min_time`, or by default min_time, is more than the time left. When the end is
        moved, such tasks are considered again.
        """
        self._drain_at = end - drain_before
        self.dispatch.expect_end(end, min_time)
        step = Step()
        self._settle(now, step)
        return step

    def suspect_deaths(self, now: float) -> None:
        """A rank may have died: for `silence` seconds, declare silent workers lost sooner than usual.

        When tasks are killed by SIGUSR1 at the same time, no rank has died: the batch system ends the job.
        """
        self._warned_at = now
        self._suspect_until = now + self.policy.silence
        self._silence_check = min(self._silence_check, now)

    def _expect_beats(self, now: float) -> None:
        """Schedule the next check for silent workers, since some worker is expected to send beats."""
        checks = 16 if now < self._suspect_until else 4  # checks within the allowed silence
        self._silence_check = min(self._silence_check, now + self.policy.silence / checks)

    def _check_silence(self, now: float, step: Step) -> None:
        late, self._silence_check = now - self._silence_check, math.inf
        if late >= max(self.policy.beat, STANDSTILL):  # messages that arrived meanwhile are still unread
            for worker in self.workers.values():
                worker.heard = now
        for worker in list(self.workers.values()):
            if not worker.beat:
                continue
            silence = now - worker.heard
            limit = 0.0 if now < self._suspect_until else self.policy.silence
            if silence >= max(limit, BEATS * worker.beat):
                self._remove(worker, now, f"it was silent for {silence:.0f} s", step)
                if worker.peer is not None:
                    step.dropped.append(worker.peer)
            else:
                self._expect_beats(now)

    @staticmethod
    def _is_repeat(worker: WorkerState, native: Native | None) -> bool:
        """Whether this request was received before: its answer is on its way."""
        return native is not None and 0 < native.sequence <= worker.sequence

    def _remove(self, worker: WorkerState, now: float, reason: str, step: Step, *, died: bool = True) -> None:
        nodes = list(worker.held.values())
        if died:
            self.trials.suspect(nodes)
        self._take_back(worker, nodes, now, reason, step, lost=True, interrupted=not died)
        del self.workers[worker.location]
        self.dispatch.leave(worker)
        step.events.append(events.Left(now, worker.location, reason, died))
        if died:
            self._orphans.add([node for node in nodes if node.state is State.READY], worker.location)
            self._give_up_suspects(worker, nodes, now, reason, step)

    def _give_up_suspects(self, worker: WorkerState, nodes: list[Node], now: float, reason: str, step: Step) -> None:
        """Fail those of a dead worker's tasks, or of tasks whose results do not count, that were lost too often."""
        for node in nodes:
            if node.state is State.READY:
                n = self.trials.lost[node]
                if n >= self.policy.losses:
                    text = f"its worker died: {reason}"
                    if n > 1:
                        text = f"{n} workers died while running it; the last: {reason}"
                    if reason == NOT_ALL:
                        text = f"it was lost {n} times; the last time {reason}"
                    result = Result(node.id, node.attempt, LOST_TOO_OFTEN, started=now, error=text)
                    self._give_up(node, worker.location, result, now, step)

    def _take_back(
        self,
        worker: WorkerState,
        nodes: Iterable[Node],
        now: float,
        reason: str,
        step: Step,
        *,
        lost: bool,
        interrupted: bool = False,
    ) -> None:
        """Take unfinished tasks from a worker; those that are still assigned become ready again, first in line."""
        back = []
        for node in nodes:
            worker.held.pop(node.id, None)
            back.append(node)
        worker.recalled = False
        self.dispatch.update_load(worker)
        self.graph.put_back([node for node in back if node.state is State.ASSIGNED])
        if back:
            self._intake.forget([node.id for node in back])
            step.events.append(events.Requeued(now, worker.location, _named(back), reason, lost, interrupted))
        if self._to_cancel:
            cancelled: list[Node] = []
            skipped: list[Node] = []
            for node in back:
                if node in self._to_cancel and node.state in ACTIVE:  # and was not skipped because of an earlier one
                    cancelled.append(node)
                    skipped += self.graph.cancel(node)
            self._to_cancel.difference_update(back)
            self._report_cancelled(cancelled, skipped, now, step)

    def _return_undelivered(self, transfer: messages.Transfer, now: float, reason: str, step: Step) -> None:
        """Take back the tasks of a Transfer that never arrived, as if it had not been requested."""
        lost: dict[str, list[Node]] = {}
        for assigned in transfer.tasks:
            node = self.graph.find(assigned.id)
            if (
                node is not None
                and node.state is State.ASSIGNED
                and node.attempt == assigned.attempt
                and node.holder is not None
            ):
                node.attempt -= 1
                lost.setdefault(node.holder, []).append(node)
        for location, nodes in lost.items():
            self._take_back(self.workers[location], nodes, now, reason, step, lost=False)

    def _reconcile(
        self, worker: WorkerState, native: Native | None, now: float, step: Step, owed: Iterable[Node] = ()
    ) -> None:
        """Compare the tasks that the worker reports as held with those assigned to it, if it reports them.

        Assigned tasks that it does not have were lost on the way and are taken back, except those in owed, whose output
        is incomplete. A Steal of it that waits here is dropped, since the worker would ignore the answer.
        """
        if native is None or native.held is None:
            return
        self.dispatch.unpark(worker)
        reported = dict(native.held)
        reported.update((node.id, node.attempt) for node in owed)
        lost = [node for id, node in worker.held.items() if reported.get(id) != node.attempt]
        if lost:
            self._take_back(worker, lost, now, events.NEVER_ARRIVED, step, lost=True)
        to_drop = [
            id
            for id, attempt in native.held
            if id not in worker.held and not self._may_keep(worker, id, attempt, now, step)
        ]
        if self._to_cancel or self.cancelling:  # it was away when the Cancel was sent, or that got lost
            to_drop += [id for id, node in worker.held.items() if self.cancelling or node in self._to_cancel]
        if to_drop:
            step.send(worker, messages.Cancel(tuple(to_drop)))

    def _may_keep(self, worker: WorkerState, id: int, attempt: int, now: float, step: Step) -> bool:
        """Whether a worker may continue a task that is not assigned to it."""
        node = self.graph.find(id)
        if node is None or not attempt or self._orphans.attempt(node, worker.location) != attempt:
            return False
        if node.state is State.READY and node.attempt == attempt and not self.stopping:
            self._adopt(worker, node, attempt, now, step)
            worker.hold(node)
            self.dispatch.update_load(worker)
            return True
        return node.state in ACTIVE

    def _adopt(self, worker: WorkerState, node: Node, attempt: int, now: float, step: Step) -> None:
        """Assign a ready task to the worker that turns out to have it, which the task therefore has not killed."""
        self._orphans.drop(node, worker.location)
        self.trials.acquit(node)
        self.graph.adopt(node, worker.location)
        name, command, _, options, origin = node.task
        assigned = Assigned(node.id, attempt, name, command, options, origin)
        step.events.append(events.Stolen(now, worker.location, [assigned]))

    def open(self, now: float, *, is_open: bool = True) -> Step:
        """Hand out tasks from now on; with is_open False, stop until the next call."""
        self.dispatch.waits = not is_open
        step = Step()
        self._settle(now, step)
        return step

    def _settle(self, now: float, step: Step) -> None:
        """Serve the Steals that wait, and stop when none can ever be served."""
        self.dispatch.settle(self.workers, now, step)
        if not self.stopping and (reason := self.dispatch.why_stop()):
            self._stop(now, reason, False, step, interrupts=True)
            self.dispatch.settle(self.workers, now, step)

    # -- ends --------------------------------------------------------------------------------------------------

    def _end(
        self, worker: WorkerState, results: Iterable[Result], now: float, step: Step, owed: dict[Node, int]
    ) -> list[TaskKey]:
        """Process results; return the tasks that this worker does not hold.

        owed: filled with the tasks that remain assigned because some of their output has not arrived, and how often it
        was asked for.
        """
        held = worker.held
        names = self.graph.names
        good: list[Node] = []
        ended: list[Ended] = []
        bad: list[tuple[Node, Result]] = []
        missing: list[TaskKey] = []
        for result in results:
            key = result.task
            if isinstance(key, str):
                known = names.get(key)
                key = known.id if known else -1
            node = held.pop(key, None)
            if node is None:
                is_orphan = self._orphans and not self.in_doubt
                stray = self._orphan_end(worker, key, result, now, step) if is_orphan else None
                if stray is not None:
                    if not (result.sent and self._lacks_output(worker, stray, result, owed)):
                        good.append(stray)
                        ended.append(Ended(stray.id, stray.name, result))
                elif not self._repeated(worker, result):
                    missing.append(result.task)
            elif result.attempt and result.attempt not in (node.attempt, self._intake.attempt(node.id)):
                worker.hold(node)
                missing.append(result.task)
            elif result.sent and not self.in_doubt and self._lacks_output(worker, node, result, owed):
                pass
            elif result.exit_status == 0 and not self.in_doubt:
                good.append(node)
                ended.append(Ended(node.id, node.task.name, result))
            else:
                bad.append((node, result))
        worker.ended += len(good) + len(bad)
        worker.recalled = False
        self.dispatch.update_load(worker)
        if self._intake:
            self._intake.forget([node.id for node, _ in bad])
        if owed:
            self._give_up_owed(worker, owed, now, step)
        if good:
            if self.dispatch.min_time.part:
                self.dispatch.ended(sum([each.result.seconds for each in ended]), len(ended))
            self.graph.finish(good)
            self._note_ends(now, good)
            self._forget(good, step)
            if self._to_cancel:
                self._to_cancel.difference_update(good)
            step.events.append(events.Finished(now, worker.location, ended))
        for node, result in bad:
            if node.state is State.ASSIGNED:  # else processing an earlier result has taken it back
                self._fail(worker, node, result, now, step)
        return missing

    def _lacks_output(self, worker: WorkerState, node: Node, result: Result, owed: dict[Node, int]) -> bool:
        """Whether some of a task's output has not arrived yet; then it remains assigned to its worker."""
        if not self._welcome.output or not worker.slots:
            return False
        asks = self._intake.asks(node.id, result.attempt or node.attempt, result.sent)
        if asks:
            worker.hold(node)
            owed[node] = asks
        return bool(asks)

    def _give_up_owed(self, worker: WorkerState, owed: dict[Node, int], now: float, step: Step) -> None:
        """Give up output that was asked for too often: these attempts are lost, and no longer owed."""
        lost = [node for node, asks in owed.items() if asks > ASKS]
        if lost:
            for node in lost:
                del owed[node]
            self.trials.suspect(lost)
            self._take_back(worker, lost, now, NOT_ALL, step, lost=True)
            self._give_up_suspects(worker, lost, now, NOT_ALL, step)

    def _orphan_end(self, worker: WorkerState, id: int, result: Result, now: float, step: Step) -> Node | None:
        """Assign the task to this worker and return it, if its stray copy is the first attempt to succeed."""
        node = self.graph.find(id)
        if node is None or not result.attempt or self._orphans.attempt(node, worker.location) != result.attempt:
            return None
        if not result.ok or node.state not in (State.READY, State.ASSIGNED):
            self._orphans.drop(node, worker.location)
            return None
        if node.state is State.ASSIGNED:
            other = self.workers[node.holder or ""]
            self._to_cancel.discard(node)
            self._take_back(other, [node], now, events.ELSEWHERE, step, lost=True)
            if other.slots:
                step.send(other, messages.Cancel((node.id,)))
        self._adopt(worker, node, result.attempt, now, step)
        return node

    def _forget(self, nodes: list[Node], step: Step) -> None:
        """Forget the retries, losses and output of ended tasks, and have their stray copies killed."""
        self.trials.forget(nodes)
        if self._intake:
            self._intake.forget([node.id for node in nodes])
        for location, ids in self._orphans.end(nodes).items():
            worker = self.workers.get(location)
            if worker is not None and worker.slots:
                step.send(worker, messages.Cancel(tuple(ids)))

    def _repeated(self, worker: WorkerState, result: Result) -> bool:
        """Whether this result was received before: a worker repeats it when the answer was lost."""
        node = self.graph.find(result.task)
        return (
            node is not None
            and 0 < result.attempt <= node.attempt
            and node.holder == worker.location
            and node.state in (State.DONE, State.FAILED, State.CANCELLED)
        )

    def _fail(self, worker: WorkerState, node: Node, result: Result, now: float, step: Step) -> None:
        ended = Ended(node.id, node.name, result)
        if result.signal == USR1 and not result.error and now < self._warned_at + 2 * DOUBT and not self.in_doubt:
            self._end_of_job(now, "SIGUSR1", step)
        if self.interrupting and node not in self._to_cancel:
            self.graph.put_back([node])
            step.events.append(events.Interrupted(now, worker.location, ended, self.stopping))
            return
        if self.cancelling or node in self._to_cancel:
            skipped = self.graph.cancel(node)
            self._to_cancel.discard(node)
            self._forget([node], step)
            step.events.append(events.Killed(now, worker.location, ended, self.stopping or ON_REQUEST))
            self._report_skipped(skipped, now, step)
            return
        node.failures += 1
        retries = node.task.options.retries
        left = (self.policy.retries if retries is None else retries) + 1 - node.failures
        if left > 0:
            delay = self.trials.failed(node, worker.location, now)
            step.events.append(events.Retried(now, worker.location, ended, left, delay))
            return
        self._give_up(node, worker.location, result, now, step)

    def _give_up(self, node: Node, location: str, result: Result, now: float, step: Step) -> None:
        """Fail a task for good, skip its successors, and stop when `halt` is reached."""
        self._forget([node], step)
        skipped = self.graph.fail(node)
        self._note_ends(now, [node])
        step.events.append(events.Failed(now, location, Ended(node.id, node.name, result)))
        self._report_skipped(skipped, now, step)
        halt, counts = self.policy.halt, self.graph.counts
        if halt is not None and not self.stopping and halt.reached(counts[State.FAILED], sum(counts.values())):
            self._stop(now, f"{counts[State.FAILED]} failed", halt.now, step)

    def _report_skipped(self, skipped: list[Node], now: float, step: Step) -> None:
        """Report skipped tasks, with one event for each culprit."""
        self._forget(skipped, step)
        by_culprit: dict[str, list[Named]] = {}
        for node in skipped:
            culprit = node.culprit.name if node.culprit else ""
            by_culprit.setdefault(culprit, []).append(Named(node.id, node.name))
        step.events += [events.Skipped(now, tasks, culprit) for culprit, tasks in by_culprit.items()]

    def _stop(self, now: float, reason: str, running: bool, step: Step, *, interrupts: bool = False) -> None:
        self.stopping = self.stopping or reason
        self.dispatch.closed = True
        step.events.append(events.Stopping(now, reason, running))
        for worker in self.workers.values():
            if not worker.held:
                continue
            if not worker.slots:  # a C++ worker takes no unasked messages
                if running:
                    self._take_back(worker, list(worker.held.values()), now, reason, step, lost=True)
            elif running:
                step.send(worker, messages.Cancel(tuple(worker.held)))
            elif worker.surplus > 0:
                step.send(worker, messages.Recall(worker.surplus))
        if running and not self.cancelling:
            self.cancelling, self._end_by = True, now + ENDING
        self.interrupting = self.interrupting or (running and interrupts)
        self.is_drained = self.is_drained or interrupts

    # -- the end of the job ------------------------------------------------------------------------------------

    def _note_ends(self, now: float, nodes: Sequence[Node]) -> None:
        ends = self._ends
        ends.append((now, nodes))
        while ends[0][0] < now - DOUBT:
            ends.popleft()

    def _end_of_job(self, now: float, reason: str, step: Step) -> None:
        self._stop(now, reason, True, step, interrupts=True)
        self.in_doubt = True
        recent = [node for time, nodes in self._ends if time >= now - DOUBT for node in nodes]
        self._revoke([node for node in recent if node.state in (State.DONE, State.FAILED)], now, reason, step)

    def _revoke(self, nodes: Sequence[Node], now: float, reason: str, step: Step) -> None:
        """Run tasks again whose results do not count, together with all that has started because of them."""
        if not nodes:
            return
        affected = self.graph.resting_on(nodes)
        for node in affected:
            if node.state is State.ASSIGNED:
                self._interrupt(node, now, reason, step)
        for was in (State.DONE, State.FAILED):
            ended = [node for node in affected if node.state is was and not node.is_join]
            if ended:
                attempts = [node.attempt for node in ended]
                step.events.append(events.Revoked(now, _named(ended), attempts, was, reason))
        revived = self.graph.revoke([node for node in affected if node.state is not State.CANCELLED])
        if revived:
            step.events.append(events.Revived(now, _named(revived)))

    def _interrupt(self, node: Node, now: float, reason: str, step: Step) -> None:
        """Take a task from its worker, which must kill it; the task will run again."""
        worker = self.workers[node.holder or ""]
        if worker.slots:
            step.send(worker, messages.Cancel((node.id,)))
        if node in self._to_cancel:  # it was cancelled meanwhile
            self._take_back(worker, [node], now, reason, step, lost=True)
            return
        worker.held.pop(node.id, None)
        self.dispatch.update_load(worker)
        self._intake.forget([node.id])
        self.graph.put_back([node])
        result = Result(node.id, node.attempt, 128 + TERM, TERM, now, error="a task that it depends on must run again")
        step.events.append(events.Interrupted(now, worker.location, Ended(node.id, node.name, result), reason))

    def check(self) -> None:
        """Raise AssertionError unless graph and workers agree."""
        self.graph.check()
        held = {id: worker.location for worker in self.workers.values() for id in worker.held}
        assigned = {node.id: node.holder for node in self.graph.names.values() if node.state is State.ASSIGNED}
        assert held == assigned, "each assigned task is held by its holder only"
        self.dispatch.check(self.workers)
        assert all(node.state is State.ASSIGNED for node in self._to_cancel), "only assigned tasks wait to be cancelled"
        assert all(self.graph.suspended[node] for node in self._held), "held tasks are suspended"
        assert self.trials.lost.keys() <= {n for n in self.graph.names.values() if n.state in ACTIVE}, "suspects run"


def _may_cancel(node: Node) -> bool:
    return node.state in ACTIVE


def _matches(location: str, text: str) -> bool:
    if not is_glob(text):
        return location == text
    try:
        return matcher(text)(location) is not None
    except ValueError as error:
        raise GraphError(str(error)) from None


def _may_retry(node: Node) -> bool:
    return node.state in (State.FAILED, State.CANCELLED)


def _named(nodes: Iterable[Node]) -> list[Named]:
    return [Named(node.id, node.task.name) for node in nodes]
