"""Code shared by the benchmarks: alternating runs, medians, a table with bars, JSON, and starting a pool."""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple, TypeVar

REPOSITORY = Path(__file__).resolve().parent.parent
#: Open MPI refuses root, and more ranks than cores, without these variables; MPICH ignores them.
OPEN_MPI = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": ":OVERSUBSCRIBE",
}
T = TypeVar("T")


# -- results ----------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Row:
    """One line of the table.

    ratio: our result relative to the peer's; above 1 dwork is better. bar: the target, as `<= 5` for our value, or
    `ratio >= 1`; empty without one. met: whether the target is met.
    """

    what: str
    ours: float | None
    unit: str
    peer: float | None = None
    ratio: float | None = None
    bar: str = ""
    met: bool | None = None


def row(
    what: str,
    ours: float | Sequence[float],
    unit: str,
    peer: float | Sequence[float] | None = None,
    bar: str = "",
) -> Row:
    """Return a line of the table. More is better for units per second, less is better for all others.

    For several measurements the medians are shown, and the ratio is the median of the ratios of each round: a machine
    may be twice as slow for a while, which slows everything in that round alike.
    """
    ours = [ours] if isinstance(ours, int | float) else ours
    peers = [peer] if isinstance(peer, int | float) else peer or []
    ratios = [a / b if unit.endswith("/s") else b / a for a, b in zip(ours, peers, strict=False) if a and b]
    r = Row(what, median(ours), unit, median(peers) if peers else None, median(ratios) if ratios else None, bar)
    if bar:
        *of_what, relation, limit = bar.split()
        value = r.ratio if of_what == ["ratio"] else r.ours
        if value is not None:
            number = float(limit.replace(",", ""))
            r.met = value >= number if relation == ">=" else value <= number
    return r


#: The header of the table.
HEAD = ("what", "ours", "peer", "unit", "ratio", "bar", "")


def cells(row: Row) -> tuple[str, ...]:
    """Return the cells of a line of the table as text."""
    met = "" if row.met is None else "ok" if row.met else "MISSED"
    ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
    return row.what, number(row.ours), number(row.peer), row.unit, ratio, row.bar, met


