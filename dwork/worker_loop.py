"""The worker's loop: connects a worker to its hub, over a transport, and to its processes."""

from __future__ import annotations

import math
import os
import select
import signal
import sys
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from dwork.connection import file as connection_file
from dwork.connection.file import Connection
from dwork.core.cause import Cause
from dwork.core.errors import TransportError, UsageError
from dwork.core.messages import OURS, STANDSTILL, Complete, Exit, Message, Move, Output, Welcome
from dwork.core.peer_version import mismatch
from dwork.core.task import Assigned, Result
from dwork.core.text import UserText, from_system, shown
from dwork.host.capacity import Equipment
from dwork.host.signals import ENDS, Signals, within_a_job
from dwork.runner.outgoing import Outgoing
from dwork.runner.runner import Runner
from dwork.transport import HUB, Transport, wire
from dwork.transport.waiting import clock, sleep
from dwork.worker.worker import Worker

if TYPE_CHECKING:
    from dwork.host.walltime import Walltime

#: How long a worker whose slots are all busy sleeps without reading messages: the least and most seconds, and the
#: fraction of the time since its last task start. A child that ends wakes it immediately.
BUSY_POLL: Final = (0.002, 0.02, 0.01)

#: How long a rank waits for its silent hub: in beats (the hub waits eight for a worker), and at least in seconds.
PATIENCE: Final = 16
LEAST_PATIENCE: Final = 10.0
#: Seconds to delay the result of a task that the batch system may have killed. When it ends a job, it signals tasks,
#: workers and hub one after the other; the hub must get its own signal first, or it would count a failure.
SUSPICION: Final = 1.0

