"""Measure a task file of a million lines: seconds to load it, and the memory that the hub uses then.

A separate process reads and parses the file and adds its tasks to the graph, as the pool does. The memory is the growth
of this process's resident set size once all tasks are added; the peak is reported, too. With --run the pool also runs
the plain tasks to the end, over MPI on three ranks.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from _common import arguments, environment, pool, progress, row, show, task_file, write

TITLE = "Load: a long task file"


def plain(n: int) -> Iterator[str]:
    return (f": {i}" for i in range(n))


def named(n: int) -> Iterator[str]:
    """Named tasks, each after one that stands some lines above it."""
    for i in range(n):
        after = f" after=t{i - 100}" if i >= 100 else ""
        yield f": {i} #DWORK name=t{i}{after}"


#: Lines as people write them: quotes, redirections, variables, pipes, substitutions, compound commands.
KINDS = (
    "python train.py --lr 0.01 --seed {i} --out runs/{i} > logs/{i}.log 2>&1",
    "cd run{i} && ./solve --case {i} --tol 1e-8 > out.log 2> err.log",
    "bwa mem -t 4 -R '@RG\\tID:{i}' \"$REF\" data/s_{i}_1.fq.gz data/s_{i}_2.fq.gz | samtools sort -o {i}.bam -",
    "OMP_NUM_THREADS=4 ./prog --in data/{i}.h5 --json '{{\"case\": {i}}}'",
    "gzip -dc \"data/${{RUN}}_{i}.gz\" | awk '{{print $1, $2}}' | sort -u > out/{i}.txt",
    'x="$(basename data/{i}.fa .fa)"; prog "$x" > "names/$x.txt"',
    "for k in 1 2 3; do ./prog {i} $k || exit 1; done",
    "if [ -f in/{i} ]; then ./prog in/{i}; else echo missing {i} >&2; fi",
    "mkdir -p out/{i} && cp in/{i}.dat out/{i}/ && cd out/{i} && ../../solve ${{OPTIONS:-}}",
    "find data/{i} -name '*.c' -exec grep -l main {{}} \\; | xargs -r wc -l > {i}.count",
    "[ -s out/{i} ] || ./make_it $(({i} * 7 + 1)) `date +%s` # again",
    'export CASE={i}; . ./env.sh && (cd case && ./run.sh "it\'s {i}") 2>&1 | tee log/{i}',
)


def any_kind(n: int) -> Iterator[str]:
    return (KINDS[i % len(KINDS)].format(i=i) for i in range(n))


FILES: dict[str, Callable[[int], Iterator[str]]] = {
    "plain": plain,
    "any kind": any_kind,
    "named, with predecessors": named,
}


def resident() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def case(path: str) -> dict[str, float]:
    """Load a file in this process."""
    from dwork.cli.load_tasks import load
    from dwork.core.messages import Create, Error
    from dwork.hub.hub import Hub

    hub = Hub()
    gc.collect()
    before = resident()
    begin = time.perf_counter()
    tasks = load([path], None)
    parsed = time.perf_counter()
    gc.disable()
    step = hub.receive(None, Create(tuple(tasks)), 0.0)
    gc.freeze()
    gc.enable()
    added = time.perf_counter()
    assert not isinstance(step.sends[0][1], Error), step.sends[0][1]
    n = len(tasks)
    del tasks, step
    return {
        "tasks": n,
        "parse": parsed - begin,
        "add": added - parsed,
        "bytes": (resident() - before) / n,
        "peak bytes": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before) / n,
    }


def watched_pool(path: str, n: int) -> tuple[float, float, float, int]:
    """Run a file; return the whole time, the pool's own, tasks a second, and the peak memory of one rank in bytes."""
    most = 0
    over = threading.Event()

    def watch() -> None:
        nonlocal most
        while not over.wait(0.2):
            for entry in filter(str.isdecimal, os.listdir("/proc")):
                try:
                    if path in Path("/proc", entry, "cmdline").read_text():
                        pages = int(Path("/proc", entry, "statm").read_text().split()[1])
                        most = max(most, pages * os.sysconf("SC_PAGE_SIZE"))
                except (OSError, UnicodeDecodeError, IndexError):
                    pass

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        result = pool(path, n)
    finally:
        over.set()
        thread.join()
    return result.whole, result.wall, result.rate, most


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lines", type=int, default=1_000_000, help="lines of the file (1000000)")
    parser.add_argument("--run", action="store_true", help="also run the plain file to its end")
    parser.add_argument("--case", metavar="FILE", help=argparse.SUPPRESS)
    options = arguments(parser)
    if options.case:
        print(json.dumps(case(options.case)))
        return
    n = options.lines
    rows = []
    details: dict[str, object] = {}
    for name, lines in FILES.items():
        with task_file(lines(n)) as path:
            progress(f"{n:,} lines, {name}")
            command = [sys.executable, __file__, "--case", path]
            done = subprocess.run(command, env=environment(), stdout=subprocess.PIPE, text=True, check=True)
            loaded = details[name] = json.loads(done.stdout)
            rows += [
                row(f"{name}: read and parse", loaded["parse"], "s"),
                row(f"{name}: add to the graph", loaded["add"], "s"),
                row(f"{name}: both", loaded["parse"] + loaded["add"], "s", bar=f"<= {15e-6 * n:g}"),
                row(f"{name}: hub", loaded["bytes"], "bytes/task", bar="<= 1024"),
                row(f"{name}: most while loading", loaded["peak bytes"], "bytes/task"),
            ]
            if options.run and lines is plain:
                progress(f"{n:,} tasks through the pool, {name}")
                whole, wall, rate, most = watched_pool(path, n)
                details[f"{name}, run"] = {"whole": whole, "wall": wall, "rate": rate, "most": most}
                rows += [
                    row(f"{name}: whole run, command", whole, "s"),
                    row(f"{name}: whole run, pool", wall, "s"),
                    row(f"{name}: whole run", rate, "tasks/s"),
                    row(f"{name}: whole run, hub at most", most / n, "bytes/task", bar="<= 1024"),
                ]
    progress("")
    show(TITLE, rows)
    write(options.json, TITLE, rows, details)


if __name__ == "__main__":
    main()
