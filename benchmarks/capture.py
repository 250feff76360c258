"""Measure what it costs to capture the output of tasks through pipes, beside plain files.

Both start the same processes one after the other, in this process, as a worker with one slot does; only where their
output goes differs: to two new pipes a task, or to two new unnamed files in $TMPDIR, which are read when it has ended.
CPU is that of this process and of the tasks, wall the time from the first start to the last end.
"""

from __future__ import annotations

import argparse
import os
import resource
import select
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from _common import alternate, arguments, row, show, write

from dwork.host.signals import Signals
from dwork.runner.capture import Capture, Captured
from dwork.runner.processes import Processes, Start
from dwork.runner.stream import _unnamed

TITLE = "Capture: pipes beside plain files"
#: What is started, by what is in the table.
COMMANDS = {
    "true": (b"/bin/true",),
    "a line": (b"/bin/echo", b"a line of output"),
    "1 MiB": (b"/usr/bin/head", b"-c", b"1048576", b"/dev/zero"),
}


class Files(Capture):
    """Captures output in files, which is what pipes replace."""

    def begin(self) -> Captured:
        ends = _unnamed(), _unnamed()
        return Captured(list(ends), ends)

    def started(self, captured: Captured, now: float) -> None:
        pass

    def end(self, task: int, captured: Captured) -> tuple[bytes, bytes]:
        out, err = [os.pread(fd, os.fstat(fd).st_size, 0) for fd in captured.fds]
        for fd in captured.fds:
            os.close(fd)
        return out, err


class Cost(NamedTuple):
    """Seconds of one start."""

    cpu: float
    wall: float


@contextmanager
def worker(is_file: bool) -> Iterator[Processes]:
    processes = Processes(lambda *piece: None, 1.0, 1, 0)
    if is_file:
        processes.capture.close()
        processes.capture = Files(lambda *piece: None)
    processes.configure(dict(os.environb))
    try:
        yield processes
    finally:
        processes.close()


def cost(command: tuple[bytes, ...], n: int, is_file: bool) -> Cost:
    with Signals([signal.SIGCHLD]) as signals, worker(is_file) as processes:
        run(processes, signals, command, 50)
        wall, cpu = time.perf_counter(), used()
        run(processes, signals, command, n)
        return Cost((used() - cpu) / n, (time.perf_counter() - wall) / n)


def run(processes: Processes, signals: Signals, command: tuple[bytes, ...], n: int) -> None:
    """Start a command n times, one after the other."""
    for _ in range(n):
        processes.start(Start(1, command, {}), time.time())
        while not processes.poll(time.time()):
            capture, now = processes.capture, time.time()
            rests = capture.rests(now)
            watched = [signals.descriptor] if rests else [signals.descriptor, capture.descriptor]
            select.select(watched, (), (), max(0.0, capture.rests_until - now) if rests else 10.0)
            signals.take()
        long = processes.long.pop(1, None)
        if long is not None:
            long.close()


def used() -> float:
    """Return the CPU seconds of this process and its children so far."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--starts", type=int, default=2_000, help="starts in one run (2000)")
    parser.add_argument("--repeats", type=int, default=3, help="rounds (3)")
    options = arguments(parser)
    rows, details = [], {}
    for name, command in COMMANDS.items():
        n = options.starts if name != "1 MiB" else options.starts // 10
        runs: dict[str, Callable[[], Cost]] = {
            "pipes": lambda command=command, n=n: cost(command, n, False),
            "files": lambda command=command, n=n: cost(command, n, True),
        }
        results = details[name] = alternate(runs, options.repeats)
        for field in Cost._fields:
            ours, theirs = ([1e6 * getattr(each, field) for each in results[way]] for way in ("pipes", "files"))
            bar = "ratio >= 1" if (name, field) == ("true", "cpu") else ""
            rows.append(row(f"{name}: {field} of a start / with files", ours, "µs", theirs, bar))
    show(TITLE, rows)
    write(options.json, TITLE, rows, details)


if __name__ == "__main__":
    main()
