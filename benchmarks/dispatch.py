"""Measure dispatch: no-op tasks a second through pool and dhub, with automatic batching and with fixed batches.

The tasks are the line `:` with a number, for which no process is started, so only the way to a worker and back is
measured. Five things are measured:

- the real pool, over MPI (two worker ranks) and alone (one worker process over ZeroMQ), and our dhub with two
  kworkers, all as they batch by themselves;
- our hub, loops and MPI transport with batches of about 1, 16 and 64 tasks (_ranks.py fixed);
- the same hub when it is busy all the time, since two ranks speak for many workers (_ranks.py crowd): what a message
  costs it in a large pool, which the simulation takes over;
- a bare mpi4py + protobuf loop with the same batches: what is possible (_ranks.py bare);
- a C++ dhub, when it is on PATH or in $DHUB_CXX, and our dhub, both with two clients that only steal and complete
  (_ranks.py client). These clients do nothing for a task and have four steals under way, where a worker of ours
  checks, starts and reports each task and has one: the third row of each batch compares hub with hub, the first
  our whole way with the C++ hub alone.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from _common import alternate, arguments, environment, median, mpirun, pool, row, show, task_file, write

from dwork.client.client import Client
from dwork.core.errors import DworkError
from dwork.core.task import Task

TITLE = "Dispatch: no-op tasks a second, two workers"
BAR = ">= 200,000"
RANKS = str(Path(__file__).with_name("_ranks.py"))


#: Workers for which each of two ranks speaks, so that the hub always has something to do; and tasks.
CROWD = (64, 20_000)


class Case(NamedTuple):
    """Tasks a message; how many a worker of ours holds for that, and how many steals a client has under way."""

    batch: int
    name: str
    most: int
    depth: int
    tasks: int


# A worker asks again when half of what it may hold is left, so on average it asks for two thirds of it at a time.
CASES = (
    Case(1, "lockstep", 1, 0, 2_000),
    Case(1, "pipelined", 2, 4, 5_000),
    Case(16, "pipelined", 24, 4, 50_000),
    Case(64, "pipelined", 96, 4, 100_000),
)


def _read(command: Sequence[str]) -> list[float]:
    done = subprocess.run(command, env=environment(), stdout=subprocess.PIPE, text=True, check=True)
    return [float(word) for word in done.stdout.split()]


# -- hubs over ZeroMQ -------------------------------------------------------------------------------------------------


def cxx_hub() -> str | None:
    """Return the C++ dhub. Ours has the same name but is a Python script, so the first bytes are checked."""
    candidates = [os.environ.get("DHUB_CXX", "")]
    candidates += [str(Path(directory, "dhub")) for directory in os.environ.get("PATH", "").split(os.pathsep)]
    for path in candidates:
        if path and os.access(path, os.X_OK) and Path(path).read_bytes()[:4] == b"\x7fELF":
            return os.path.abspath(path)
    return None


@contextmanager
def hub(*command: str) -> Iterator[str]:
    """Start a hub process on a free port, ready to answer; yield its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with TemporaryDirectory(prefix="dwork-bench-") as directory:
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen([*command, "-p", str(port)], cwd=directory, env=environment(), **quiet)
        try:
            address = f"tcp://127.0.0.1:{port}"
            with Client(address, insecure=True) as client:
                client.status()
            yield address
        finally:
            process.kill()
            process.wait()


def own_dhub() -> list[str]:
    return [sys.executable, "-m", "dwork.dhub", "-q", "--insecure"]


