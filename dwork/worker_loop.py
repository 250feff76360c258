"""The worker's loop: connects a worker to its hub, over a transport, and to its processes.

What it decides is pure, and in `worker/`: which tasks to run and report (`worker`), how long to wait for the hub
(`silence`), how long to stay (`stay`), and which results must wait (`suspects`).
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Protocol

from dwork.connection import file as connection_file
from dwork.connection.file import Connection
from dwork.core.cause import Cause
from dwork.core.errors import TransportError, UsageError
from dwork.core.messages import OURS, Complete, Execution, Exit, Message, Move, Output, Welcome
from dwork.core.peer_version import mismatch
from dwork.core.task import Assigned, Result
from dwork.core.text import UserText, counted, from_system, shown, size
from dwork.host.capacity import Equipment
from dwork.host.process_events import ProcessEvents
from dwork.host.signals import ENDS, within_a_job
from dwork.output.streams import Streams
from dwork.runner.capture import Capture, Captured, Sink
from dwork.runner.outgoing import Outgoing
from dwork.runner.runner import Refused, Runner
from dwork.transport import HUB, Transport, wire
from dwork.transport.waiting import SYSTEM, Clock, Standstill
from dwork.worker.refusals import PATIENCE
from dwork.worker.silence import HubSilence
from dwork.worker.stay import Stay
from dwork.worker.suspects import Suspects
from dwork.worker.worker import Worker

if TYPE_CHECKING:
    from dwork.host.walltime import Walltime

#: How long a worker whose slots are all busy sleeps without reading messages: the least and most seconds, and the
#: fraction of the time since its last task start. A child that ends wakes it immediately.
BUSY_POLL: Final = (0.002, 0.02, 0.01)
#: The longest sleep in seconds while tasks run or the job has an end: a standstill within it is not noticed.
LONGEST_SLEEP: Final = 1.0


def work(
    worker: Worker,
    transport: Transport,
    tell: Callable[[str], None],
    equipment: Equipment,
    *,
    is_rank: bool = False,
    hub_timeout: float = math.inf,
    until_eof: int | None = None,
    idle_timeout: float = math.inf,
    job: Walltime | None = None,
    spared: int = 0,
    hub: str = "the hub",
) -> Connection | None:
    """Run a worker until it has nothing left to do; no process that it has started outlives it.

    Return None, or the connection to use instead if the hub sends Move.

    The first signal of ENDS lets running tasks finish, the second kills them. is_rank: ignore these signals, since
    mpirun sends them to all ranks and the hub decides what they mean; raise TransportError when the parent process has
    exited; wait half an hour for the hub's first message. hub_timeout: raise TransportError when the hub has not
    answered for this many seconds; a rank's hub may set another limit. idle_timeout: leave after this many seconds
    without a task. until_eof: a descriptor; at its end of file, kill the tasks and return, since the process that
    started the worker is gone. job: at its last call, kill the tasks and leave. tell(text) prints a line for people.
    equipment: the resources for tasks. spared: pid of a child process that belongs to no task and must survive.
    hub: how messages name it. UsageError when it speaks another protocol.
    """
    with ProcessEvents(until_eof, is_last=is_rank) as outside:
        loop = WorkerLoop(
            worker,
            transport,
            tell,
            outside,
            lambda sink: Runner(worker.location, sink, slots=worker.slots, equipment=equipment, spared=spared),
            is_rank=is_rank,
            hub_timeout=hub_timeout,
            idle_timeout=idle_timeout,
            job=job,
            hub=hub,
        )
        try:
            while loop.turn():
                loop.sleep()
        finally:
            loop.close()
    return loop.moved


class Outside(Protocol):
    """What happens to this process; see ProcessEvents."""

    descriptors: Sequence[int]

    def take(self) -> set[int]: ...
    def has_input_ended(self) -> bool: ...
    def is_orphaned(self) -> bool: ...


class TaskRunner(Protocol):
    """What runs the tasks; see Runner."""

    capture: Capture
    long: dict[int, Captured]
    stuck: list[Assigned]
    directory: str

    @property
    def deadline(self) -> float: ...
    def configure(self, execution: Execution, way: Mapping[str, UserText]) -> None: ...
    def start(self, assigned: Assigned, now: float) -> Result | None: ...
    def poll(self, now: float) -> list[tuple[Assigned, Result]]: ...
    def kill(self, task: int, now: float, cause: Cause, reason: str) -> None: ...
    def signal(self, task: int, number: int) -> None: ...
    def postpone(self, seconds: float) -> None: ...
    def rewind(self) -> None: ...
    def close(self) -> None: ...


class WorkerLoop:
    """A worker with its runner and transport: call `turn` and `sleep` in turn. moved: the connection to use instead.

    outside, runner, clock: the real ones, or those of a test. The other parameters are those of `work`.
    """

    def __init__(
        self,
        worker: Worker,
        transport: Transport,
        tell: Callable[[str], None],
        outside: Outside,
        runner: Callable[[Sink], TaskRunner],
        *,
        is_rank: bool = False,
        hub_timeout: float = math.inf,
        idle_timeout: float = math.inf,
        job: Walltime | None = None,
        hub: str = "the hub",
        clock: Clock = SYSTEM,
    ) -> None:
        now = clock.now()
        self.moved: Connection | None = None
        self._worker = worker
        self._transport = transport
        self._tell = tell
        self._outside = outside
        self._is_rank = is_rank
        self._job = job
        self._hub = hub
        self._clock = clock
        self._runner = runner(self._take_output)
        self._outgoing = Outgoing(self._runner.capture)
        self._standstill = Standstill(now)
        self._silence = HubSilence(worker, now, hub_timeout, is_rank=is_rank)
        self._stay = Stay(worker, now, idle_timeout)
        self._suspects = Suspects()
        self._streams = Streams(sys.stdout.buffer, sys.stderr.buffer)
        self._welcome: Welcome | None = None  # the last one that was applied
        self._was_refused = False  # the system has refused to start a process
        self._keeps_output = True  # output is printed here, since the hub does not want it

    def turn(self) -> bool:
        """Do all that can be done now; return whether there will be more to do."""
        now = self._clock.now()
        self._make_up_for_standstill(now)
        # Before anything else: a child that ends after its runner was polled must still wake the sleep.
        numbers = self._outside.take()
        if numbers.intersection(ENDS) and not self._is_rank:
            self._leave_on_signal(now)
        if self._is_rank and self._outside.is_orphaned():
            raise TransportError("the launcher has exited; running tasks were terminated")
        if self._outside.has_input_ended():
            return False  # no process is left to report to
        if not self._receive(now):
            return False
        self._check_stay(now)
        self._run_tasks(now)
        self._send_due()
        if self._worker.over:
            return False
        now = self._clock.now()
        self._make_up_for_standstill(now)
        if self._silence.is_over(now):
            limit = self._silence.limit
            raise TransportError(f"the hub has not answered for {limit:g} s; running tasks were terminated")
        return True

    def _make_up_for_standstill(self, now: float) -> None:
        """Move what is due when this process stood still, since tasks and hub probably did, too."""
        if gap := self._standstill.check(now):
            self._silence.begin_again(now)
            self._stay.postpone(gap)
            self._runner.postpone(gap)
            if self._job is not None:
                self._job.stood_still(gap, now)

    def _leave_on_signal(self, now: float) -> None:
        if within_a_job():
            self._worker.end_of_job(now)
        self._worker.leave(running=self._worker.leaving)

    def _receive(self, now: float) -> bool:
        """Process the messages that have arrived; return False when the hub has sent Move."""
        worker = self._worker
        frames = self._transport.receive()
        for _, frame in frames:
            message = wire.decode_reply(frame)
            if isinstance(message, Move):
                self.moved = Connection.from_json(message.connection)
                return False
            worker.receive(message, now)
            if worker.other is not None:
                self._send(Exit(worker.location))
                raise UsageError(mismatch(self._hub, worker.other, "this worker", OURS))
            if isinstance(message, Welcome) and message.again:
                self._outgoing.rewind()
                self._runner.rewind()
        self._silence.listen(now, has_heard=bool(frames))
        if worker.welcome is not None and worker.welcome is not self._welcome:
            self._apply(worker.welcome)
        return True

    def _apply(self, welcome: Welcome) -> None:
        self._welcome = welcome
        self._keeps_output = not welcome.output
        self._silence.expect(welcome.beat)
        self._runner.configure(welcome.execution, self._hub_variables(welcome))
        self._runner.capture.passes_on, self._runner.capture.limit = welcome.output, welcome.limit

    def _check_stay(self, now: float) -> None:
        """Leave when there has been no task for too long, or the job is about to end."""
        job = self._job
        if job is not None and (now >= job.next or job.is_asking):
            job.poll(now)
        if self._stay.check(now, job.last_call if job is not None else math.inf) and job is not None:
            left = max(0.0, job.end - now)
            self._streams.begin(2)
            self._tell(f"the job ends in {left:.0f} s: leaving; running tasks are terminated and will run elsewhere")

    def _run_tasks(self, now: float) -> None:
        """Kill tasks that must end, process those that have ended, and start those that can start."""
        worker, runner = self._worker, self._runner
        for task in worker.kills():
            runner.kill(task, now, Cause.CANCELLED, "cancelled")
        for task, number in worker.warnings():
            runner.signal(task, number)
        ended = runner.poll(now)
        if ended or now >= self._suspects.deadline:
            for assigned, result in self._suspects.sift(ended, now):
                self._ended(assigned, result, now)
        if runner.stuck:
            self._lose_slots()
        # Tasks that need no process end immediately. Not the whole queue at once: the next Steal should be on its way
        # while the rest runs.
        for _ in range(1 + len(worker.queue) // 2):
            next_one = None if self._outgoing.is_full else worker.next(now)
            if next_one is None:
                break
            try:
                started = runner.start(next_one, now)
            except Refused as refused:
                self._refused(next_one, str(refused), now)
                break
            if started is not None:
                self._ended(next_one, started, now)

    def _refused(self, assigned: Assigned, reason: str, now: float) -> None:
        """Have a task run at another time or place, since the system refused to start it."""
        worker = self._worker
        worker.refused(assigned.id, now)
        if worker.leaving:
            text = f"leaving, since it could not start any process for {PATIENCE:g} s"
        elif self._was_refused:
            return
        else:
            running = counted(worker.slots, "task")
            text = f"a task could not start and is given back; from now on {running} at a time start here"
        self._was_refused = True
        self._streams.begin(2)
        self._tell(f"worker {worker.location}: {text} ({reason})")

    def _lose_slots(self) -> None:
        """Offer less to the hub, since processes of tasks cannot be killed."""
        worker, stuck = self._worker, self._runner.stuck
        for assigned in stuck:
            worker.lose_slot(assigned.options.asks)
            rest = "leaves" if worker.leaving else f"runs up to {worker.slots} at a time from now on"
            self._streams.begin(2)
            self._tell(f"{shown(assigned.name)} cannot be killed; worker {worker.location} {rest}")
        stuck.clear()

    def _send_due(self) -> None:
        if self._outgoing:
            self._outgoing.settle(self._worker.unanswered)
        for message in self._worker.outbox(self._clock.now()):
            if self._outgoing and isinstance(message, Complete):
                self._outgoing.send(message.results)
            self._send(message)

    def sleep(self) -> None:
        """Sleep until there is something to do."""
        worker, job, now = self._worker, self._job, self._clock.now()
        until = min(self._silence.deadline, self._stay.deadline(job.last_call if job is not None else math.inf))
        if job is not None:
            until = min(until, job.next)
        if worker.can_start and not self._outgoing.is_full:
            return
        until = min(until, worker.deadline(now), self._runner.deadline, self._suspects.deadline)
        if worker.running or job is not None:
            until = self._standstill.sleep(now, until, LONGEST_SLEEP)
        else:
            self._standstill.sleep(now, until)
        descriptors = self._outside.descriptors
        capture = self._runner.capture
        if capture.rests(now):
            until = min(until, capture.rests_until)
        else:
            descriptors = [*descriptors, capture.descriptor]
        if len(worker.running) < worker.slots:
            self._clock.sleep([self._transport], descriptors, until)
        else:  # no message of the hub is urgent: do not check the transport
            least, most, share = BUSY_POLL
            nap = min(max(least, share * (now - worker.started)), most)
            self._clock.sleep([], descriptors, min(until, now + nap))

    def close(self) -> None:
        """Kill all running tasks."""
        self._outgoing.settle(set())
        try:
            self._runner.close()
            if discarded := self._runner.capture.discarded:
                self._tell(f"discarded {size(discarded)} of output of processes that tasks left behind")
        finally:
            if self._job is not None:
                self._job.close()

    def _hub_variables(self, welcome: Welcome) -> dict[str, UserText]:
        """Return the environment variables that let tasks reach the hub."""
        if welcome.connection:
            path = os.path.join(self._runner.directory, "connection.json")
            connection_file.write(path, Connection.from_json(welcome.connection))
            return {"DWORK_CONNECTION": from_system(path)}
        return {"DWORK_SERVER": UserText(welcome.server), "DWORK_INSECURE": UserText("1")} if welcome.server else {}

    def _send(self, message: Message) -> None:
        self._transport.send(HUB, wire.encode(message))

    def _take_output(self, task: int, attempt: int, stream: int, position: int, data: bytes) -> None:
        if self._keeps_output:
            self._print(stream, data)
        else:
            attempt = attempt or self._worker.running[task].attempt  # the hub may have assigned it anew meanwhile
            self._send(Output(self._worker.location, task, stream, data, attempt, position))

    def _ended(self, assigned: Assigned, result: Result, now: float) -> None:
        long = self._runner.long.pop(assigned.id, None)
        if long is not None and self._keeps_output:
            long.close()
        elif long is not None:
            result = result._replace(attempt=self._worker.running[assigned.id].attempt)
            self._outgoing.keep(result, long)
        if self._keeps_output:
            self._print(1, result.stdout)
            self._print(2, result.stderr)
            with suppress(OSError):
                self._streams.end()
            if not result.ok:
                self._streams.begin(2)
                self._tell(f"{shown(assigned.name)} failed: {result.how}")
            if result.stdout or result.stderr or result.sent:
                result = result._replace(stdout=b"", stderr=b"", sent=())
        self._worker.ended(result, now)

    def _print(self, stream: int, data: bytes) -> None:
        if data:
            with suppress(OSError):  # the reader is gone: keep running the tasks
                self._streams.write(stream, data)
                self._streams.flush()
