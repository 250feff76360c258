"""The worker's loop: between its hub at the other end of a transport, and its processes."""

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
from dwork.core.errors import TransportError
from dwork.core.messages import STANDSTILL, Complete, Message, Move, Output, Welcome
from dwork.core.task import Assigned, Result
from dwork.core.text import shown
from dwork.host.capacity import Equipment
from dwork.host.signals import ENDS, Signals, within_a_job
from dwork.runner.outgoing import Outgoing
from dwork.runner.runner import Runner
from dwork.transport import HUB, Transport, wire
from dwork.transport.waiting import clock, sleep
from dwork.worker.worker import Worker

if TYPE_CHECKING:
    from dwork.host.walltime import Walltime

#: How long a worker whose slots are all busy may not look what the hub says, in seconds: at least, at most, and of the
#: time since it started its last task. A child that ends wakes it at once.
BUSY_POLL: Final = (0.002, 0.02, 0.01)

#: How long a rank waits for its hub, in beats, of which the hub lets eight be missing; and in seconds at the least.
PATIENCE: Final = 16
LEAST_PATIENCE: Final = 10.0
#: Seconds that the end of a task waits which somebody else may have ended. A batch system that ends a job sends its
#: signal to tasks, workers and hub one after the other; the hub must have its own by then, or it would count a failure.
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
) -> Connection | None:
    """Run a worker until it is over; no process that it has started outlives it.

    Return None, or where the hub wants to be talked to instead, when it says so before it has given any task.

    The first signal of ENDS lets running tasks finish, the second ends them. is_rank: it heeds none of them, since
    mpirun tells them to all ranks and the hub knows what they mean; it leaves when its parent has ended, and waits for
    the hub's first word as long as it takes. hub_timeout: TransportError when the hub has been silent for so many
    seconds though it was asked; a rank's hub may say otherwise. idle_timeout: leave when there was nothing to do for so
    many seconds. until_eof: a descriptor at whose end the tasks are ended and the worker leaves, since whoever started
    it is gone. job: at its last call likewise. tell(text) prints a line for people. equipment: what it has for tasks.
    spared: a child of this process that is no task's, and lives on.
    """
    with Signals(_CAUGHT, is_last=is_rank) as signals:
        loop = _WorkerLoop(worker, transport, tell, equipment, spared)
        parent = os.getppid()
        awake = clock()
        watched = [signals.descriptor] if until_eof is None else [signals.descriptor, until_eof]
        try:
            while True:
                # Before the turn: a child that ends after it has been looked for must still wake the sleep.
                numbers = signals.take()
                if numbers.intersection(ENDS) and not is_rank:
                    if within_a_job():
                        worker.end_of_job(clock())
                    worker.leave(running=worker.leaving)
                if is_rank and os.getppid() != parent:
                    raise TransportError("the launcher is gone; what was running was ended")
                if until_eof in watched and select.select([until_eof], (), (), 0)[0]:
                    return None  # nobody is there to tell anything to
                loop.turn()
                if clock() >= loop.idle_from + idle_timeout and not worker.leaving:
                    worker.leave()
                if job is not None:
                    loop.check_walltime(job)
                if worker.over or loop.moved is not None:
                    return loop.moved
                if is_rank and worker.welcome is None:
                    loop.quiet_from = clock()
                if clock() >= awake + STANDSTILL:  # a turn takes no such time, so this process was stopped in it
                    loop.quiet_from = clock()
                patience = loop.patience if is_rank and loop.patience else hub_timeout
                if clock() >= loop.quiet_from + patience:
                    raise TransportError(f"the hub has not answered for {patience:g} s; what was running was ended")
                until = [loop.quiet_from + patience]
                if not worker.leaving:
                    until.append(loop.idle_from + idle_timeout)
                if job is not None:
                    until += [job.next, math.inf if loop.is_late else job.last_call]
                loop.sleep(watched, min(until))
                if clock() >= min(until) + STANDSTILL:  # this process was stopped, and perhaps the hub as well
                    loop.quiet_from = clock()
                awake = clock()
        finally:
            loop.close()
            if job is not None:
                job.close()


