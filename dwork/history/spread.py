"""Histograms of durations, with equal bins or, for values over several powers of ten, logarithmic bins."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

#: The minimum duration, in seconds; shorter ones count as this.
SHORTEST = 1e-4
#: The ratio of the longest to the shortest value from which bins are logarithmic.
WIDE = 50.0


class Spread(NamedTuple):
    """Histograms over the same bins. edges: one more than counts. grows: whether the bins are logarithmic."""

    edges: list[float]
    counts: list[list[int]]
    grows: bool


def spread(series: Sequence[Sequence[float]], n: int) -> Spread:
    """Return the histograms of several series of seconds over the same n bins, which cover all values."""
    every = [max(value, SHORTEST) for values in series for value in values]
    low, high = min(every, default=1.0), max(every, default=1.0)
    grows = high / low >= WIDE
    if grows:
        step = math.log(high / low) / n
        edges = [low * math.exp(i * step) for i in range(n)] + [high]
    else:
        edges = [high * i / n for i in range(n)] + [high]
    counts = []
    for values in series:
        row = [0] * n
        for value in values:
            row[max(0, min(bisect_right(edges, value) - 1, n - 1))] += 1
        counts.append(row)
    return Spread(edges, counts, grows)
