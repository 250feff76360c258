"""Loops of hub and workers in one process, on a clock that jumps to the next thing that any of them waits for.

The loops, the hub, the workers, the codec and the transport are the real ones; a task is a number of seconds and how it
ends. Nothing sleeps, and there are no threads, so a test comes out the same each time. A loop that goes round without
rest fails, and so does a world in which all wait for ever.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any, NamedTuple

from dwork.core import messages as m
from dwork.core.cause import Cause
from dwork.core.errors import DworkError
from dwork.core.events import Event
from dwork.core.messages import Execution
from dwork.core.task import Assigned, Result, Task
from dwork.hub.hub import Hub
from dwork.runner.capture import Capture, Captured, Sink
from dwork.server.hub_loop import HubLoop
from dwork.transport import HUB, Peer, Transport, wire
from dwork.transport.inproc import Inproc
from dwork.worker.worker import Worker, WorkerPolicy
from dwork.worker_loop import WorkerLoop

#: More turns than this of one loop at one moment mean that it never rests.
ROUNDS = 2000


class World:
    """The time, and the loops that live in it."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.turns = 0
        self._seats: list[Seat] = []
        self._agenda: list[tuple[float, int, Callable[[], object]]] = []
        self._serial = count()

    def seat(self) -> Seat:
        self._seats.append(Seat(self))
        return self._seats[-1]

    def after(self, seconds: float, act: Callable[[], object]) -> None:
        """Do this so many seconds from now."""
        heapq.heappush(self._agenda, (self.now + seconds, next(self._serial), act))

    def settle(self) -> None:
        """Let all loops do what they can do at this moment."""
        rounds = 0
        while due := [seat for seat in self._seats if seat.is_due]:
            for seat in due:
                seat.step()
            self.turns += len(due)
            rounds += 1
            assert rounds < ROUNDS, "a loop goes round without rest"

    def wait(self, seconds: float) -> None:
        """Let so many seconds pass."""
        end = self.now + seconds
        self.settle()
        while (at := self._next) <= end:
            self._jump(at)
        self.now = end
        self.settle()

    def run(self, until: Callable[[], bool] | None = None) -> None:
        """Let time pass until something is the case, by default until all loops have ended."""
        self.settle()
        while not (until() if until else self.is_over):
            assert self._next < math.inf, "all wait for ever"
            self._jump(self._next)

    @property
    def is_over(self) -> bool:
        return not any(seat.is_open for seat in self._seats)

    @property
    def _next(self) -> float:
        """When something happens next."""
        times = [seat.wakes_at for seat in self._seats if seat.is_open]
        return min([*times, self._agenda[0][0] if self._agenda else math.inf], default=math.inf)

    def _jump(self, at: float) -> None:
        self.now = max(self.now, at)
        while self._agenda and self._agenda[0][0] <= self.now:
            heapq.heappop(self._agenda)[2]()
        self.settle()


