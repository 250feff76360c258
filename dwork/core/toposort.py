"""Topological order of tasks that refer to one another by position, or the cycle that prevents one."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence


def topological(predecessors: Sequence[Sequence[int]]) -> tuple[list[int], list[int]]:
    """Return (order, cycle): every position after its predecessors, in the given order where possible; or a cycle.

    predecessors[i] lists the positions that must come before i. When there is a cycle, `order` holds the positions that
    depend on no cycle, and `cycle` the positions on one, each a predecessor of the next, the last one of the first.
    Time and memory are linear in positions plus predecessors.
    """
    waiting = [len(p) for p in predecessors]
    successors: list[list[int]] = [[] for _ in predecessors]
    for i, positions in enumerate(predecessors):
        for p in positions:
            successors[p].append(i)
    free = deque(i for i, n in enumerate(waiting) if not n)
    order = []
    while free:
        i = free.popleft()
        order.append(i)
        for s in successors[i]:
            waiting[s] -= 1
            if not waiting[s]:
                free.append(s)
    if len(order) == len(waiting):
        return order, []
    return order, _cycle(predecessors, waiting)


def _cycle(predecessors: Sequence[Sequence[int]], waiting: Sequence[int]) -> list[int]:
    """Walk back from any position that never became free: each has a predecessor that did not either."""
    i = next(i for i, n in enumerate(waiting) if n)
    seen: dict[int, int] = {}
    path: list[int] = []
    while i not in seen:
        seen[i] = len(path)
        path.append(i)
        i = next(p for p in predecessors[i] if waiting[p])
    return path[seen[i] :][::-1]
