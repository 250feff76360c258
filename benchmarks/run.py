"""Run the benchmarks, one after the other, and write one HTML and one JSON file; `make bench` runs this.

    python benchmarks/run.py [--quick] [--publish] [NAME...]

Each is a process of its own. A benchmark that fails, or takes longer than --limit, is reported, and the others run. The
results of each go to results/NAME.json and NAME.txt, all together to results/bench.json and results/bench.html.
--publish keeps the numbers in benchmarks/results/ and writes docs/about/benchmarks.md from them.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from _common import REPOSITORY, environment
from _machine import machine
from _report import html, markdown, missed

#: The benchmarks in the order in which they run: their options, and those of a quick run. simulate uses the results of
#: dispatch and slots.
SUITE: dict[str, tuple[Sequence[str], Sequence[str]]] = {
    "core": (("--largest", "1000000"), ("--largest", "10000", "--repeats", "1")),
    "dispatch": ((), ("--tasks", "50000", "--repeats", "1")),
    "shell": (("--repeats", "3"), ("--tasks", "200", "--repeats", "1", "--only-xargs")),
    "setup": ((), ("--tasks", "100", "--repeats", "1")),
    "metg": ((), ("--seconds", "0.002", "0.02", "0.1", "--most", "20", "--rounds", "1")),
    "slots": ((), ("--tasks", "200", "--repeats", "1")),
    "capture": ((), ("--starts", "100", "--repeats", "1")),
    "start": ((), ("--repeats", "2")),
    "idle": ((), ("--pairs", "10", "--rounds", "1")),
    "ranks": ((), ("--ranks", "8", "--rows", "4")),
    "load": (("--run",), ("--lines", "20000")),
    "record": ((), ("--tasks", "20000", "--processes", "200", "--long", "20000", "--repeats", "1")),
    "trust": ((), ("--tasks", "20000", "--connections", "200", "--repeats", "1", "--timeout", "3")),
    "simulate": ((), ("--quick",)),
}
#: The most seconds that one benchmark may take.
LIMIT = 900.0


def run(script: Path, options: Sequence[str], place: Path, limit: float) -> dict[str, Any]:
    """Run a benchmark; return its results and the seconds that it took, or the reason of a failure in `failed`."""
    output = place / f"{script.stem}.json"
    output.unlink(missing_ok=True)
    begin = time.perf_counter()
    command = [sys.executable, str(script), *options, "--json", str(output)]
    process = subprocess.Popen(
        command, cwd=REPOSITORY, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    failed = ""
    try:
        text, errors = process.communicate(timeout=limit)
        if process.returncode:
            failed = (errors.strip().splitlines() or [f"exit code {process.returncode}"])[-1]
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # with its pools
        text, _ = process.communicate()
        failed = f"it took longer than {limit:g} s"
    (place / f"{script.stem}.txt").write_text(text)
    print(text, end="", flush=True)
    took = {"seconds": time.perf_counter() - begin}
    try:
        if not failed:
            return {**json.loads(output.read_text()), **took}
    except (OSError, ValueError) as error:
        failed = f"it wrote no results: {error}"
    print(f"{script.stem} has failed: {failed}", file=sys.stderr, flush=True)
    return {"title": script.stem, "failed": failed, "rows": [], "notes": [], "charts": [], **took}


def publish(results: Mapping[str, Any], docs: Path, kept: Path) -> None:
    """Write the page of the documentation, and save its numbers."""
    docs.parent.mkdir(parents=True, exist_ok=True)
    docs.write_text(markdown(results))
    small = {name: {k: v for k, v in b.items() if k != "details"} for name, b in results["benchmarks"].items()}
    kept.mkdir(parents=True, exist_ok=True)
    name = f"{results['machine']['name']}-{results['machine']['time'][:10]}.json"
    (kept / name).write_text(json.dumps({**results, "benchmarks": small}, indent=1) + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"run only these: {' '.join(SUITE)}")
    parser.add_argument("--quick", action="store_true", help="use small numbers, to check that everything works")
    parser.add_argument("--publish", action="store_true", help="save the numbers, and write docs/about/benchmarks.md")
    parser.add_argument("--limit", type=float, default=LIMIT, help=f"most seconds for one benchmark ({LIMIT:g})")
    parser.add_argument("--place", type=Path, default=REPOSITORY / "results", help="directory for results (results)")
    parser.add_argument("--scripts", type=Path, default=Path(__file__).parent, help=argparse.SUPPRESS)
    options = parser.parse_args()
    unknown = [name for name in options.names if not (options.scripts / f"{name}.py").exists()]
    if unknown:
        parser.error(f"there is no benchmark {' '.join(unknown)}; there are {' '.join(SUITE)}")
    options.place.mkdir(parents=True, exist_ok=True)
    results: dict[str, Any] = {"machine": machine(), "quick": options.quick, "benchmarks": {}}
    for name in options.names or SUITE:
        of_suite = SUITE.get(name, ((), ()))[options.quick]
        more = ("--results", str(options.place)) if name == "simulate" else ()
        results["benchmarks"][name] = run(
            options.scripts / f"{name}.py", (*of_suite, *more), options.place, options.limit
        )
    (options.place / "bench.json").write_text(json.dumps(results, indent=1) + "\n")
    (options.place / "bench.html").write_text(html(results))
    if options.publish:
        publish(results, REPOSITORY / "docs/about/benchmarks.md", Path(__file__).parent / "results")
    bars = missed(results)
    print("\nMissed bars:" if bars else "\nNo bar is missed.")
    for bar in bars:
        print(f"  {bar}")
    print(f"See {options.place / 'bench.html'}")
    return 1 if any(b.get("failed") for b in results["benchmarks"].values()) else 0


if __name__ == "__main__":
    sys.exit(main())
