"""Measure the record: what it costs to write, how large it is, and how long resuming from a large one takes.

No-op tasks over MPI are the worst case: the hub does nothing but its book-keeping, hundreds of thousands of times a
second. Real processes are the usual case. Whole runs are timed until the program ends, when all is in the tables.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from _common import PoolRun, alternate, arguments, environment, median, pool, row, show, task_file, write


def resume(file: str, n: int) -> float:
    """Return the seconds of a pool that finds all of its n tasks done."""
    command = [sys.executable, "-m", "dwork.pool", file]
    begin = time.perf_counter()
    done = subprocess.run(command, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    seconds = time.perf_counter() - begin
    if done.returncode or f"{n:,} of {n:,} already done" not in done.stderr:
        sys.exit(f"the pool did not resume {n} done tasks:\n{done.stderr}")
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", type=int, default=200_000, help="no-op tasks (200000)")
    parser.add_argument("--processes", type=int, default=4_000, help="tasks that are processes (4000)")
    parser.add_argument("--long", type=int, default=1_000_000, help="tasks of the record to resume from (1000000)")
    parser.add_argument("--repeats", type=int, default=3, help="rounds; the median counts (3)")
    options = arguments(parser)
    with (
        task_file(f": {i}" for i in range(options.tasks)) as no_ops,
        task_file(f"/bin/true {i}" for i in range(options.processes)) as processes,
        task_file(f": {i}" for i in range(options.long)) as long,
    ):
        results: dict[str, list[PoolRun]] = alternate(
            {
                "no-op, with": lambda: pool(no_ops, options.tasks, record=True),
                "no-op, without": lambda: pool(no_ops, options.tasks),
                "/bin/true, with": lambda: pool(processes, options.processes, record=True),
                "/bin/true, without": lambda: pool(processes, options.processes),
            },
            options.repeats,
        )
        pool(long, options.long, record=True)
        size = os.path.getsize(f"{long}.db") / options.long
        resumes = [resume(long, options.long) for _ in range(options.repeats)]
        assert not Path(f"{long}.db-wal").exists(), "all is in the file"
    rows = [row("no-op: durable completions", [r.rate for r in results["no-op, with"]], "tasks/s", bar=">= 20,000")]
    for name in ("no-op", "/bin/true"):
        ours, peer = results[f"{name}, with"], results[f"{name}, without"]
        rows.append(
            row(
                f"{name}: dispatch with / without", [r.rate for r in ours], "tasks/s", [r.rate for r in peer],
                bar="ratio >= 0.8",
            )
        )  # fmt: skip
        rows.append(row(f"{name}: whole command with / without", [r.whole for r in ours], "s", [r.whole for r in peer]))
    rows.append(row(f"resume from {options.long:,} done tasks: whole command", median(resumes), "s", bar="<= 20"))
    rows.append(row("size of the record", size, "bytes/task"))
    title = "Record: what it costs"
    show(title, rows)
    write(options.json, title, rows, {**results, "resume": resumes})


if __name__ == "__main__":
    main()
