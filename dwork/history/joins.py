"""Tasks without the joins between them."""

from __future__ import annotations

from collections.abc import Sequence

from dwork.core.toposort import topological
from dwork.history.facts import Entry


def past_joins(tasks: Sequence[Entry], predecessors: Sequence[Sequence[int]], most: int) -> list[list[int]] | None:
    """Of each task that is no join, the tasks before it, those before its joins in the place of these.

    None when they are more than `most` in all: a barrier between two thousands of tasks stands for a million pairs.
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