class Seat:
    """The place of one loop in a world, and its Clock: its sleep only notes what it waits for.

    body: one turn and the sleep after it; returns whether there is more. child: when a process of it ends. slept: what
    each of its sleeps waited for.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self.body: Callable[[], bool] = lambda: False
        self.child: Callable[[], float] = lambda: math.inf
        self.is_open = True
        self.slept: list[tuple[Sequence[Transport], float, bool]] = []
        self._transports: Sequence[Transport] = ()
        self._until = -math.inf
        self._suspended_until = -math.inf

    def now(self) -> float:
        return self._world.now

    def sleep(
        self, transports: Sequence[Transport], descriptors: Sequence[int], until: float, hurry: bool = True
    ) -> None:
        self._transports, self._until = transports, until
        self.slept.append((transports, until, hurry))

    def poke(self) -> None:
        """One of the descriptors is readable."""
        self._until = -math.inf

    def suspend(self, seconds: float) -> None:
        """The process stands still."""
        self._suspended_until = self._world.now + seconds

    @property
    def wakes_at(self) -> float:
        has_frames = any(transport.nap() <= 0 for transport in self._transports)
        return max(-math.inf if has_frames else min(self._until, self.child()), self._suspended_until)

    @property
    def is_due(self) -> bool:
        return self.is_open and self.wakes_at <= self._world.now

    def step(self) -> None:
        self._until = -math.inf
        self.is_open = self.body()


class Ends(NamedTuple):
    """How a task goes: after how many seconds it ends, how, and what it prints at its begin.

    grace: seconds that it goes on after it was asked to end.
    """

    seconds: float = 1.0
    exit_status: int = 0
    signal: int = 0
    prints: bytes = b""
    grace: float = 0.0


class _Process:
    def __init__(self, assigned: Assigned, ends: Ends, captured: Captured, now: float) -> None:
        self.assigned, self.captured, self.started = assigned, captured, now
        self.ends, self.at = ends, now + ends.seconds
        self.cause, self.reason = Cause.ITSELF, ""


class Runner:
    """Runs tasks as `goes` says, by their name. started: the names; a command of nothing needs no process."""

    def __init__(self, sink: Sink, goes: Callable[[str], Ends], directory: str = "") -> None:
        self.capture = Capture(sink)
        self.long: dict[int, Captured] = {}
        self.stuck: list[Assigned] = []
        self.directory = directory
        self.started: list[str] = []
        self.cut_short: list[str] = []  # by the close
        self.configured: list[tuple[Execution, dict[str, str]]] = []
        self.signalled: list[tuple[int, int]] = []
        self.postponed = 0.0  # by how many seconds in all
        self._goes = goes
        self._running: dict[int, _Process] = {}

    @property
    def deadline(self) -> float:
        if not self.capture.passes_on:
            return math.inf
        return min(
            [p.started + 1.0 for p in self._running.values() if not p.captured.streams[0].is_ahead] or [math.inf]
        )

    @property
    def next_end(self) -> float:
        return min([process.at for process in self._running.values()], default=math.inf)

    def configure(self, execution: Execution, way: dict[str, str]) -> None:
        self.configured.append((execution, way))

    def start(self, assigned: Assigned, now: float) -> Result | None:
        self.started.append(assigned.name)
        if not assigned.command:
            return Result(assigned.id, assigned.attempt, started=now)
        captured = Captured([-1, -1], (-1, -1))  # no pipes
        ends = self._goes(assigned.name)
        captured.streams[0].add(ends.prints, self.capture.limit)
        self._running[assigned.id] = _Process(assigned, ends, captured, now)
        return None

    def poll(self, now: float) -> list[tuple[Assigned, Result]]:
        ended = sorted([p for p in self._running.values() if p.at <= now], key=lambda p: p.at)
        results = [self._ended(process) for process in ended]
        for process in self._running.values():
            if self.capture.passes_on and now >= process.started + 1.0:
                self.capture.pass_on(process.assigned.id, process.captured)
                process.captured.streams[0].is_ahead = True
        return results

    def _ended(self, process: _Process) -> tuple[Assigned, Result]:
        assigned, ends, captured = process.assigned, process.ends, process.captured
        del self._running[assigned.id]
        out, err = self.capture.end(assigned.id, captured)
        if captured.sent:
            self.long[assigned.id] = captured
        return assigned, Result(
            assigned.id, assigned.attempt, ends.exit_status, ends.signal, process.started, process.at - process.started,
            cause=process.cause, error=process.reason, stdout=out, stderr=err, sent=captured.sent,
        )  # fmt: skip

    def kill(self, task: int, now: float, cause: Cause, reason: str) -> None:
        process = self._running.get(task)
        if process is not None and process.at > now:
            process.at = now + process.ends.grace
            process.ends = process.ends._replace(exit_status=143, signal=15)
            process.cause, process.reason = cause, reason

    def signal(self, task: int, number: int) -> None:
        self.signalled.append((task, number))

    def postpone(self, seconds: float) -> None:
        self.postponed += seconds

    def rewind(self) -> None:
        for process in self._running.values():
            process.captured.rewind()

    def close(self) -> None:
        self.cut_short = [process.assigned.name for process in self._running.values()]
        for captured in (*[process.captured for process in self._running.values()], *self.long.values()):
            captured.close()
        self._running.clear()
        self.capture.close()


class Outside:
    """What happens to a worker's process, as a test says."""

    descriptors: Sequence[int] = ()

    def __init__(self) -> None:
        self.signals: set[int] = set()
        self.has_eof = self.is_alone = False

    def take(self) -> set[int]:
        signals, self.signals = self.signals, set()
        return signals

    def has_input_ended(self) -> bool:
        return self.has_eof

    def is_orphaned(self) -> bool:
        return self.is_alone


