"""Measure start-up: from "MPI is up" until the first task of a short file runs.

The first task writes the time to a file. When MPI is up is noted by each rank after MPI_Init (_stamped.py), and the
last of them counts. As a second opinion, the whole command is timed beside a bare `mpirun -n 3 python` that only
starts MPI: that difference holds the end of the run, too. The pool on one machine, without MPI, is timed from the start
of its process, beside a Python that does nothing.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from _common import alternate, arguments, environment, median, mpirun, row, show, write

TITLE = "Start: seconds from MPI up to the first task"
STAMPED = str(Path(__file__).with_name("_stamped.py"))


class Start(NamedTuple):
    """Seconds: from when MPI is up, or the process started, to the first task; and of the whole command."""

    first_task: float
    whole: float


def _run(command: list[str], place: Path) -> float:
    begin = time.perf_counter()
    subprocess.run(command, env=environment(STAMPS=str(place)), stderr=subprocess.DEVNULL, check=True)
    return time.perf_counter() - begin


def _tasks(place: Path) -> str:
    file = place / "tasks.txt"
    file.write_text(f"date +%s.%N > {place}/first\n" + "true\n" * 9)
    return str(file)


def ranks(n: int) -> Start:
    """A pool on n ranks."""
    with TemporaryDirectory(prefix="dwork-bench-") as directory:
        place = Path(directory)
        whole = _run(mpirun(n, STAMPED, _tasks(place)), place)
        up = max(float((place / str(rank)).read_text()) for rank in range(n))
        return Start(float((place / "first").read_text()) - up, whole)


def bare(n: int) -> Start:
    """MPI and nothing else."""
    with TemporaryDirectory(prefix="dwork-bench-") as directory:
        return Start(0.0, _run(mpirun(n, STAMPED), Path(directory)))


def alone() -> Start:
    """A pool without MPI."""
    with TemporaryDirectory(prefix="dwork-bench-") as directory:
        place = Path(directory)
        command = [sys.executable, "-m", "dwork.pool", _tasks(place)]
        begin = time.time()
        whole = _run(command, place)
        return Start(float((place / "first").read_text()) - begin, whole)


def python() -> Start:
    """A Python that does nothing."""
    return Start(0.0, _run([sys.executable, "-c", "pass"], Path()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ranks", type=int, default=3, help="ranks of the pool (3)")
    parser.add_argument("--repeats", type=int, default=9, help="rounds; the median counts (9)")
    options = arguments(parser)
    n = options.ranks
    runs = {"pool": lambda: ranks(n), "bare": lambda: bare(n), "alone": alone, "python": python}
    results = alternate(runs, options.repeats)
    first = {name: [r.first_task for r in values] for name, values in results.items()}
    whole = {name: [r.whole for r in values] for name, values in results.items()}
    rows = [
        row(f"pool on {n} ranks: MPI up to first task", first["pool"], "s", bar="<= 0.3"),
        row("the same: whole command / bare mpirun", whole["pool"], "s", whole["bare"]),
        row("pool alone: process start to first task", first["alone"], "s"),
        row("the same: whole command / bare python", whole["alone"], "s", whole["python"]),
    ]
    added = median(a - b for a, b in zip(whole["pool"], whole["bare"], strict=True))
    notes = [f"on {n} ranks, the pool with its ten tasks adds {added:.2f} s to a bare mpirun"]
    show(TITLE, rows, notes)
    write(options.json, TITLE, rows, results, notes)


if __name__ == "__main__":
    main()