class _WorkerLoop:
    """quiet_from: since when the hub has been silent though it was asked. idle_from: since when nothing was to do.

    moved: where the hub wants to be talked to. is_late: the job ends. Times are in seconds since the epoch.
    """

    def __init__(
        self,
        worker: Worker,
        transport: Transport,
        tell: Callable[[str], None],
        equipment: Equipment,
        spared: int,
    ) -> None:
        self.worker = worker
        self.runner = Runner(worker.location, self._take_output, slots=worker.slots, equipment=equipment, spared=spared)
        self._outgoing = Outgoing(self.runner.capture)
        self.quiet_from = self.idle_from = clock()
        self._transport = transport
        self._tell = tell
        self._streams = (sys.stdout.buffer, sys.stderr.buffer)
        self.moved: Connection | None = None
        self.is_late = False
        self._suspects: deque[tuple[float, Assigned, Result]] = deque()  # and when to tell of them
        self._welcome: Welcome | None = None  # the last one that was heeded
        self._keeps_output = True  # the hub does not want it: it is printed here

    def turn(self) -> None:
        """Take in what has come and what has ended, start what can start, and send what is to be said."""
        worker, runner = self.worker, self.runner
        now = clock()
        for _, frame in self._transport.receive():
            self.quiet_from = now
            message = wire.decode_reply(frame)
            if isinstance(message, Move):
                self.moved = Connection.from_json(message.connection)
                return
            worker.receive(message, now)
            if isinstance(message, Welcome) and message.again:
                self._outgoing.rewind()
                runner.rewind()
        if worker.welcome is not None and worker.welcome is not self._welcome:
            self._welcome = worker.welcome
            self._keeps_output = not worker.welcome.output
            runner.configure(worker.welcome.execution, self._way(worker.welcome))
            runner.passes_on, runner.capture.limit = worker.welcome.output, worker.welcome.limit
        if not worker.asks:
            self.quiet_from = now
        if worker.running or worker.queue:
            self.idle_from = now
        for task in worker.kills():
            runner.kill(task, now, "cancelled")
        for assigned, result in runner.poll(now):
            if result.may_be_the_end:
                self._suspects.append((now + SUSPICION, assigned, result))
            else:
                self._ended(assigned, result, now)
        while self._suspects and self._suspects[0][0] <= now:
            self._ended(*self._suspects.popleft()[1:], now)
        # Tasks that need no process end in the same breath. Not the whole queue at once: the next Steal should be
        # on its way while the rest runs.
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
        """End all that runs."""
        self._outgoing.settle(set())
        self.runner.close()

    def _way(self, welcome: Welcome) -> dict[str, str]:
        """What tells tasks how to reach the hub."""
        if welcome.connection:
            path = os.path.join(self.runner.directory, "connection.json")
            connection_file.write(path, Connection.from_json(welcome.connection))
            return {"DWORK_CONNECTION": path}
        return {"DWORK_SERVER": welcome.server, "DWORK_INSECURE": "1"} if welcome.server else {}

    @property
    def patience(self) -> float:
        """Seconds to wait for the hub, twice as long as it waits for us; 0 when it has not said how long that is."""
        beat = self.worker.welcome.beat if self.worker.welcome is not None else 0.0
        return max(LEAST_PATIENCE, PATIENCE * beat) if beat else 0.0

    def check_walltime(self, job: Walltime) -> None:
        """Leave when the job is about to end; a batch system would end tasks without a word why."""
        now = clock()
        if now >= job.next or job.is_asking:
            job.poll(now)
        if now >= job.last_call and not self.is_late:
            self.is_late = True
            left = max(0.0, job.end - now)
            self._tell(f"the job ends in {left:.0f} s: it leaves, and running tasks are ended, to run elsewhere")
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
        else:  # nothing that the hub may say is urgent: do not even look
            least, most, share = BUSY_POLL
            nap = min(max(least, share * (now - worker.started)), most)
            select.select(descriptors, (), (), max(0.0, min(until - now, nap)))

    def _send(self, message: Message) -> None:
        self._transport.send(HUB, wire.encode(message))

    def _take_output(self, task: int, attempt: int, stream: int, position: int, data: bytes) -> None:
        if self._keeps_output:
            self._print(stream, data)
        else:
            attempt = attempt or self.worker.running[task].attempt  # another than was started, when the hub says so
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
            except OSError:  # nobody reads it any more: the tasks matter more
                pass
