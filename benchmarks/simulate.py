"""Simulate pools of 10 to 30,000 ranks: how short tasks may be, and where the hub is too busy to keep up.

The hub and the workers that decide are the real ones; around them are a virtual clock and what things cost
(_simulation.py). Costs are those measured by dispatch.py and slots.py when their JSON is in --results, else defaults
(_costs.py). Tasks are independent. METG(50%) is the shortest run time with which half of the
slots' time goes into tasks (_efficiency.py), start and end of the run included: a slot has --tasks of them. Both ways
to fill a node are shown: a rank for each core, and a rank for each node with --slots slots.

At the end small pools are simulated and run, side by side, which says how far to trust the rest. There a core has
several ranks, which the simulation knows only as slower processes and longer naps.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from _common import Row, arguments, chart, median, pool, progress, row, show, task_file, write
from _costs import Costs, measured
from _efficiency import HALF, flat_until, keeps_up_to, metg
from _simulation import DISTRIBUTIONS, Outcome, Setup, simulate

TITLE = "Simulation: how short tasks may be, with how many ranks"
CORES = (10, 100, 1_000, 3_000, 10_000, 30_000)
SECONDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
#: Efficiencies between which run times are of interest, where they cost much time to simulate.
LEAST, MOST, MANY = 0.2, 0.6, 3_000
#: A pool keeps up with tasks when it is that efficient.
GOOD = 0.8
#: A hub that is busy for that part of the time limits the pool.
FULL = 0.9

Curves = dict[int, dict[float, Outcome]]


def sweep(options: argparse.Namespace, costs: Costs, slots: int) -> Curves:
    """Outcomes by number of cores and run time."""
    curves: Curves = {}
    shortest = 0.0  # what is too short for few is too short for more
    for cores in options.ranks:
        curves[cores] = {}
        for seconds in sorted(options.seconds):
            if seconds < shortest:
                continue
            progress(f"{cores:,} cores, {slots} a rank, tasks of {seconds:g} s")
            setup = Setup(
                max(1, cores // slots), seconds, min(slots, cores), options.tasks, options.distribution,
                seed=options.seed,
            )  # fmt: skip
            outcome = curves[cores][seconds] = simulate(setup, costs)
            if cores >= MANY and outcome.efficiency > MOST:
                break
        shortest = min((time for time, o in curves[cores].items() if o.efficiency >= LEAST), default=shortest)
    return curves


def table(curves: Curves, seconds: Sequence[float], slots: int) -> None:
    """Print efficiency in percent, and how busy the hub was."""
    print(f"\nEfficiency in percent (hub busy in percent), {slots} slot{'s' * (slots > 1)} a rank; tasks of")
    print("   cores" + "".join(f"{time:>11g} s" for time in seconds))
    for cores, outcomes in curves.items():
        cells = [outcomes.get(time) for time in seconds]
        print(
            f"{cores:8,}"
            + "".join(f"{100 * o.efficiency:6.0f} ({100 * o.load:3.0f})" if o else " " * 12 + "-" for o in cells)
        )


def sentences(name: str, curves: Curves, metgs: Mapping[int, float | None]) -> list[str]:
    """Where the knee is."""
    said = []
    flat = flat_until(metgs)
    if flat is not None:
        beyond = [n for n in metgs if n > flat and metgs[n]]
        text = f"{name}: METG(50%) is flat, at about {1e3 * metgs[flat]:.3g} ms, up to {flat:,} cores"
        if beyond:
            text += f"; with {beyond[-1]:,} it is {1e3 * metgs[beyond[-1]]:.3g} ms{why(curves[beyond[-1]])}"
        said.append(text + ".")
    for seconds in (0.1, 1.0):
        curve = {n: o[seconds].efficiency for n, o in curves.items() if seconds in o}
        best = keeps_up_to(curve, GOOD)
        if best is not None and best < max(curve):
            worse = min(n for n in curve if n > best)
            said.append(
                f"{name}: tasks of {seconds:g} s keep {best:,} cores busy to {100 * curve[best]:.0f} %, "
                f"and {worse:,} to {100 * curve[worse]:.0f} %: between them is the knee."
            )
    return said


def why(outcomes: Mapping[float, Outcome]) -> str:
    """What limits where efficiency is a half."""
    nearest = min(outcomes.values(), key=lambda o: abs(o.efficiency - HALF))
    if nearest.load > FULL:
        return ", because the hub is busy all the time"
    return (
        f", though the hub is busy {100 * nearest.load:.0f} % of the time only: each rank starts processes one by one"
    )


# -- against what is --------------------------------------------------------------------------------------------------


def compare(costs: Costs, rounds: int) -> tuple[list[Row], dict[str, object]]:
    """Small pools, simulated and measured."""
    rows, details = [], {}
    cores = len(os.sched_getaffinity(0))
    for workers, seconds, each in ((2, 0.0, 50_000), (2, 0.02, 50), (4, 0.05, 20), (8, 0.05, 20)):
        n = workers * each
        lines = [f"sleep {seconds}"] * n if seconds else [f": {i}" for i in range(n)]
        progress(f"{workers} workers, really")
        with task_file(lines) as file:
            rates = [pool(file, n, workers + 1).rate for _ in range(rounds)]
        share = max(1.0, (workers + 1) / cores)
        here = Costs(**{**_fields(costs), "crowd": max(1, (workers + 1) // cores)})
        outcome = simulate(Setup(workers, seconds, 1, each), here if seconds else here.slower(share))
        rate = outcome.tasks / outcome.makespan
        what = f"sleep {seconds:g}" if seconds else "no-op"
        details[f"{workers} workers, {what}"] = {"measured": rates, "simulated": rate}
        rows.append(
            Row(
                f"{workers} workers, {what}: simulated / measured", rate, "tasks/s", median(rates), rate / median(rates)
            )
        )
    return rows, details


def _fields(costs: Costs) -> dict[str, float]:
    return {name: getattr(costs, name) for name in costs.__slots__}


# -- all of it --------------------------------------------------------------------------------------------------------


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--ranks", type=int, nargs="+", default=CORES, help="numbers of cores to simulate (10 ... 30000)"
    )
    parser.add_argument("--seconds", type=float, nargs="+", default=SECONDS, help="run times of tasks (0.001 ... 10)")
    parser.add_argument("--slots", type=int, default=64, help="slots of a rank where a node has one (64)")
    parser.add_argument("--tasks", type=int, default=10, help="tasks for each slot (10)")
    parser.add_argument("--distribution", choices=DISTRIBUTIONS, default="constant", help="of run times (constant)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the random numbers (1)")
    parser.add_argument("--results", default="results", help="directory of the other benchmarks' JSON (results)")
    parser.add_argument("--rounds", type=int, default=2, help="rounds of real runs; 0 for none (2)")
    parser.add_argument("--quick", action="store_true", help="up to 1,000 cores, few run times")
    options = arguments(parser)
    if options.quick:
        options.ranks, options.seconds, options.rounds = (
            (10, 100, 1_000),
            (0.001, 0.01, 0.1, 1.0),
            min(1, options.rounds),
        )
    found = {
        p.stem: json.loads(p.read_text())
        for p in Path(options.results).glob("*.json")
        if p.stem in ("dispatch", "slots")
    }
    costs, sources = measured(found)
    rows: list[Row] = []
    notes = ["costs: " + "; ".join(sources)]
    details: dict[str, object] = {"costs": _fields(costs)}
    charts, of_metg = [], {}
    for slots in (1, options.slots):
        name = "one rank a core" if slots == 1 else f"ranks of {slots} slots"
        curves = sweep(options, costs, slots)
        progress("")
        table(curves, options.seconds, slots)
        metgs = {n: metg({time: o.efficiency for time, o in by.items()}) for n, by in curves.items()}
        rows += [row(f"METG(50%), {n:,} cores, {name}", 1e3 * time, "ms") for n, time in metgs.items() if time]
        notes += sentences(name, curves, metgs)
        of_metg[name] = [[n for n in metgs if metgs[n]], [metgs[n] for n in metgs if metgs[n]]]
        lines = {
            f"{time:g} s": [
                [n for n in curves if time in curves[n]],
                [by[time].efficiency for by in curves.values() if time in by],
            ]
            for time in options.seconds
        }
        charts.append(chart(f"Efficiency, {name}, by run time of the tasks", "cores", "efficiency", lines, log="x"))
        details[name] = [
            {
                "cores": n,
                "seconds": time,
                "efficiency": o.efficiency,
                "load": o.load,
                "batch": o.batch,
                "messages": o.messages,
                "core": o.core,
            }
            for n, by in curves.items()
            for time, o in by.items()
        ]
    charts.append(chart("METG(50%)", "cores", "seconds", of_metg, log="xy"))
    if options.rounds:
        more, details["measured"] = compare(costs, options.rounds)
        rows += more
        progress("")
    show(TITLE, rows, notes)
    write(options.json, TITLE, rows, details, notes, charts)


if __name__ == "__main__":
    main()
