"""Measure one worker with many slots: how fast it starts and reaps processes, beside xargs -P, and what it uses idle.

Rate: many times `/bin/true`, with 1 to 64 slots. Sleepers: 64 at a time of tasks that sleep for half a second; the time
beyond the sleeping is the price of starting and reaping. Pinned: the same tasks bound to CPUs of their own by the
worker, and unbound. Idle: the CPU that hub and worker use while 64 tasks sleep, from /proc/PID/stat.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from tempfile import TemporaryDirectory

from _common import PoolRun, alternate, arguments, pool, progress, row, show, task_file, write
from idle import cpu, processes, role, running

TITLE = "Slots: one worker that runs many tasks at a time"
SECONDS = 0.5


def xargs(slots: int, words: list[str], n: int) -> float:
    """Seconds for the same with xargs."""
    numbers = "\n".join(map(str, range(n)))
    begin = time.perf_counter()
    subprocess.run(["xargs", f"-P{slots}", "-n1", *words], input=numbers, text=True, check=True)
    return time.perf_counter() - begin


def walls(results: list[float | PoolRun]) -> list[float]:
    return [result.wall if isinstance(result, PoolRun) else result for result in results]


def idle(slots: int) -> dict[str, float]:
    """Return the percent of a core that hub and worker use while `slots` tasks sleep, a while after their start."""
    with TemporaryDirectory(prefix="dwork-bench-") as directory:
        lines = [f"touch {directory}/{i}; sleep 9; :" for i in range(slots)]
        with task_file(lines) as file:
            command = [sys.executable, "-m", "dwork.pool", "--no-record", "--slots", str(slots), file]
            with running(command, directory):
                time.sleep(5.0)
                found = {pid: role(pid, *what, set()) for pid, what in processes(directory).items()}
                before, begin = {pid: cpu(pid) for pid in found}, time.perf_counter()
                time.sleep(3.0)
                seconds = time.perf_counter() - begin
                shares: dict[str, float] = {}
                for pid, name in found.items():
                    name = "hub" if name == "hub" else "worker"
                    shares[name] = shares.get(name, 0.0) + 100 * (cpu(pid) - before[pid]) / seconds
                return shares


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", type=int, default=2_000, help="tasks of a run of /bin/true (2000)")
    parser.add_argument("--repeats", type=int, default=3, help="rounds (3)")
    options = arguments(parser)
    n, rows = options.tasks, []
    details: dict[str, object] = {"tasks": n}
    with task_file(["/bin/true"] * n) as file:
        for slots in (1, 8, 64):
            runs = {
                "dwork": lambda slots=slots: pool(file, n, 1, "--slots", str(slots)),
                "xargs": lambda slots=slots: xargs(slots, ["/bin/true"], n),
            }
            results = details[f"rate, {slots} slots"] = alternate(runs, options.repeats)
            rows.append(
                row(
                    f"{slots} slots: /bin/true / xargs -P{slots}", walls(results["dwork"]), "s", walls(results["xargs"])
                )
            )
        pinned = {
            "pinned": lambda: pool(file, n, 1, "--slots", "2", "--pin"),
            "not": lambda: pool(file, n, 1, "--slots", "2", "--no-pin"),
        }
        results = details["pinned"] = alternate(pinned, options.repeats)
        rows.append(row("2 slots: pinned / not", walls(results["pinned"]), "s", walls(results["not"])))
    some = 640
    with task_file([f"sleep {SECONDS}"] * some) as file:
        runs = {
            "dwork": lambda: pool(file, some, 1, "--slots", "64"),
            "xargs": lambda: xargs(64, ["sh", "-c", f"exec sleep {SECONDS}"], some),
        }
        results = details["sleepers"] = alternate(runs, options.repeats)
        rows.append(row("64 slots: sleepers (5 s) / xargs -P64", walls(results["dwork"]), "s", walls(results["xargs"])))
    progress("idle")
    shares = details["idle"] = idle(64)
    progress("")
    rows += [
        row(f"64 tasks that sleep: {name}", share, "% of a core", bar="<= 2") for name, share in sorted(shares.items())
    ]
    show(TITLE, rows)
    write(options.json, TITLE, rows, details)


if __name__ == "__main__":
    main()
