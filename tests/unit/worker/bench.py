"""A worker without processes, with a hub that a test plays."""

from __future__ import annotations

import math
from typing import Any

from dwork.core import messages as m
from dwork.core.messages import Native, Steal, Transfer, Welcome
from dwork.core.task import Assigned, Result
from dwork.transport import wire
from dwork.worker.worker import Worker, WorkerPolicy

INF = math.inf
CAREFUL = WorkerPolicy(wait=20.0, patience=10.0)


class Bench:
    """A worker, a clock, and a test that plays the hub."""

    def __init__(self, slots: int = 1, policy: WorkerPolicy | None = None, *, greet: bool = True) -> None:
        self.worker = Worker("w", slots, policy)
        self.now = 1000.0
        self._next_id = 0
        if greet:
            assert self.says() == [m.Steal("w", slots, Native(slots, self.worker.policy.wait, 1, None, True))]
            self.hears(m.Welcome())

    def says(self) -> list[Any]:
        """What it sends now, through the codec."""
        said = self.worker.outbox(self.now)
        return [wire.decode_request(wire.encode(message)) for message in said]

    def hears(self, message: m.Message) -> None:
        self.worker.receive(message, self.now)

    def given(self, n: int, *, awaited: bool = False) -> None:
        """The hub answers the Steal that is under way with so many tasks."""
        ids = range(self._next_id, self._next_id + n)
        self._next_id += n
        tasks = tuple(Assigned(id, 1, f"t{id}", f"t{id}") for id in ids)
        self.hears(m.Transfer(tasks, self.worker.reports.steal, awaited=awaited))

    def starts(self) -> list[int]:
        started = []
        while (assigned := self.worker.next(self.now)) is not None:
            started.append(assigned.id)
        return started

    def runs(self, id: int, seconds: float = 1.0, status: int = 0) -> None:
        """So much later the task ends."""
        self.now += seconds
        attempt = self.worker.running[id].attempt
        self.worker.ended(Result(id, attempt, status, seconds=seconds), self.now)

    def answers(self, message: Any) -> None:
        self.hears(m.OK(answers=message.native.sequence))


def short_tasks(bench: Bench, seconds: float, turns: int = 30) -> list[int]:
    """Run tasks of that length; return how many it asked for each time."""
    asked = []
    bench.given(1)
    for _ in range(turns):
        for _ in range(len(bench.worker.queue) + len(bench.worker.running)):
            bench.starts()
            for id in list(bench.worker.running)[:1]:
                bench.runs(id, seconds)
            for message in bench.says():
                bench.answers(message)
                if getattr(message, "steal", 0) or isinstance(message, m.Steal):
                    asked.append(message.steal if isinstance(message, m.Complete) else message.n)
        if bench.worker.reports.steal:
            bench.given(asked[-1])
    return asked


def with_queue(bench: Bench, n: int = 3, **more: Any) -> None:
    """Tasks that take no time are past, so that more wait in the queue than it can run."""
    bench.worker.holding.mean = 0.01
    bench.given(n, **more)
    bench.starts()
    bench.says()
    bench.hears(m.NotFound((), bench.worker.reports.steal))
    bench.worker.reports.steal = bench.worker.reports.steal or 99  # it has asked for more, and is kept waiting
    bench.worker.reports.steal_time = bench.now


def waiting(*, is_known: bool = True) -> Worker:
    """A worker that has asked its hub for work at 0 and got no answer, only a welcome if it is known."""
    worker = Worker("w:1")
    if is_known:
        worker.receive(Welcome(), 0.0)
    worker.native = True
    (steal,) = worker.outbox(0.0)
    assert isinstance(steal, Steal) and isinstance(steal.native, Native)
    return worker


def busy(worker: Worker) -> Worker:
    worker.receive(Transfer((Assigned(1, 1, "a", "a"),), 1), 0.0)
    assert worker.next(0.0)
    return worker