def show(title: str, rows: Sequence[Row], notes: Iterable[str] = ()) -> None:
    """Print the table."""
    print(f"\n{title}")
    lines = [HEAD, *map(cells, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for what, *numbers, bar, met in lines:
        middle = "  ".join(text.rjust(width) for text, width in zip(numbers, widths[1:-2], strict=True))
        print(f"  {what.ljust(widths[0])}  {middle}  {bar.ljust(widths[-2])}  {met}".rstrip())
    for note in notes:
        print(f"  {note}")


def number(value: float | None) -> str:
    """Format a number with three significant digits or more; `-` for None."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def arguments(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Parse the command line; every benchmark has --json."""
    parser.add_argument("--json", metavar="FILE", help="also write the results to FILE")
    return parser.parse_args()


def write(
    path: str | None,
    title: str,
    rows: Sequence[Row],
    details: Mapping[str, object],
    notes: Sequence[str] = (),
    charts: Sequence[Mapping[str, object]] = (),
) -> None:
    """Write rows, all single measurements, and the conditions to a JSON file."""
    if path:
        content = {
            "title": title,
            "conditions": conditions(),
            "rows": [asdict(r) for r in rows],
            "notes": list(notes),
            "charts": list(charts),
            "details": details,
        }
        Path(path).write_text(json.dumps(content, indent=1) + "\n")


def chart(
    title: str, x: str, y: str, lines: Mapping[str, Sequence[Sequence[float]]], log: str = ""
) -> dict[str, object]:
    """Return a chart for the report. lines: x and y values by name. log: the axes with a logarithmic scale."""
    return {"title": title, "x": x, "y": y, "lines": dict(lines), "log": log}


def conditions() -> dict[str, object]:
    """Return the conditions of a measurement: time, versions, machine and load."""
    versions = {}
    for name in ("mpi4py", "pyzmq", "protobuf"):
        from importlib.metadata import PackageNotFoundError, version

        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            pass
    return {
        "time": time.strftime("%Y-%m-%d %H:%M:%S"),
        "commit": _beginning("git", "-C", str(REPOSITORY), "describe", "--always", "--dirty"),
        "python": platform.python_version(),
        "system": platform.platform(),
        "cores": len(os.sched_getaffinity(0)),
        "load": os.getloadavg(),
        "mpirun": _beginning("mpirun", "--version").replace("HYDRA build details: Version:", "MPICH's Hydra"),
        "versions": versions,
    }


def _beginning(*command: str) -> str:
    """Return the first two lines of a command's output, joined."""
    try:
        output = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    except FileNotFoundError:
        return ""
    return " ".join(" ".join(output.splitlines()[:2]).split())


# -- running ----------------------------------------------------------------------------------------------------------


def alternate(runs: Mapping[str, Callable[[], T]], times: int) -> dict[str, list[T]]:
    """Call each of the runs `times` times, in turn, so that a noisy minute affects all of them alike."""
    results: dict[str, list[T]] = {name: [] for name in runs}
    names = list(runs)
    for i in range(times):
        for name in (*names[i % len(names) :], *names[: i % len(names)]):
            progress(f"round {i + 1} of {times}: {name}")
            results[name].append(runs[name]())
    progress("")
    return results


def progress(text: str) -> None:
    """Show on a terminal what is running, in a line that the next call replaces."""
    if sys.stderr.isatty():
        print(f"\r  {text[:76]:76}\r", end="", file=sys.stderr, flush=True)


def median(values: Iterable[float]) -> float:
    return statistics.median(values)


def percentile(values: Sequence[float], p: float) -> float:
    """Return the value that a share p of the values does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(p * len(ordered)))]


def environment(**more: str) -> dict[str, str]:
    """Return the environment of started programs: dwork from this checkout, with any mpirun."""
    path = os.pathsep.join([str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**OPEN_MPI, **os.environ, "PYTHONPATH": path, **more}


def mpirun(n: int, *command: str) -> list[str]:
    """Return the command line that starts n ranks of a Python program."""
    if shutil.which("mpirun") is None:
        sys.exit("no mpirun on PATH; activate the environment that dwork is installed in")
    return ["mpirun", "-n", str(n), sys.executable, *command]


class PoolRun(NamedTuple):
    """One run of a pool. whole: seconds of the whole command; wall: of the pool, first Steal to last end; rate: tasks
    a second of that wall time."""

    whole: float
    wall: float
    rate: float


_SUMMARY = re.compile(r"([\d,]+) done, (\d+) failed, (\d+) skipped in .*; ([\d,.]+) tasks/s")


def pool(file: str, n: int, ranks: int = 3, *options: str, record: bool = False) -> PoolRun:
    """Run a file of n tasks in a pool and return the times; with ranks=1 without MPI.

    record: write a new record, as for users; the default measures a pool without one.
    """
    program = ("-m", "dwork.pool", "--fresh" if record else "--no-record", *options, file)
    command = mpirun(ranks, *program) if ranks > 1 else [sys.executable, *program]
    begin = time.perf_counter()
    done = subprocess.run(command, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    whole = time.perf_counter() - begin
    found = _SUMMARY.search(done.stderr)
    if done.returncode or found is None or int(found[1].replace(",", "")) != n:
        sys.exit(f"the pool did not complete all {n} tasks (exit code {done.returncode}):\n{done.stderr}")
    rate = float(found[4].replace(",", ""))
    return PoolRun(whole, n / rate, rate)


@contextmanager
def task_file(lines: Iterable[str], name: str = "tasks.txt") -> Iterator[str]:
    """A task file in a directory of its own."""
    with TemporaryDirectory(prefix="dwork-bench-") as directory:
        path = Path(directory, name)
        path.write_text("".join(f"{line}\n" for line in lines))
        yield str(path)
