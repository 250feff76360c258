"""The critical path: the chain of dependent tasks with the longest total run time.

A run cannot be shorter than it, however many workers there are.
"""

from __future__ import annotations

from collections.abc import Sequence

from dwork.core.toposort import topological


def longest(predecessors: Sequence[Sequence[int]], seconds: Sequence[float]) -> list[int]:
    """Return the positions on the longest chain, first to last; empty when all tasks took no time.

    predecessors[i] lists positions; seconds[i] is the run time of task i. Raise ValueError when tasks wait for one
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