class Loop:
    """A worker's loop in a world. lines: what it prints for people. error: what has ended it, if it was that."""

    def __init__(
        self,
        world: World,
        transport: Transport,
        location: str = "w:1",
        slots: int = 1,
        policy: WorkerPolicy | None = None,
        goes: Callable[[str], Ends] = lambda name: Ends(),
        directory: str = "",
        **options: Any,
    ) -> None:
        self.seat = seat = world.seat()
        self.lines: list[str] = []
        self.error: DworkError | None = None
        self.outside = Outside()
        self.worker = Worker(location, slots, policy)

        def runner(sink: Sink) -> Runner:
            self.runner = Runner(sink, goes, directory)
            return self.runner

        self.loop = WorkerLoop(
            self.worker, transport, self.lines.append, self.outside, runner, clock=seat, **options
        )  # fmt: skip
        seat.body = self._body
        seat.child = lambda: self.runner.next_end

    def _body(self) -> bool:
        """One round of `work`."""
        is_on = False
        try:
            if is_on := self.loop.turn():
                self.loop.sleep()
        except DworkError as error:
            self.error = error
        if not is_on:
            self.loop.close()
        return is_on

    @property
    def has_left(self) -> bool:
        return not self.seat.is_open

    def signal(self, *numbers: int) -> None:
        self.outside.signals.update(numbers)
        self.seat.poke()


class Script:
    """A hub's end that says what a test lets it say to one worker, and what that worker has said."""

    def __init__(self) -> None:
        self.end, self.worker_end = Inproc(), Inproc()
        self.worker_end.connect(self.end, 1)

    def hears(self) -> list[m.Message]:
        """What has come since the last call."""
        return [wire.decode_request(frame) for _, frame in self.end.receive()]

    def says(self, *messages: m.Message) -> None:
        for message in messages:
            self.end.send(1, wire.encode(message))


class Pool:
    """A hub and its loop in a world, and workers that come to it. heard: all events."""

    def __init__(self, world: World, hub: Hub | None = None, *listeners: Any, **more: Any) -> None:
        self.world = world
        self.hub = hub or Hub()
        self.end = Inproc()
        self.heard: list[Event] = []
        self.seat = seat = world.seat()
        self.loop = HubLoop(self.hub, [self.end], [*listeners, self], clock=seat, **more)
        seat.body = self._body

    def hear(self, happened: Sequence[Event]) -> None:
        self.heard += happened

    def _body(self) -> bool:
        """One round of a pool's run."""
        self.loop.turn()
        self.hub.check()
        if self.hub.over:
            self.loop.dismiss()
            return False
        self.loop.sleep(-1)
        return True

    def create(self, *tasks: Task) -> None:
        step = self.hub.receive("boss", m.Create(tasks), self.world.now)
        step.sends = [(peer, message) for peer, message in step.sends if peer != "boss"]
        self.loop.carry_out(step)

    def add(self, name: str, end: Inproc | None = None, **more: Any) -> Loop:
        """A worker that connects under this name."""
        end = end or Inproc()
        end.connect(self.end, name)
        return Loop(self.world, end, name, **more)

    def all(self, kind: type[Event]) -> list[Any]:
        return [event for event in self.heard if isinstance(event, kind)]


class Faulty(Inproc):
    """An end of which frames get lost, or arrive twice: `copies` says how often each arrives, each way."""

    def __init__(self, copies: Callable[[bytes], int]) -> None:
        super().__init__()
        self.copies = copies

    def send(self, peer: Peer, frame: bytes) -> None:
        for _ in range(self.copies(frame)):
            super().send(peer, frame)

    def receive(self) -> list[tuple[Peer, bytes]]:
        return [one for one in super().receive() for _ in range(self.copies(one[1]))]


def reconnect(end: Inproc, hub: Inproc, name: Peer) -> None:
    """The hub of an end is another process now."""
    end.peers.pop(HUB, None)
    end.connect(hub, name)
