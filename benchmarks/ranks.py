"""Measure large allocations on one machine: many more ranks than cores, which run a graph to its end.

For each number of ranks: seconds for mpirun alone (ranks that bring up MPI and end), and for the whole command; the
memory of a worker rank and of the hub (PSS: what they share counts for each in part), and their descriptors, while
the last task runs. One rank's file system calls at start-up, by strace when it is on PATH: on a parallel file system
these cost more than anything else, times the number of ranks.

The graph: rows of tasks, each of which waits for three of the row before.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from _common import Row, arguments, environment, median, mpirun, progress, row, show, task_file, write
from idle import processes, role

TITLE = "Ranks: many more than cores"
ALONE = "from mpi4py import MPI; MPI.COMM_WORLD.Barrier()"
WIDTH = 50
#: Of one rank.
TRACED = 'exec strace -f -c -e trace=%file -o {report} "$@"'


def graph(rows: int) -> Iterator[str]:
    for y in range(rows):
        for x in range(WIDTH):
            after = ",".join(f"t{y - 1}-{(x + d) % WIDTH}" for d in (-1, 0, 1)) if y else ""
            yield f"true #DWORK name=t{y}-{x}" + (f" after={after}" if after else "")


def memory(pid: int) -> float:
    """MiB, shared pages in part."""
    text = Path("/proc", str(pid), "smaps_rollup").read_text()
    return int(re.search(r"Pss: +(\d+)", text)[1]) / 1024


def seconds(command: list[str], **more: str) -> float:
    begin = time.perf_counter()
    subprocess.run(command, env=environment(**more), stderr=subprocess.DEVNULL, check=True)
    return time.perf_counter() - begin


def looked_at(ranks: int, n_rows: int) -> dict[str, float]:
    """Run a pool whose last task waits until the ranks have been measured."""
    with TemporaryDirectory(prefix="dwork-bench-") as directory:
        there, go = Path(directory, "there"), Path(directory, "go")
        last = f"touch {there}; while [ ! -e {go} ]; do sleep 0.1; done #DWORK after=t*"
        with task_file([*graph(n_rows), last]) as file:
            begin = time.perf_counter()
            command = mpirun(ranks, "-m", "dwork.pool", "--no-record", "-q", file)
            process = subprocess.Popen(command, env=environment(DWORK_BENCH=directory))
            while not there.exists():
                if process.poll() is not None:
                    sys.exit(f"the pool has ended: {process.returncode}")
                time.sleep(0.05)
            ran = time.perf_counter() - begin
            found = {pid: role(pid, *what, set()) for pid, what in processes(directory).items()}
            hub = [pid for pid, name in found.items() if name == "hub"]
            workers = [pid for pid, name in found.items() if name != "hub"]
            result = {
                "hub": memory(hub[0]),
                "worker": median([memory(pid) for pid in workers]),
                "hub descriptors": len(os.listdir(f"/proc/{hub[0]}/fd")),
                "worker descriptors": len(os.listdir(f"/proc/{workers[0]}/fd")),
                "workers": len(workers),
            }
            go.touch()
            if process.wait(120):
                sys.exit(f"the pool has failed: {process.returncode}")
            return {**result, "to the last task": ran, "whole": time.perf_counter() - begin}


def file_calls() -> dict[str, int]:
    """Return the file system calls of a worker rank, counted by strace around rank 1."""
    with TemporaryDirectory(prefix="dwork-bench-") as directory, task_file(["true"]) as file:
        report = Path(directory, "report")
        wrapper = Path(directory, "wrapper")
        guess = '"${PMI_RANK:-$OMPI_COMM_WORLD_RANK}"'
        wrapper.write_text(f'#!/bin/sh\n[ {guess} = 1 ] && {TRACED.format(report=report)}\nexec "$@"\n')
        wrapper.chmod(0o700)
        command = mpirun(2, "-m", "dwork.pool", "--no-record", "-q", file)
        python = command.index(sys.executable)
        subprocess.run([*command[:python], str(wrapper), *command[python:]], env=environment(), check=True)
        lines = [line.split() for line in report.read_text().splitlines()]
        return {words[-1]: int(words[3]) for words in lines if len(words) >= 5 and words[3].isdecimal()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ranks", type=int, nargs="+", default=[8, 32, 128], help="numbers of ranks (8 32 128)")
    parser.add_argument("--rows", type=int, default=40, help=f"rows of the graph, of {WIDTH} tasks each (40)")
    options = arguments(parser)
    rows: list[Row] = []
    details: dict[str, object] = {}
    for ranks in options.ranks:
        progress(f"{ranks} ranks")
        alone = seconds(mpirun(ranks, "-c", ALONE))
        found = looked_at(ranks, options.rows)
        details[f"{ranks} ranks"] = {**found, "mpirun alone": alone}
        rows.append(row(f"{ranks} ranks: whole command / mpirun alone", found["whole"], "s", alone))
        for what in ("hub", "worker"):
            rows.append(row(f"{ranks} ranks: memory, {what}", found[what], "MiB"))
            rows.append(row(f"{ranks} ranks: descriptors, {what}", found[f"{what} descriptors"], ""))
    if shutil.which("strace"):
        progress("strace")
        calls = details["calls"] = file_calls()
        rows += [
            row(f"start of a worker rank: {name}", calls.get(name, 0), "calls")
            for name in ("openat", "newfstatat", "total")
        ]
    progress("")
    notes = [f"The graph has {options.rows * WIDTH:,} tasks, each after three of the row before."]
    show(TITLE, rows, notes)
    write(options.json, TITLE, rows, details, notes)


if __name__ == "__main__":
    main()
