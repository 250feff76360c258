"""Measure shell tasks: many short processes on two cores, against xargs and any other runners on PATH.

Two kinds of tasks: `/bin/true`, for which a runner may start the program directly, and `/bin/true && :`, which needs a
shell. Each row names its time: "command" is the whole command, including mpirun and the start of Python; "run" is
the pool's own wall time, from the first task handed out to the end of the last, as its summary reports it. The peers
have only the former. Their work is the same: the same number of processes, two at a time.

xargs and GNU parallel are on most machines; pegasus-mpi-cluster, hq (HyperQueue) and disBatch are measured when found.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from _common import PoolRun, Row, alternate, arguments, environment, pool, row, show, write

TITLE = "Shell: seconds for many short tasks, two at a time"
DIRECT, SHELL = "/bin/true", "/bin/true && :"
#: disBatch looks for ended tasks once a second, so it gets few.
DISBATCH_TASKS = 20


def timed(command: Sequence[str], stdin: str | None = None, **more: str) -> float:
    """Return the seconds that a command takes; it must succeed."""
    with open(stdin or os.devnull) as source:
        begin = time.perf_counter()
        done = subprocess.run(
            command, stdin=source, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment(**more)
        )
    seconds = time.perf_counter() - begin
    if done.returncode:
        sys.exit(f"{command[0]} has failed ({done.returncode}):\n{done.stderr.decode(errors='replace')}")
    return seconds


def hyperqueue(words: Sequence[str], n: int) -> float:
    """An array job on a server and a worker of our own; only the job is timed."""
    with TemporaryDirectory(prefix="dwork-bench-") as directory:
        place = {"HQ_SERVER_DIR": directory}
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": environment(**place)}
        server = subprocess.Popen(["hq", "server", "start"], **quiet)
        while subprocess.run(["hq", "server", "info"], **quiet).returncode:
            if server.poll() is not None:
                sys.exit("hq server start has failed")
            time.sleep(0.1)
        worker = subprocess.Popen(["hq", "worker", "start", "--cpus=2"], **quiet)
        time.sleep(1.0)
        options = ["--array", f"1-{n}", "--wait", "--stdout=none", "--stderr=none"]
        try:
            return timed(["hq", "submit", *options, "--", *words], **place)
        finally:
            subprocess.run(["hq", "server", "stop"], **quiet)
            server.wait(10)
            worker.wait(10)


def peers(kind: str, n: int, place: Path) -> dict[str, Callable[[], float]]:
    """Return the other runners found here, each with the same tasks; xargs comes first."""
    tasks = place / f"{kind}.txt"
    line = DIRECT if kind == "direct" else SHELL
    tasks.write_text(f"{line}\n" * n)
    words = [DIRECT] if kind == "direct" else ["/bin/sh", "-c", SHELL]
    numbers = place / "numbers.txt"
    numbers.write_text("".join(f"{i}\n" for i in range(n)))
    if kind == "direct":
        xargs, name = ["xargs", "-P2", "-n1", DIRECT], "xargs -P2 -n1"  # as tasks do, each gets an argument
        found = {name: partial(timed, xargs, str(numbers))}
    else:
        xargs, name = ["xargs", "-P2", "-I{}", "/bin/sh", "-c", "{}"], "xargs -P2 -I{} sh -c {}"
        found = {name: partial(timed, xargs, str(tasks))}
    if shutil.which("parallel"):
        found["GNU parallel -j2"] = partial(
            timed, ["parallel", "--will-cite", "-j2"], str(tasks), PARALLEL_SHELL="/bin/sh"
        )
    if shutil.which("pegasus-mpi-cluster"):
        dag = place / f"{kind}.dag"
        command = DIRECT if kind == "direct" else f'/bin/sh -c "{SHELL}"'
        dag.write_text("".join(f"TASK t{i} {command}\n" for i in range(n)))

        def pegasus() -> float:
            for suffix in (".rescue", ".resource"):
                Path(f"{dag}{suffix}").unlink(missing_ok=True)
            return timed(["mpirun", "-n", "3", "pegasus-mpi-cluster", str(dag)])

        found["pegasus-mpi-cluster"] = pegasus
    if shutil.which("hq"):
        found["HyperQueue"] = lambda: hyperqueue(words, n)
    if shutil.which("disBatch"):
        few = place / f"{kind}-few.txt"
        few.write_text(f"{line}\n" * DISBATCH_TASKS)
        command = ["disBatch", "-s", "localhost:2", "-p", f"{place}/disbatch", str(few)]
        found[f"disBatch ({DISBATCH_TASKS} tasks, scaled up)"] = lambda: timed(command) * n / DISBATCH_TASKS
    return found


def compare(kind: str, bar: str, options: argparse.Namespace, place: Path) -> tuple[list[Row], dict[str, object]]:
    """The rows of one kind of tasks, and all measurements."""
    n = options.tasks
    others = peers(kind, n, place)
    xargs, *slow = others
    file = str(place / f"{kind}.txt")
    runs: dict[str, Callable[[], float | PoolRun]] = {"dwork": lambda: pool(file, n, record=True), xargs: others[xargs]}
    if options.alone:
        runs["dwork alone"] = lambda: pool(file, n, 1, record=True)
    results = alternate(runs, options.repeats)
    rows = []
    for name in [name for name in runs if name != xargs]:
        rows.append(row(f"{kind}: {name}, run / {xargs}", [r.wall for r in results[name]], "s", results[xargs], bar))
        rows.append(row(f"{kind}: {name}, command / {xargs}", [r.whole for r in results[name]], "s", results[xargs]))
    once: dict[str, list[float | PoolRun]] = {}
    if slow and not options.only_xargs:
        once = alternate({"dwork": runs["dwork"], **{name: others[name] for name in slow}}, 1)
        for name in slow:
            rows.append(row(f"{kind}: dwork, command / {name}", [r.whole for r in once["dwork"]], "s", once[name]))
    return rows, {kind: results, f"{kind}, once": once}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", type=int, default=2_000, help="tasks of a run (2000)")
    parser.add_argument("--repeats", type=int, default=5, help="rounds with xargs; slower peers run once (5)")
    parser.add_argument("--alone", action="store_true", help="also measure the pool without MPI")
    parser.add_argument("--only-xargs", action="store_true", help="leave out the other peers, which are slow")
    options = arguments(parser)
    rows: list[Row] = []
    details: dict[str, object] = {}
    with TemporaryDirectory(prefix="dwork-bench-") as directory:
        for kind, bar in (("direct", "ratio >= 1.0"), ("shell", "ratio >= 0.95")):
            more_rows, more_details = compare(kind, bar, options, Path(directory))
            rows += more_rows
            details |= more_details
    show(TITLE, rows)
    write(options.json, TITLE, rows, details)


if __name__ == "__main__":
    main()
