"""Measure idling: the CPU that ranks use while no task starts or ends, and how late a successor starts.

Idle: one task sleeps for eight seconds on one of two workers; from second 4 on, when nothing has moved for long, the
processor time of hub and workers is read from /proc/PID/stat. The same for a pool alone, whose worker is reached over
ZeroMQ.

Lag: pairs of tasks, each pair after the one before, of which one sleeps for 0.05 s and the other for less; both write
when they began and ended. So when the longer one ends, the other worker has been waiting, and one of the next pair
starts on the worker that has just ended a task, and one on the other. The time from that end to either begin is
the lag, beside that of a shell that does the same with `&` and `wait`: their difference is ours, since what both
have is the price of starting processes.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from _common import arguments, environment, median, mpirun, percentile, progress, row, show, write

from dwork.transport.mpi import RANKS

TITLE = "Idle: percent of a core while nothing moves, and milliseconds to a successor"
TICK = os.sysconf("SC_CLK_TCK")
SHORTER, LONGER = 0.02, 0.05


# -- idle -------------------------------------------------------------------------------------------------------------


def processes(mark: str) -> dict[int, tuple[list[str], dict[str, str]]]:
    """Processes of Python whose command line or environment has the mark: their command line and environment."""
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdecimal():
            try:
                words = Path("/proc", entry, "cmdline").read_text().split("\0")
                pairs = [line.partition("=") for line in Path("/proc", entry, "environ").read_text().split("\0")]
            except (OSError, UnicodeDecodeError):
                continue
            if "python" in Path(words[0]).name and any(value == mark for _, _, value in pairs):
                found[int(entry)] = (words, {key: value for key, _, value in pairs})
    return found


def parents() -> set[int]:
    """Processes that have a `sleep` as child."""
    found = set()
    for entry in os.listdir("/proc"):
        if entry.isdecimal():
            try:
                name, _, rest = Path("/proc", entry, "stat").read_text().rpartition(")")
            except OSError:
                continue
            if name.endswith("(sleep"):
                found.add(int(rest.split()[1]))
    return found


def cpu(pid: int) -> float:
    """Seconds of processor time that a process has used, its children excepted."""
    fields = Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def role(pid: int, words: list[str], variables: dict[str, str], busy: set[int]) -> str:
    """hub, busy worker or idle worker."""
    rank = next((variables[name] for name in RANKS if name in variables), "")
    if rank == "0" or (not rank and "dwork.kworker" not in words):
        return "hub"
    return "busy worker" if pid in busy else "idle worker"


@contextmanager
def running(command: list[str], mark: str) -> Iterator[None]:
    process = subprocess.Popen(command, env=environment(DWORK_BENCH=mark), stderr=subprocess.DEVNULL)
    try:
        yield
        if process.wait(60):
            sys.exit(f"{command} has failed: {process.returncode}")
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()


def idle(ranks: int) -> dict[str, float]:
    """Percent of a core that each role uses in the seconds 4 to 7.5 of a sleep."""
    with TemporaryDirectory(prefix="dwork-bench-") as directory:
        begun = Path(directory, "begun")
        file = Path(directory, "tasks.txt")
        file.write_text(f"touch {begun}; sleep 8; :\n")
        program = ["-m", "dwork.pool", str(file)]
        command = mpirun(ranks, *program) if ranks > 1 else [sys.executable, *program]
        with running(command, directory):
            while not begun.exists():
                time.sleep(0.01)
            shells = parents_of_shells_with_sleep()
            time.sleep(4.0)
            found = {pid: role(pid, *what, shells) for pid, what in processes(directory).items()}
            before, begin = {pid: cpu(pid) for pid in found}, time.perf_counter()
            time.sleep(3.5)
            seconds = time.perf_counter() - begin
            return {name: 100 * (cpu(pid) - before[pid]) / seconds for pid, name in found.items()}


def parents_of_shells_with_sleep() -> set[int]:
    """The task is a shell whose child is `sleep`; its parent is the worker."""
    time.sleep(0.2)
    found = set()
    for shell in parents():
        try:
            found.add(int(Path("/proc", str(shell), "stat").read_text().rpartition(")")[2].split()[1]))
        except OSError:
            pass
    return found


# -- lag --------------------------------------------------------------------------------------------------------------


def body(directory: str, name: str, seconds: float) -> str:
    """A command that writes worker, begin and end to a file of its own."""
    return f'b=$(date +%s.%N); sleep {seconds}; echo "$DWORK_WORKER $b $(date +%s.%N)" > {directory}/{name}'


def stamps(directory: str, name: str) -> tuple[str, float, float]:
    worker, begin, end = f"w {Path(directory, name).read_text()}".split()[-3:]
    return worker, float(begin), float(end)


def lags(directory: str, pairs: int) -> dict[str, list[float]]:
    """Milliseconds from the end of a pair to the begins of the next, by where they ran."""
    found: dict[str, list[float]] = {"same": [], "other": []}
    for i in range(pairs - 1):
        last_worker, _, last_end = max((stamps(directory, f"{x}{i}") for x in "ab"), key=lambda s: s[2])
        for x in "ab":
            worker, begin, _ = stamps(directory, f"{x}{i + 1}")
            found["same" if worker == last_worker else "other"].append(1000 * (begin - last_end))
    return found


def pool_lags(pairs: int, ranks: int) -> dict[str, list[float]]:
    with TemporaryDirectory(prefix="dwork-bench-") as directory:
        lines = []
        for i in range(pairs):
            after = f" after=a{i - 1},b{i - 1}" if i else ""
            lines.append(f"{body(directory, f'a{i}', LONGER)} #DWORK name=a{i}{after}\n")
            lines.append(f"{body(directory, f'b{i}', SHORTER)} #DWORK name=b{i}{after}\n")
        file = Path(directory, "tasks.txt")
        file.write_text("".join(lines))
        program = ["-m", "dwork.pool", str(file)]
        with running(mpirun(ranks, *program) if ranks > 1 else [sys.executable, *program], directory):
            pass
        return lags(directory, pairs)


def shell_lags(pairs: int) -> list[float]:
    """The same pairs, started by a shell."""
    with TemporaryDirectory(prefix="dwork-bench-") as directory:
        Path(directory, "a").write_text(body(directory, "a$1", LONGER))
        Path(directory, "b").write_text(body(directory, "b$1", SHORTER))
        loop = 'for i in $(seq 0 "$1"); do sh "$2/a" "$i" & sh "$2/b" "$i" & wait; done'
        subprocess.run(["sh", "-c", loop, "sh", str(pairs - 1), directory], check=True)
        return [lag for some in lags(directory, pairs).values() for lag in some]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=60, help="pairs of tasks in a row, for the lag (60)")
    parser.add_argument("--rounds", type=int, default=2, help="rounds of the lag measurement (2)")
    options = arguments(parser)
    rows = []
    details: dict[str, object] = {}
    for what, ranks in (("MPI", 3), ("alone", 1)):
        progress(f"idle, {what}")
        shares = idle(ranks)
        details[f"idle, {what}"] = shares
        rows += [row(f"{what}: {name}", share, "% of a core", bar="<= 2") for name, share in sorted(shares.items())]
    lag: dict[str, list[float]] = {}
    for i in range(options.rounds):
        progress(f"lag, round {i + 1}")
        lag.setdefault("shell", []).extend(shell_lags(options.pairs))
        for what, ranks in (("MPI", 3), ("alone", 1)):
            for where, values in pool_lags(options.pairs, ranks).items():
                lag.setdefault(f"{what}, {where} worker", []).extend(values)
    progress("")
    details["lag"] = lag
    base = {"median": median(lag["shell"]), "p90": percentile(lag["shell"], 0.9)}
    for name in [name for name in lag if name != "shell" and lag[name]]:
        values = {"median": median(lag[name]), "p90": percentile(lag[name], 0.9)}
        for which, value in values.items():
            rows.append(row(f"lag, {name}, {which} / sh", value, "ms", base[which]))
        added = values["median"] - base["median"]
        rows.append(row(f"lag, {name}: added to sh, median", added, "ms", bar="<= 1"))
    show(TITLE, rows)
    write(options.json, TITLE, rows, details)


if __name__ == "__main__":
    main()
