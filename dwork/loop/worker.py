"""The worker's loop: between its hub at the other end of a transport, and its processes."""

from __future__ import annotations

import math
import os
import select
import signal
import sys
from collections.abc import Callable
from typing import Final

from dwork import connection, wire
from dwork.connection import Connection
from dwork.errors import TransportError
from dwork.loop import clock, sleep
from dwork.messages import Message, Move, Output, Welcome
from dwork.printer import how
from dwork.runner import Runner
from dwork.shown import shown
from dwork.signals import Signals
from dwork.task import Assigned, Result
from dwork.transport import HUB, Transport
from dwork.worker import Worker

#: How long a worker whose slots are all busy may not look what the hub says, in seconds: at least, at most, and of the
#: time since it started its last task. A child that ends wakes it at once.
BUSY_NAP: Final = (0.002, 0.02, 0.01)

_CAUGHT: Final = (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
_LEAVE: Final = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}


def work(
    worker: Worker,
    transport: Transport,
    tell: Callable[[str], None],
    *,
    is_rank: bool = False,
    hub_timeout: float = math.inf,
    until_eof: int | None = None,
    idle_timeout: float = math.inf,
) -> Connection | None:
    """Run a worker until it is over; no process that it has started outlives it.

    Return None, or where the hub wants to be talked to instead, when it says so before it has given any task.

    The first INT, TERM or HUP lets running tasks finish, the second ends them. is_rank: it heeds none of them, since
    mpirun tells them to all ranks and the hub knows what they mean; it leaves when its parent has ended, and waits for
    the hub's first word as long as it takes. hub_timeout: TransportError when the hub has been silent for so many
    seconds though it was asked. idle_timeout: leave when there was nothing to do for so many seconds. until_eof: a
    descriptor at whose end the tasks are ended and the worker leaves, since whoever started it is gone. tell(text)
    prints a line for people.
    """
    with Signals(_CAUGHT) as signals:
        loop = _WorkerLoop(worker, transport, tell)
        parent = os.getppid()
        watched = [signals.descriptor] if until_eof is None else [signals.descriptor, until_eof]
        try:
            while True:
                # Before the turn: a child that ends after it has been looked for must still wake the sleep.
                numbers = signals.take()
                if numbers & _LEAVE and not is_rank:
                    worker.leave(running=worker.leaving)
                if is_rank and os.getppid() != parent:
                    raise TransportError("the launcher is gone; what was running was ended")
                if until_eof in watched and select.select([until_eof], (), (), 0)[0]:
                    return None  # nobody is there to tell anything to
                loop.turn()
                if clock() >= loop.idle_from + idle_timeout and not worker.leaving:
                    worker.leave()
                if worker.over or loop.moved is not None:
                    return loop.moved
                if is_rank and worker.welcome is None:
                    loop.quiet_from = clock()
                if clock() >= loop.quiet_from + hub_timeout:
                    raise TransportError(f"the hub has not answered for {hub_timeout:g} s; what was running was ended")
                loop.sleep(
                    watched,
                    min(loop.quiet_from + hub_timeout, math.inf if worker.leaving else loop.idle_from + idle_timeout),
                )
        finally:
            loop.runner.close()


class _WorkerLoop:
    """quiet_from: since when the hub has been silent though it was asked. idle_from: since when nothing was to do.

    moved: where the hub wants to be talked to. Times are in seconds since the epoch.
    """

    def __init__(self, worker: Worker, transport: Transport, tell: Callable[[str], None]) -> None:
        self.worker = worker
        self.runner = Runner(worker.location, self._take_output)
        self.quiet_from = self.idle_from = clock()
        self._transport = transport
        self._tell = tell
        self._streams = (sys.stdout.buffer, sys.stderr.buffer)
        self.moved: Connection | None = None
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
        if worker.welcome is not None and worker.welcome is not self._welcome:
            self._welcome = worker.welcome
            self._keeps_output = not worker.welcome.output
            runner.dress(worker.welcome.wishes, self._way(worker.welcome))
            runner.passes_on, runner.limit = worker.welcome.output, worker.welcome.limit
        if not worker.asks:
            self.quiet_from = now
        if worker.running or worker.queue:
            self.idle_from = now
        for task in worker.kills():
            runner.kill(task, now, "cancelled")
        for assigned, result in runner.poll(now):
            self._ended(assigned, result, now)
        # Tasks that need no process end in the same breath. Not the whole queue at once: the next Steal should be
        # on its way while the rest runs.
        for _ in range(1 + len(worker.queue) // 2):
            next_one = worker.next(now)
            if next_one is None:
                break
            started = runner.start(next_one, now)
            if started is not None:
                self._ended(next_one, started, now)
        for message in worker.outbox(clock()):
            self._send(message)

    def _way(self, welcome: Welcome) -> dict[str, str]:
        """What tells tasks how to reach the hub."""
        if welcome.connection:
            path = os.path.join(self.runner.directory, "connection.json")
            connection.write(path, Connection.from_json(welcome.connection))
            return {"DWORK_CONNECTION": path}
        return {"DWORK_SERVER": welcome.server, "DWORK_INSECURE": "1"} if welcome.server else {}

    def sleep(self, descriptors: list[int], until: float) -> None:
        """Sleep until there is something to do, one of descriptors is readable, or it is `until`."""
        worker = self.worker
        free = len(worker.running) < worker.slots
        if free and worker.queue and not worker.leaving:
            return
        until = min(until, worker.deadline(clock()), self.runner.deadline)
        if free:
            sleep([self._transport], descriptors, until)
        else:  # nothing that the hub may say is urgent: do not even look
            now = clock()
            least, most, share = BUSY_NAP
            nap = min(max(least, share * (now - worker.started)), most)
            select.select(descriptors, (), (), max(0.0, min(until - now, nap)))

    def _send(self, message: Message) -> None:
        self._transport.send(HUB, wire.encode(message))

    def _take_output(self, task: int, stream: int, data: bytes) -> None:
        if self._keeps_output:
            self._print(stream, data)
        else:
            self._send(Output(self.worker.location, task, stream, data))

    def _ended(self, assigned: Assigned, result: Result, now: float) -> None:
        if self._keeps_output:
            self._print(1, result.stdout)
            self._print(2, result.stderr)
            if not result.ok:
                self._tell(f"{shown(assigned.name)} failed: {how(result)}")
            if result.stdout or result.stderr:
                result = result._replace(stdout=b"", stderr=b"")
        self.worker.ended(result, now)

    def _print(self, stream: int, data: bytes) -> None:
        if data:
            try:
                self._streams[stream - 1].write(data)
                self._streams[stream - 1].flush()
            except OSError:  # nobody reads it any more: the tasks matter more
                pass
