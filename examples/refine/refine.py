"""A graph that grows while it runs: adaptive quadrature of a function with a sharp peak.

    dwork-pool tasks.txt                   whose one line is: python refine.py round 0

A round looks at the intervals that it comes after. Those that are not yet known well enough are halved: it adds a
task for each half, and the next round, which comes after them. When there are none it prints the answer, and all is
finished. Adding a task a second time is no error, so a round may run twice, as any task may.
"""

import json
import math
import os
import shlex
import sys
from glob import glob

TOLERANCE = 1e-4  # of an interval, for each unit of its length


def f(x: float) -> float:
    return 1 / (0.01 + (x - 0.3) ** 2)


EXACT = (math.atan(0.7 / 0.1) + math.atan(0.3 / 0.1)) / 0.1  # the integral from 0 to 1


def simpson(a: float, b: float) -> float:
    return (b - a) / 6 * (f(a) + 4 * f((a + b) / 2) + f(b))


def measure(level: int, index: int) -> None:
    """The task of interval `index` of the 2**level that there are at a level: its integral, and how wrong that is."""
    a, b = index / 2**level, (index + 1) / 2**level
    halves = simpson(a, (a + b) / 2) + simpson((a + b) / 2, b)
    error = abs(halves - simpson(a, b)) / 15
    path = f"intervals/{level}-{index}.json"
    os.makedirs("intervals", exist_ok=True)
    with open(f"{path}.new", "w") as file:
        json.dump({"level": level, "index": index, "value": halves, "good": error <= TOLERANCE * (b - a)}, file)
    os.replace(f"{path}.new", path)


def all_intervals(level: str) -> list[dict]:
    found = []
    for path in sorted(glob(f"intervals/{level}-*.json")):
        with open(path) as file:
            found.append(json.load(file))
    return found


def round_of(number: int) -> None:
    """The task between two levels."""
    poor = [each["index"] for each in all_intervals(str(number - 1)) if not each["good"]]
    wanted = [2 * index + half for index in poor for half in (0, 1)] if number else [0]
    if wanted:
        import dwork  # here, so that tasks which do not need it start sooner

        me = f"{shlex.quote(sys.executable)} refine.py"
        tasks = [dwork.Task(f"interval-{number}-{i}", f"{me} interval {number} {i}") for i in wanted]
        after = tuple(task.name for task in tasks)
        with dwork.Client() as hub:  # the one that runs this task
            hub.create_all([*tasks, dwork.Task(f"round-{number + 1}", f"{me} round {number + 1}", after)])
        print(f"round {number}: {len(wanted)} intervals")
        return
    good = [each["value"] for each in all_intervals("*") if each["good"]]
    error = abs(math.fsum(good) - EXACT)
    print(f"the integral is {math.fsum(good):.6f}, of {len(good)} intervals, wrong by {error:.0e}")
    sys.exit(error > TOLERANCE)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["round", number]:
            round_of(int(number))
        case ["interval", level, index]:
            measure(int(level), int(index))
        case _:
            sys.exit(__doc__)
