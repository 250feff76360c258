"""Efficiency curves, and what is read off them: METG, and where a pool stops to scale.

Efficiency is the part of the slots' time that went into the tasks themselves: the sum of the tasks' run times, over the
number of slots times the time of the whole. METG(50%), minimum effective task granularity, is the shortest run time of
tasks with which a system is at least half efficient (Slaughter et al., Task Bench, SC 2020). Here a task's run time is
what it takes alone; with the system's share counted in, as the time of all over the number of tasks, it is twice that.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import exp, log

#: The share of METG(50%).
HALF = 0.5
#: METG counts as flat up to so many times its least value.
FLAT = 1.5


def metg(curve: Mapping[float, float], share: float = HALF) -> float | None:
    """The shortest run time from which on efficiency is at least `share`; None when it never is.

    curve: efficiency by run time. Between two run times it is a line over the logarithm of the run time. When the
    shortest one is efficient, that is the answer, and the truth is below.
    """
    times = sorted(curve)
    if not times or curve[times[-1]] < share:
        return None
    above = times[-1]
    for time in reversed(times[:-1]):
        if curve[time] < share:
            part = (share - curve[time]) / (curve[above] - curve[time])
            return exp(log(time) + part * (log(above) - log(time)))
        above = time
    return above


def flat_until(metgs: Mapping[int, float | None]) -> int | None:
    """The largest size up to which METG has hardly grown; None when there is none at all."""
    sizes = [size for size in sorted(metgs) if metgs[size]]
    last = None
    for size in sizes:
        if metgs[size] > FLAT * min(metgs[s] for s in sizes):
            break
        last = size
    return last


def keeps_up_to(curve: Mapping[int, float], share: float) -> int | None:
    """The largest size up to which all are at least so efficient; curve: efficiency by size."""
    last = None
    for size in sorted(curve):
        if curve[size] < share:
            break
        last = size
    return last
