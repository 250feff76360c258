"""A Python program that drives a hub: it starts one with two workers, adds tasks, reacts to each result, and ends.

    python search.py

It searches the lowest point of a valley. Around each point that is better than all before, four more are tried; when no
more are under way, the next ones are half as far apart. Put your own command in place of VALLEY: what it prints is read
from the hub, so workers need not share a file system with this program.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from glob import glob

import dwork

VALLEY = "awk 'BEGIN {{ x = {x} - 1.25; y = {y} - 0.5; print x * x + x * y / 2 + y * y }}'"
FINEST = 1 / 64

Point = tuple[float, float]


@contextmanager
def run(*words: str, directory: str) -> Iterator[subprocess.Popen[bytes]]:
    """A program of dwork, which is told to end when we do."""
    environment = {**os.environ, "DWORK_DIR": directory}
    process = subprocess.Popen([sys.executable, "-m", *words], env=environment)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def start(stack: ExitStack, workers: int) -> dwork.Client:
    """A hub with a record, so that it keeps what tasks print, a task that it holds, and workers.

    Workers leave when all tasks have finished. A held task has not: they wait for what comes next. It is held before
    they come, or one of them might have started it. The directory has the hub's connection file.
    """
    directory = stack.enter_context(tempfile.TemporaryDirectory())
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    words = ("dwork.dhub", "--quiet", "--bind", "127.0.0.1", "-p", port, "-f", f"{directory}/run.db")
    hub = stack.enter_context(run(*words, directory=directory))
    while not (files := glob(f"{directory}/*.json")):
        if hub.poll() is not None:
            sys.exit("search: the hub did not start, see above")
        time.sleep(0.01)
    client = stack.enter_context(dwork.Client(connection=files[0]))
    client.create("end", "true")
    client.hold("end")
    for _ in range(workers):
        stack.enter_context(run("dwork.kworker", "--connection", files[0], directory=directory))
    return client


class Search:
    """The points that were tried, and are being tried."""

    def __init__(self, hub: dwork.Client) -> None:
        self.hub = hub
        self.tried: dict[str, Point] = {}  # by the name of the task
        self.told: set[str] = set()  # those whose result is in
        self.best, self.at = float("inf"), (0.0, 0.0)

    def around(self, step: float) -> None:
        """Try the points around the best one."""
        x, y = self.at
        for point in ((x, y), (x + step, y), (x - step, y), (x, y + step), (x, y - step)):
            name = "at {}, {}".format(*point)
            if name not in self.tried:
                self.tried[name] = point
                self.hub.create(name, VALLEY.format(x=point[0], y=point[1]), retries=1)

    def results(self) -> Iterator[tuple[Point, float]]:
        """Those that have come since; a task that failed is no result, and is told."""
        for row in self.hub.tasks(("done", "failed"), "at *"):
            if row["name"] not in self.told:
                self.told.add(row["name"])
                if row["state"] == "failed":
                    print(f"{row['name']} failed: {row['reason'] or row['exit_status']}", file=sys.stderr)
                    continue
                whole = self.hub.task(f"#{row['id']}") or {"output": []}
                text = b"".join(self.hub.output(row, piece) for piece in whole["output"] if piece["stream"] == 1)
                yield self.tried[row["name"]], float(text)

    def run(self) -> None:
        step = 0.5
        self.around(step)
        while step >= FINEST:
            before = len(self.told)
            for point, value in self.results():
                if value < self.best:
                    self.best, self.at = value, point
                    self.around(step)
            if len(self.told) == len(self.tried):
                step /= 2
                self.around(step)
            elif len(self.told) == before:
                time.sleep(0.05)  # nothing new: the hub has other things to do than to answer us


def main() -> None:
    with ExitStack() as stack:
        search = Search(start(stack, workers=2))
        search.run()
    print("lowest at x = {}, y = {}".format(*search.at), f"after {len(search.told)} points")


if __name__ == "__main__":
    main()