def clients(command: Sequence[str], case: Case) -> float:
    """Two clients of the original dialect empty a hub; tasks a second from the first request to the last reply."""
    with hub(*command) as address, Client(address, insecure=True, timeout=60.0) as client:
        client.create_all(Task(f": {i}", f": {i}") for i in range(case.tasks))
        run = [sys.executable, RANKS, "client", address, str(case.batch), str(case.depth)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        processes = [subprocess.Popen(run, env=environment(), text=True, **pipes) for _ in range(2)]
        for process in processes:
            process.stdout.readline()
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        reports = [[float(word) for word in process.communicate()[0].split()] for process in processes]
    counts, begins, ends = zip(*reports, strict=True)
    assert sum(counts) == case.tasks, f"{case.tasks} tasks were there, and the clients got {sum(counts):.0f}"
    return case.tasks / (max(ends) - min(begins))


def dhub_with_kworkers(n: int) -> float:
    """Two kworkers wait at our dhub for a task that this process holds; tasks a second once it is done."""
    with hub(*own_dhub()) as address, Client(address, insecure=True, timeout=60.0) as client:
        client.create("gate", ":")
        held = client.steal()[0]
        client.create_all(Task(f": {i}", f": {i}", ("gate",)) for i in range(n))
        command = [sys.executable, "-m", "dwork.kworker", "-s", address, "--insecure"]
        workers = [subprocess.Popen(command, env=environment(), stderr=subprocess.DEVNULL) for _ in range(2)]
        time.sleep(1.0)  # until both wait, which cannot be observed
        begin = time.perf_counter()
        client.complete(held)
        try:
            while client.status().active:
                time.sleep(0.01)
            return n / (time.perf_counter() - begin)
        finally:
            for worker in workers:
                worker.wait(30)


# -- all of it --------------------------------------------------------------------------------------------------------


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", type=int, default=200_000, help="tasks of the runs with automatic batching (200000)")
    parser.add_argument("--repeats", type=int, default=2, help="rounds; the median counts (2)")
    options = arguments(parser)
    n = options.tasks
    original = cxx_hub()
    with task_file(f": {i}" for i in range(n)) as file:
        runs: dict[str, Callable[[], float | list[float]]] = {
            "pool, MPI, automatic": lambda: pool(file, n).rate,
            "pool alone, automatic": lambda: pool(file, n, 1).rate,
            "dhub and 2 kworkers, automatic": lambda: dhub_with_kworkers(n),
        }
        runs["crowd"] = partial(_read, mpirun(3, RANKS, "crowd", *map(str, CROWD)))
        for case in CASES:
            label = f"{case.batch} {case.name}"
            for what, most in (("fixed", case.most), ("bare", case.batch)):
                command = mpirun(3, RANKS, what, str(most), str(case.tasks))
                runs[f"{what} {label}"] = partial(_read, command)
            runs[f"dhub {label}"] = partial(clients, own_dhub(), case)
            if original:
                runs[f"cxx {label}"] = partial(clients, [original], case)
        try:
            results = alternate(runs, options.repeats)
        except DworkError as error:
            sys.exit(f"\n{error}")
    rates = {name: [v[0] if isinstance(v, list) else v for v in values] for name, values in results.items()}

    rows = [row(name, rates[name], "tasks/s", bar=BAR if "MPI" in name else "") for name in list(runs)[:3]]
    for case in CASES:
        label = f"{case.batch} {case.name}"
        actual = median(values[1] for values in results[f"fixed {label}"])
        ours, peer = rates[f"fixed {label}"], rates.get(f"cxx {label}")
        rows.append(row(f"{label}: MPI (really {actual:.1f}) / C++ dhub", ours, "tasks/s", peer, "ratio >= 1"))
        rows.append(row(f"{label}: MPI / bare mpi4py", ours, "tasks/s", rates[f"bare {label}"]))
        rows.append(row(f"{label}: dhub / C++ dhub", rates[f"dhub {label}"], "tasks/s", peer))
    rows.append(row("1 a message, hub busy: MPI", rates["crowd"], "tasks/s"))
    rows.append(row("1 a message, hub busy: hub", [values[2] for values in results["crowd"]], "us/task"))
    there = "as found" if original else "none on PATH nor in $DHUB_CXX, so nothing to compare with"
    notes = [f"C++ dhub: {there}"]
    show(TITLE, rows, notes)
    write(options.json, TITLE, rows, results, notes)


if __name__ == "__main__":
    main()