_CAUGHT: Final = (signal.SIGCHLD, *ENDS)


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
    exited; wait for the hub's first message without limit. hub_timeout: raise TransportError when the hub has not
    answered for this many seconds; a rank's hub may set another limit. idle_timeout: leave after this many seconds
    without a task. until_eof: a descriptor; at its end of file, kill the tasks and return, since the process that
    started the worker is gone. job: at its last call, kill the tasks and leave. tell(text) prints a line for people.
    equipment: the resources for tasks. spared: pid of a child process that belongs to no task and must survive.
    hub: how messages name it. UsageError when it speaks another protocol.
    """
    with Signals(_CAUGHT, is_last=is_rank) as signals:
        loop = _WorkerLoop(worker, transport, tell, equipment, spared, hub)
        parent = os.getppid()
        awake = clock()
        watched = [signals.descriptor] if until_eof is None else [signals.descriptor, until_eof]
        try:
            while True:
                # Before the turn: a child that ends after the turn has polled must still wake the sleep.
                numbers = signals.take()
                if numbers.intersection(ENDS) and not is_rank:
                    if within_a_job():
                        worker.end_of_job(clock())
                    worker.leave(running=worker.leaving)
                if is_rank and os.getppid() != parent:
                    raise TransportError("the launcher has exited; running tasks were terminated")
                if until_eof in watched and select.select([until_eof], (), (), 0)[0]:
                    return None  # no process is left to report to
                loop.turn()
                if clock() >= loop.idle_from + idle_timeout and not worker.leaving:
                    worker.leave()
                if job is not None:
                    loop.check_walltime(job)
                if worker.over or loop.moved is not None:
                    return loop.moved
                if is_rank and worker.welcome is None:
                    loop.quiet_from = clock()
                if clock() >= awake + STANDSTILL:  # a turn is never this long: the process was suspended during it
                    loop.quiet_from = clock()
                patience = loop.patience if is_rank and loop.patience else hub_timeout
                if clock() >= loop.quiet_from + patience:
                    raise TransportError(f"the hub has not answered for {patience:g} s; running tasks were terminated")
                until = [loop.quiet_from + patience]
                if not worker.leaving:
                    until.append(loop.idle_from + idle_timeout)
                if job is not None:
                    until += [job.next, math.inf if loop.is_late else job.last_call]
                loop.sleep(watched, min(until))
                if clock() >= min(until) + STANDSTILL:  # this process was suspended, and perhaps the hub too
                    loop.quiet_from = clock()
                awake = clock()
        finally:
            loop.close()
            if job is not None:
                job.close()


class _WorkerLoop:
    """A worker with its runner and transport.

    quiet_from: since when an answer of the hub is missing. idle_from: since when there was no task. moved: the
    connection to use instead. is_late: the job is about to end. Times are in seconds since the epoch.
    """

    def __init__(
        self,
        worker: Worker,
        transport: Transport,
        tell: Callable[[str], None],
        equipment: Equipment,
        spared: int,
        hub: str,
    ) -> None:
        self.worker = worker
        self.runner = Runner(worker.location, self._take_output, slots=worker.slots, equipment=equipment, spared=spared)
        self._outgoing = Outgoing(self.runner.capture)
        self.quiet_from = self.idle_from = clock()
        self._transport = transport
        self._tell = tell
        self._hub = hub
        self._streams = (sys.stdout.buffer, sys.stderr.buffer)
        self.moved: Connection | None = None
        self.is_late = False
        self._suspects: deque[tuple[float, Assigned, Result]] = deque()  # delayed results, and when to report each
        self._welcome: Welcome | None = None  # the last one that was applied
        self._keeps_output = True  # output is printed here, since the hub does not want it

    def turn(self) -> None:
        """Process messages and ended tasks, start tasks that can start, and send messages that are due."""
        worker, runner = self.worker, self.runner
        now = clock()
        for _, frame in self._transport.receive():
            self.quiet_from = now
            message = wire.decode_reply(frame)
            if isinstance(message, Move):
                self.moved = Connection.from_json(message.connection)
                return
            worker.receive(message, now)
            if worker.other is not None:
                self._send(Exit(worker.location))
                raise UsageError(mismatch(self._hub, worker.other, "this worker", OURS))
            if isinstance(message, Welcome) and message.again:
                self._outgoing.rewind()
                runner.rewind()
        if worker.welcome is not None and worker.welcome is not self._welcome:
            self._welcome = worker.welcome
            self._keeps_output = not worker.welcome.output
            runner.configure(worker.welcome.execution, self._hub_variables(worker.welcome))
            runner.capture.passes_on, runner.capture.limit = worker.welcome.output, worker.welcome.limit
        if not worker.asks:
            self.quiet_from = now
        if worker.running or worker.queue:
            self.idle_from = now
        for task in worker.kills():
            runner.kill(task, now, Cause.CANCELLED, "cancelled")
        for assigned, result in runner.poll(now):
            if result.may_be_the_end:
                self._suspects.append((now + SUSPICION, assigned, result))
            else:
                self._ended(assigned, result, now)
        while self._suspects and self._suspects[0][0] <= now:
            self._ended(*self._suspects.popleft()[1:], now)
        # Tasks that need no process end immediately. Not the whole queue at once: the next Steal should be on its way
        # while the rest runs.
        for _ in range(1 + len(worker.queue) // 2):
            next_one = None if self._outgoing.is_full else worker.next(now)
            if next_one is None:
                break
            started = runner.start(next_one, now)
            if started is not None:
                self._ended(next_one, started, now)
        if self._outgoing:
            self._outgoing.settle(worker.unanswered)
        for message in worker.outbox(clock()):
            if self._outgoing and isinstance(message, Complete):
                self._outgoing.send(message.results)
            self._send(message)

    def close(self) -> None:
        """Kill all running tasks."""
        self._outgoing.settle(set())
        self.runner.close()

    def _hub_variables(self, welcome: Welcome) -> dict[str, UserText]:
        """Return the environment variables that let tasks reach the hub."""
        if welcome.connection:
            path = os.path.join(self.runner.directory, "connection.json")
            connection_file.write(path, Connection.from_json(welcome.connection))
            return {"DWORK_CONNECTION": from_system(path)}
        return {"DWORK_SERVER": UserText(welcome.server), "DWORK_INSECURE": UserText("1")} if welcome.server else {}

    @property
    def patience(self) -> float:
        """Seconds to wait for the hub, twice as long as the hub waits for us; 0 when the hub has set no beat."""
        beat = self.worker.welcome.beat if self.worker.welcome is not None else 0.0
        return max(LEAST_PATIENCE, PATIENCE * beat) if beat else 0.0

    def check_walltime(self, job: Walltime) -> None:
        """Leave when the job is about to end: the batch system would kill the tasks without giving a reason."""
        now = clock()
        if now >= job.next or job.is_asking:
            job.poll(now)
        if now >= job.last_call and not self.is_late:
            self.is_late = True
            left = max(0.0, job.end - now)
            self._tell(f"the job ends in {left:.0f} s: leaving; running tasks are terminated and will run elsewhere")
            self.worker.leave(running=True)

    def sleep(self, descriptors: list[int], until: float) -> None:
        """Sleep until there is something to do, one of descriptors is readable, or it is `until`."""
        worker = self.worker
        if worker.can_start and not self._outgoing.is_full:
            return
        free = len(worker.running) < worker.slots
        now = clock()
        until = min(until, worker.deadline(now), self.runner.deadline)
        if self._suspects:
            until = min(until, self._suspects[0][0])
        capture = self.runner.capture
        if capture.rests(now):
            until = min(until, capture.rests_until)
        else:
            descriptors = [*descriptors, capture.descriptor]
        if free:
            sleep([self._transport], descriptors, until)
        else:  # no message of the hub is urgent: do not check the transport
            least, most, share = BUSY_POLL
            nap = min(max(least, share * (now - worker.started)), most)
            select.select(descriptors, (), (), max(0.0, min(until - now, nap)))

    def _send(self, message: Message) -> None:
        self._transport.send(HUB, wire.encode(message))

    def _take_output(self, task: int, attempt: int, stream: int, position: int, data: bytes) -> None:
        if self._keeps_output:
            self._print(stream, data)
        else:
            attempt = attempt or self.worker.running[task].attempt  # the hub may have assigned it anew meanwhile
            self._send(Output(self.worker.location, task, stream, data, attempt, position))

    def _ended(self, assigned: Assigned, result: Result, now: float) -> None:
        long = self.runner.long.pop(assigned.id, None)
        if long is not None and self._keeps_output:
            long.close()
        elif long is not None:
            result = result._replace(attempt=self.worker.running[assigned.id].attempt)
            self._outgoing.keep(result, long)
        if self._keeps_output:
            self._print(1, result.stdout)
            self._print(2, result.stderr)
            if not result.ok:
                self._tell(f"{shown(assigned.name)} failed: {result.how}")
            if result.stdout or result.stderr or result.sent:
                result = result._replace(stdout=b"", stderr=b"", sent=())
        self.worker.ended(result, now)

    def _print(self, stream: int, data: bytes) -> None:
        if data:
            try:
                self._streams[stream - 1].write(data)
                self._streams[stream - 1].flush()
            except OSError:  # the reader is gone: keep running the tasks
                pass
