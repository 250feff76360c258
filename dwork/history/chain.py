"""The critical path: the chain of tasks, each after the one before, that took longest to run.

However many workers there are, a run cannot be shorter.
"""

from __future__ import annotations

from collections.abc import Sequence

from dwork.core.toposort import topological


def longest(predecessors: Sequence[Sequence[int]], seconds: Sequence[float]) -> list[int]:
    """The positions on the longest chain, first to last; empty when nothing took any time.

    predecessors[i] lists positions, seconds[i] is how long the task there ran. ValueError when some wait for one
    another. Time is linear in tasks and predecessors.
    """
    order, cycle = topological(predecessors)
    if cycle:
        raise ValueError("tasks wait for one another")
    until = list(seconds)
    before = [-1] * len(until)
    end, most = -1, 0.0
    for i in order:
        best = 0.0
        for p in predecessors[i]:
            if until[p] > best:
                best, before[i] = until[p], p
        until[i] += best
        if until[i] > most:
            end, most = i, until[i]
    chain = []
    while end >= 0:
        chain.append(end)
        end = before[end]
    return chain[::-1]
