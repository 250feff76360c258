"""How durations are spread: a histogram, whose bins are equal or, over several powers of ten, grow evenly."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

#: What is shorter counts as this long on a scale that grows.
SHORTEST = 1e-4
#: From this ratio of the longest to the shortest on, bins grow.
WIDE = 50.0


class Spread(NamedTuple):
    """edges: one more than counts. grows: whether each bin is longer than the one before."""

    edges: list[float]
    counts: list[list[int]]
    grows: bool


def spread(series: Sequence[Sequence[float]], n: int) -> Spread:
    """The histograms of several series over the same n bins, which hold all values."""
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
