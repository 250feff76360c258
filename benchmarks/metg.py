"""Measure METG(50%) on this machine: the shortest tasks that a system runs with 50 % efficiency.

A task is a program that keeps a core busy for a set time: a few lines of C where there is a compiler, else `sleep`.
Each system runs the same tasks, as many at a time as there are cores, in several lengths; from the efficiencies METG is
interpolated (_efficiency.py). Of the pool, "run" is its own wall time, first task to last, as its summary tells it, and
"command" is the whole command; the peers have only the latter, with little to start. The hub of the pool has no core of
its own. disBatch, which looks for ended tasks once a second, is not measured: the answer is a second.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from _common import PoolRun, Row, alternate, arguments, chart, median, pool, row, show, write
from _efficiency import metg
from shell import hyperqueue, timed

TITLE = "METG: how short tasks may be"
SPIN = r"""
#include <stdlib.h>
#include <time.h>
static double now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec + 1e-9 * t.tv_nsec; }
int main(int n, char **words) { double end = now() + atof(words[1]); while (now() < end) {} return n < 2; }
"""
SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05)
#: Tasks of a run for each slot: at least, at most, and in between enough for this many seconds.
LEAST, MOST = 10, 200

Run = Callable[[], "float | PoolRun"]


def spinner(place: Path) -> str:
    """A program that takes its seconds as an argument."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return "sleep"
    (place / "spin.c").write_text(SPIN)
    subprocess.run([compiler, "-O2", "-o", str(place / "spin"), str(place / "spin.c")], check=True)
    return str(place / "spin")


def systems(program: str, seconds: float, n: int, slots: int, place: Path) -> dict[str, Run]:
    """The systems that are here, each with n tasks of so many seconds."""
    line = f"{program} {seconds:g}"
    file = place / f"{seconds:g}.txt"
    file.write_text(f"{line}\n" * n)
    numbers = place / f"{seconds:g}.numbers"
    numbers.write_text(f"{seconds:g}\n" * n)
    runs: dict[str, Run] = {
        "dwork": lambda: pool(str(file), n, slots + 1),
        "xargs": partial(timed, ["xargs", f"-P{slots}", "-n1", program], str(numbers)),
    }
    if shutil.which("parallel"):
        runs["GNU parallel"] = partial(
            timed, ["parallel", "--will-cite", f"-j{slots}"], str(file), PARALLEL_SHELL="/bin/sh"
        )
    if shutil.which("pegasus-mpi-cluster"):
        dag = place / f"{seconds:g}.dag"
        dag.write_text("".join(f"TASK t{i} {shutil.which(program)} {seconds:g}\n" for i in range(n)))

        def pegasus() -> float:
            for suffix in (".rescue", ".resource"):
                Path(f"{dag}{suffix}").unlink(missing_ok=True)
            return timed(["mpirun", "-n", str(slots + 1), "pegasus-mpi-cluster", str(dag)])

        runs["pegasus-mpi-cluster"] = pegasus
    if shutil.which("hq") and slots == 2:
        runs["HyperQueue"] = partial(hyperqueue, line.split(), n)
    return runs


def efficiencies(work: float, results: Mapping[str, list[float | PoolRun]]) -> dict[str, float]:
    """Of each system; work: seconds of tasks for each slot. The pool has two."""
    found = {}
    for name, values in results.items():
        if name == "dwork":
            found["dwork, run"] = work / median(v.wall for v in values)
            found["dwork, command"] = work / median(v.whole for v in values)
        else:
            found[name] = work / median(values)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slots", type=int, default=len(os.sched_getaffinity(0)), help="tasks at a time (cores)")
    parser.add_argument("--seconds", type=float, nargs="+", default=SECONDS, help="run times (0.0005 ... 0.05)")
    parser.add_argument("--most", type=int, default=MOST, help=f"most tasks of a run for each slot ({MOST})")
    parser.add_argument("--rounds", type=int, default=3, help="rounds; the median counts (3)")
    options = arguments(parser)
    curves: dict[str, dict[float, float]] = {}
    details: dict[str, object] = {}
    with TemporaryDirectory(prefix="dwork-bench-") as directory:
        place = Path(directory)
        program = spinner(place)
        for seconds in sorted(options.seconds):
            each = min(options.most, max(LEAST, int(1 / seconds)))
            runs = systems(program, seconds, each * options.slots, options.slots, place)
            results = details[f"{seconds:g} s"] = alternate(runs, options.rounds)
            for name, efficiency in efficiencies(each * seconds, results).items():
                curves.setdefault(name, {})[seconds] = efficiency
    print("\nEfficiency in percent, tasks of")
    print(" " * 22 + "".join(f"{1e3 * seconds:>8g} ms" for seconds in sorted(options.seconds)))
    for name, curve in curves.items():
        print(f"  {name:20}" + "".join(f"{100 * curve[seconds]:>11.0f}" for seconds in sorted(curve)))
    found = {name: metg(curve) for name, curve in curves.items()}
    ours = found.pop("dwork, run")
    rows: list[Row] = []
    for name, time in found.items():
        if ours and time:
            rows.append(row(f"METG(50%): dwork, run / {name}", 1e3 * ours, "ms", 1e3 * time))
    unmet = [name for name, time in {"dwork, run": ours, **found}.items() if time is None]
    notes = [f"tasks: {'busy' if program != 'sleep' else 'sleep'}, {options.slots} at a time"]
    if unmet:
        notes.append(f"never half efficient with these run times: {', '.join(unmet)}")
    charts = [chart("Efficiency over run time", "seconds", "efficiency", {
        name: [sorted(curve), [curve[s] for s in sorted(curve)]] for name, curve in curves.items()
    }, log="x")]  # fmt: skip
    show(TITLE, rows, notes)
    write(options.json, TITLE, rows, {**details, "efficiency": curves}, notes, charts)


if __name__ == "__main__":
    main()
