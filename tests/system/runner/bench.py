"""A runner with the signals that wake it, and what came through its sink."""

from __future__ import annotations

import contextlib
import select
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from dwork.core.task import PLAIN, Assigned, Command, Options, Result
from dwork.host.capacity import Equipment
from dwork.host.signals import Signals
from dwork.runner.runner import Runner


@dataclass
class Bench:
    """See the module's text."""

    runner: Runner
    signals: Signals
    sunk: list[tuple[int, int, bytes]] = field(default_factory=list)

    def start(self, command: Command, options: Options = PLAIN, *, id: int = 1, name: str = "a name") -> Result | None:
        return self.runner.start(Assigned(id, 3, name, command, options), time.time())

    def wait(self, n: int = 1) -> list[Result]:
        results: list[Result] = []
        until = time.monotonic() + 60  # a virtual machine is slow
        while len(results) < n:
            assert time.monotonic() < until, "tasks did not end in time"
            now, capture = time.time(), self.runner.capture
            wake_at, watched = min(self.runner.deadline, now + 10.0), [self.signals.descriptor]
            if capture.rests(now):
                wake_at = min(wake_at, capture.rests_until)
            else:
                watched.append(capture.descriptor)
            sleep = select.poll()  # not select, which knows only the first 1,024 descriptors
            for descriptor in watched:
                sleep.register(descriptor, select.POLLIN)
            sleep.poll(1000 * max(0.0, wake_at - now))
            self.signals.take()
            results += [result for _, result in self.runner.poll(time.time())]
        return results

    def run(self, command: Command, options: Options = PLAIN) -> Result:
        return self.start(command, options) or self.wait()[0]


@contextlib.contextmanager
def bench_of(slots: int = 1, equipment: Equipment | None = None) -> Iterator[Bench]:
    with Signals([signal.SIGCHLD]) as signals:
        sunk: list[tuple[int, int, bytes]] = []
        runner = Runner(
            "here:1",
            lambda task, _, stream, at, data: sunk.append((task, stream, data)),
            grace=0.5,
            slots=slots,
            equipment=equipment,
        )
        yield Bench(runner, signals, sunk)
        runner.close()
