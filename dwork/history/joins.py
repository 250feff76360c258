"""Tasks without the joins between them."""

from __future__ import annotations

from collections.abc import Sequence

from dwork.core.toposort import topological
from dwork.history.facts import Entry


def past_joins(tasks: Sequence[Entry], predecessors: Sequence[Sequence[int]], most: int) -> list[list[int]] | None:
    """Return the predecessors of each task that is not a join, with joins replaced by their own predecessors.

    None when these are more than `most` in total (a barrier between two sets of a thousand tasks makes a million
    pairs), or when tasks wait for one another.
    """
    order, cycle = topological(predecessors)
    if cycle:
        return None
    found: list[list[int]] = [[] for _ in tasks]
    n = 0
    for i in order:
        before: dict[int, None] = {}
        for p in predecessors[i]:
            before.update(dict.fromkeys(found[p] if tasks[p].is_join else [p]))
        found[i] = list(before)
        n += 0 if tasks[i].is_join else len(before)
        if n > most or len(before) > most:
            return None
    return [[] if task.is_join else before for task, before in zip(tasks, found, strict=True)]
