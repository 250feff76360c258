"""Measure the pure core: microseconds per task in graph and hub, by message and shape, and bytes per task.

No sockets, no processes, no encoding: Create, Steal and Complete are handed to `Hub.receive` as values, 64 tasks a
message (fewer when fewer are ready), and only the time inside of it counts. Each shape and size has a process of its
own, so that its memory can be read off as resident set size: once all tasks are in, against before the first.
"""

from __future__ import annotations

import argparse
import gc
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import islice
from math import isqrt
from time import perf_counter

from _common import REPOSITORY, arguments, environment, median, row, show, write

from dwork.core.messages import Complete, Create, Native, Steal, Transfer
from dwork.core.task import Result, Task
from dwork.hub.hub import Hub

BATCH = 64
BAR = 5.0
SIZES = (1_000, 10_000, 100_000, 1_000_000)


def independent(n: int) -> Iterator[Task]:
    for i in range(n):
        name = f": {i}"
        yield Task(name, name)


def chain(n: int) -> Iterator[Task]:
    """Each after the one before: never more than one is ready, so each message carries one task."""
    before: tuple[str, ...] = ()
    for i in range(n):
        name = f": {i}"
        yield Task(name, name, before)
        before = (name,)


def chains(n: int) -> Iterator[Task]:
    """As many chains side by side as a message has room for tasks."""
    for i in range(n):
        name = f": {i}"
        yield Task(name, name, (f": {i - BATCH}",) if i >= BATCH else ())


def fan_out(n: int) -> Iterator[Task]:
    """One, and all others after it."""
    yield Task(": 0", ": 0")
    for i in range(1, n):
        name = f": {i}"
        yield Task(name, name, (": 0",))


def fan_in(n: int) -> Iterator[Task]:
    """One after all others."""
    yield from independent(n - 1)
    yield Task("last", "last", tuple(f": {i}" for i in range(n - 1)))


def stencil(n: int) -> Iterator[Task]:
    """Rows as long as there are rows; each task after three neighbours of the row before: three edges a task."""
    width = isqrt(n)
    for i in range(n):
        name = f": {i}"
        row_above, column = i // width - 1, i % width
        if row_above < 0:
            yield Task(name, name)
        else:
            first = row_above * width
            near = (first + (column - 1) % width, first + column, first + (column + 1) % width)
            yield Task(name, name, tuple([f": {j}" for j in near]))


SHAPES: dict[str, Callable[[int], Iterator[Task]]] = {
    "independent": independent,
    "chain": chain,
    "64 chains": chains,
    "fan-out": fan_out,
    "fan-in": fan_in,
    "stencil": stencil,
}


def resident() -> int:
    """Bytes of this process that are in memory."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


def case(shape: str, n: int, collect: bool) -> dict[str, float]:
    """Run one shape and size to its end in this process."""
    hub = Hub()
    tasks = SHAPES[shape](n)
    create = steal = complete = 0.0
    gc.collect()
    before = resident()
    if not collect:  # as the pool does while it loads its files
        gc.disable()
    while batch := tuple(islice(tasks, BATCH)):
        message = Create(batch)
        begin = perf_counter()
        hub.receive("client", message, 0.0)
        create += perf_counter() - begin
    grown = resident() - before
    if not collect:
        gc.freeze()
        gc.enable()
    messages = 0
    while not hub.over:
        request = Steal("worker", BATCH, Native(BATCH))
        begin = perf_counter()
        step = hub.receive("worker", request, 0.0)
        steal += perf_counter() - begin
        transfer = step.sends[-1][1]
        assert isinstance(transfer, Transfer)
        report = Complete("worker", tuple([Result(t.id, t.attempt) for t in transfer.tasks]), 0, Native(BATCH))
        begin = perf_counter()
        hub.receive("worker", report, 0.0)
        complete += perf_counter() - begin
        messages += 1
    scale = 1e6 / n
    return {
        "create": create * scale,
        "steal": steal * scale,
        "complete": complete * scale,
        "total": (create + steal + complete) * scale,
        "bytes": grown / n,
        "tasks a message": n / messages,
    }


def run(shape: str, n: int, collect: bool) -> dict[str, float]:
    """The same in a process of its own."""
    command = [sys.executable, __file__, "--case", shape, str(n), *(["--collect"] if collect else [])]
    done = subprocess.run(command, env=environment(), cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, check=True)
    return dict(json.loads(done.stdout))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--largest", type=int, default=100_000, help="the largest number of tasks, up to 1000000 (100000)"
    )
    parser.add_argument("--repeats", type=int, default=3, help="runs; the median counts; 1 from 1000000 on (3)")
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES), help="only these shapes")
    parser.add_argument("--collect", action="store_true", help="keep garbage collection on while tasks are added")
    parser.add_argument("--case", nargs=2, metavar=("SHAPE", "N"), help=argparse.SUPPRESS)
    options = arguments(parser)
    if options.case:
        print(json.dumps(case(options.case[0], int(options.case[1]), options.collect)))
        return
    title = "Core: microseconds per task in graph and hub"
    rows = []
    details: dict[str, object] = {}
    print("shape            tasks  create   steal complete   total   bytes a message")
    for shape in options.shapes:
        for n in [size for size in SIZES if size <= options.largest]:
            times = options.repeats if n < SIZES[-1] else 1
            runs = [run(shape, n, options.collect) for _ in range(times)]
            middle = {key: median(r[key] for r in runs) for key in runs[0]}
            details[f"{shape} {n}"] = runs
            print(
                f"{shape:12} {n:9,} {middle['create']:7.2f} {middle['steal']:7.2f} {middle['complete']:8.2f} "
                f"{middle['total']:7.2f} {middle['bytes']:7.0f} {middle['tasks a message']:9.1f}",
                flush=True,
            )
            rows.append(row(f"{shape}, {n:,}", middle["total"], "us/task", bar=f"<= {BAR:g}"))
            if n == options.largest:
                rows.append(row(f"{shape}, {n:,}: memory", middle["bytes"], "bytes/task", bar="<= 1024"))
    notes = ["A single chain has one task a message, so it shows the cost of two messages rather than of a task."]
    show(title, rows, notes)
    write(options.json, title, rows, details, notes)


if __name__ == "__main__":
    main()
