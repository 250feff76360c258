"""Measure what keys and idle connections cost a hub, and how soon a dead worker is noticed.

The hub is a separate dhub; connections are sockets of one other process, each of which has sent one message.
"""

from __future__ import annotations

import argparse
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from _common import alternate, arguments, environment, median, row, show, write

from dwork.client.client import Client
from dwork.core.task import Task

#: Opens a number of connections with the keys of a file, prints a line, and holds them until its input ends.
HOLD = """
import sys, zmq
from dwork.connection.file import read
from dwork.transport.zmq import Dealer
from dwork.core.messages import OK
from dwork.transport.wire import encode
connection = read(sys.argv[1])
context = zmq.Context(io_threads=1)
context.set(zmq.MAX_SOCKETS, 20000)
zmq.Context = lambda: context
ends = [Dealer(connection.addresses[0], keys=connection.keys, linger=0) for _ in range(int(sys.argv[2]))]
for end in ends:
    end.send('hub', encode(OK()))
for end in ends:
    end.wait(120.0)
print('held', flush=True)
sys.stdin.read()
import os
os._exit(0)
"""


@contextmanager
def dhub(*options: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """A dhub on loopback; yields it and the environment in which it is found."""
    with TemporaryDirectory(prefix="dwork-bench-") as directory:
        found = environment(DWORK_DIR=f"{directory}/.dwork", DWORK_BIND="127.0.0.1")
        command = [sys.executable, "-m", "dwork.dhub", "-p", "23457", *options]
        process = subprocess.Popen(command, cwd=directory, env=found, stderr=subprocess.PIPE, text=True)
        assert process.stderr is not None
        line = process.stderr.readline()
        if "listening" not in line:
            sys.exit(f"the dhub did not start: {line}")
        os.environ["DWORK_DIR"] = found["DWORK_DIR"]
        try:
            yield process, found
        finally:
            process.kill()
            process.wait()


def kworker(found: dict[str, str], *options: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "dwork.kworker", *options]
    return subprocess.Popen(command, env=found, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def dispatch(n: int, insecure: bool) -> float:
    """No-op tasks a second, from a hub to two kworkers and back."""
    options = ("--insecure",) if insecure else ()
    with dhub(*options) as (_, found), Client(insecure=insecure, server="127.0.0.1:23457", timeout=60.0) as client:
        client.create("gate", ":")
        held = client.steal()[0]
        client.create_all(Task(f": {i}", f": {i}", ("gate",)) for i in range(n))
        workers = [kworker(found, "-s", "127.0.0.1:23457", *options) for _ in range(2)]
        while len(client.workers()) < 3:
            time.sleep(0.05)
        begin = time.perf_counter()
        client.complete(held)
        while client.status().active:
            time.sleep(0.01)
        rate = n / (time.perf_counter() - begin)
        for worker in workers:
            worker.wait(30)
        return rate


def resident(pid: int) -> int:
    """Bytes of a process that are in memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


def latency(client: Client) -> float:
    """Median milliseconds of a status query."""
    times = []
    for _ in range(200):
        begin = time.perf_counter()
        client.status()
        times.append(time.perf_counter() - begin)
    return median(times) * 1e3


def connections(n: int) -> tuple[float, float, float, float]:
    """Seconds to take in n connections, bytes of the hub for each, and the latency before and with them."""
    with dhub() as (process, found), Client(timeout=60.0) as client:
        before, memory = latency(client), resident(process.pid)
        file = next(Path(found["DWORK_DIR"]).glob("*.json"))
        begin = time.perf_counter()
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        holder = subprocess.Popen([sys.executable, "-c", HOLD, file, str(n)], env=found, text=True, **pipes)
        assert holder.stdout is not None and holder.stdin is not None
        if holder.stdout.readline() != "held\n":
            sys.exit(f"{n} connections could not be opened; try a larger `ulimit -n`")
        seconds = time.perf_counter() - begin
        result = (seconds, (resident(process.pid) - memory) / n, before, latency(client))
        holder.kill()
        holder.wait()
        return result


def missed(timeout: float) -> float:
    """Seconds from a worker's SIGKILL until its task is ready again."""
    with dhub("--worker-timeout", f"{timeout}s") as (_, found), Client() as client:
        client.create("long", "sleep 1000")
        worker = kworker(found)
        while client.status().counts["assigned"] == 0:
            time.sleep(0.01)
        time.sleep(timeout / 3)  # somewhere between two beats
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        begin = time.perf_counter()
        while client.status().ready == 0:
            time.sleep(0.05)
        return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", type=int, default=100_000, help="no-op tasks (100000)")
    parser.add_argument("--connections", type=int, default=10_000, help="idle connections (10000)")
    parser.add_argument("--timeout", type=float, default=10.0, help="the hub's --worker-timeout, in seconds (10)")
    parser.add_argument("--repeats", type=int, default=3, help="rounds; the median counts (3)")
    options = arguments(parser)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    results = alternate(
        {"keys": lambda: dispatch(options.tasks, False), "none": lambda: dispatch(options.tasks, True)}, options.repeats
    )
    n = min(options.connections, hard // 2 - 100)
    seconds, size, before, after = connections(n)
    until_missed = [missed(options.timeout) for _ in range(options.repeats)]
    rows = [
        row("dhub and 2 kworkers: with keys / without", results["keys"], "tasks/s", results["none"]),
        row(f"{n:,} connections: to take them in", seconds, "s"),
        row(f"{n:,} connections: memory of the hub for each", size / 1024, "KiB"),
        row(f"{n:,} connections: a status query with them / without", after, "ms", before),
        row(f"a dead worker is missed (--worker-timeout {options.timeout:g} s)", until_missed, "s"),
    ]
    title = "Trust: keys, connections, lost workers"
    show(title, rows)
    write(options.json, title, rows, {**results, "missed": until_missed})


if __name__ == "__main__":
    main()
