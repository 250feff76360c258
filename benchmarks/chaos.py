"""Random graphs, run while everything around them fails, until the record and the traces of the tasks prove each other.

    python benchmarks/chaos.py                                   20 rounds, all configurations that this machine has
    python benchmarks/chaos.py --seed 17 --rounds 1 --only dhub  repeats one
    python benchmarks/chaos.py --planted                         plants faults: each must be found

A round runs a random graph on a real pool, or a dhub with kworkers, and has a seed that chooses what happens to them:
ranks, kworkers, hubs and tasks are killed, stopped and signalled, kworkers join and leave, disks are full or frozen,
cables are cut, nobody reads the output, and queries come by the dozen. The run is started again until nothing is left.
Then what the record says is compared with the traces that the tasks left (see _chaos/proof.py). Each round prints a
line; a fault is printed with the evidence, and the directory of its round is kept.
"""

from __future__ import annotations

import argparse
import collections
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from _common import REPOSITORY

sys.path.insert(0, str(REPOSITORY))

from _chaos import disks, planted
from _chaos.patience import given_up
from _chaos.rounds import Configuration, Report, play

#: Ranks of a pool: a hub and its workers.
_RANKS = 4


def configurations(openmpi: Path) -> list[Configuration]:
    """Return the ways to run tasks that this machine has. openmpi: directory with the programs of an Open MPI."""
    here = Path(sys.executable).parent
    local = REPOSITORY / "jobscripts" / "local.sh"
    found = [
        Configuration("alone", here, lambda stage: stage.dwork("pool", "--slots", 3)),
        Configuration("dhub", here, None),
    ]
    if (here / "mpirun").exists():
        found.append(
            Configuration("mpich", here, lambda stage: ["mpirun", "-n", _RANKS, *stage.dwork("pool")]),
        )
        found.append(Configuration("survivors", here, lambda stage: ["sh", local, _RANKS], starts_in_peace=True))
    if (openmpi / "mpirun").exists():
        found.append(Configuration("openmpi", openmpi, lambda stage: ["sh", local, _RANKS], starts_in_peace=True))
    if os.geteuid() == 0 and all(map(shutil.which, ("ip", "nsenter", "unshare"))):
        found.append(Configuration("network", here, None, has_hosts=True))
    return found


def line(report: Report) -> str:
    """Return the line of a round."""
    deeds = collections.Counter(report.deeds)
    what = ", ".join(f"{n} x {deed}" if n > 1 else deed for deed, n in deeds.items()) or "nothing happens"
    beside = f", {report.beside} beside itself" if report.beside else ""
    return (
        f"{'FAULT' if report.faults else 'good'}  --seed {report.seed} --only {report.configuration}: "
        f"{report.tasks} tasks, {report.starts} starts{beside}, {report.runs} runs on a {report.disk} disk, "
        f"{report.seconds:.0f} s: {what}"
    )


def evidence(report: Report) -> str:
    """Return what is known about the faults of a round."""
    again = f"python benchmarks/chaos.py --rounds 1 --seed {report.seed} --only {report.configuration}"
    lines = [*report.faults, f"what the tasks and the round noted: {report.directory}/trace", f"again: {again}"]
    return "\n".join(f"    {text}" for each in lines for text in each.splitlines())


def go(chosen: Sequence[Configuration], options: argparse.Namespace, place: Path) -> list[Report]:
    """Play the rounds, some at a time, and print a line for each; stop early when the time is over."""
    kinds = disks.available(place)
    until = time.monotonic() + 60 * options.minutes if options.minutes else float("inf")
    reports = []

    def one(number: int) -> Report | None:
        if time.monotonic() > until:
            return None
        configuration = chosen[number % len(chosen)]
        seed = options.seed + number // len(chosen)
        return play(configuration, seed, place / f"{configuration.name}-{seed}", kinds, options.tasks)

    with ThreadPoolExecutor(options.jobs) as threads:
        try:
            for future in as_completed([threads.submit(one, number) for number in range(options.rounds)]):
                if report := future.result():
                    reports.append(report)
                    show(report)
        except BaseException:  # Ctrl-C, or a mistake here: the other rounds clean up
            given_up.set()
            threads.shutdown(cancel_futures=True)
            raise
    return reports


def show(report: Report) -> None:
    """Print the line of a round; remove its directory when it was good."""
    print(line(report), flush=True)
    if report.faults:
        print(evidence(report), flush=True)
    else:
        shutil.rmtree(report.directory, ignore_errors=True)


def _leave(*_: object) -> None:
    """Clean up and end; another signal does not disturb that."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=None, help="of the first round of each configuration")
    parser.add_argument("--rounds", type=int, default=20, help="of all configurations together")
    parser.add_argument("--minutes", type=float, default=0.0, help="start no round later than this")
    parser.add_argument("--tasks", type=int, default=50, help="the most tasks of a graph")
    parser.add_argument("--jobs", type=int, default=2, help="rounds at a time")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="a configuration; repeatable")
    parser.add_argument(
        "--openmpi", type=Path, default=REPOSITORY / ".venv-openmpi" / "bin", metavar="DIRECTORY",
        help="the python, mpirun and dwork-pool of an Open MPI  [default: .venv-openmpi/bin]",
    )  # fmt: skip
    parser.add_argument("--planted", action="store_true", help="plant faults: each must be found")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, _leave)
    if options.seed is None:
        options.seed = random.SystemRandom().randrange(10**6)
    chosen = configurations(options.openmpi)
    names = [configuration.name for configuration in chosen]
    if unknown := set(options.only) - set(names):
        parser.error(f"there is no {', '.join(sorted(unknown))} here; there are {', '.join(names)}")
    chosen = [each for each in chosen if not options.only or each.name in options.only]
    place = Path(tempfile.mkdtemp(prefix="chaos-"))
    if options.planted:
        is_good = planted.check(chosen, place)
    else:
        reports = go(chosen, options, place)
        bad = sum(bool(report.faults) for report in reports)
        print(f"{len(reports)} rounds, {bad} with faults; --seed {options.seed}")
        is_good = bool(reports) and not bad
    if is_good:
        shutil.rmtree(place, ignore_errors=True)
    sys.exit(not is_good)


if __name__ == "__main__":
    main()
