"""Graphs without joins, which a file cannot hold: each join is replaced by something that a file can express.

A join becomes a barrier when it acts as one: all tasks above come before it, and all tasks below after it. Otherwise
its successors depend on its predecessors directly; when both are many, the join becomes a task that runs nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from dwork.core.task import Task
from dwork.core.toposort import topological

#: The most edges that may replace a join.
EDGES: Final = 1000
#: The command of a task that replaces a join: the shell's no-op.
NOTHING: Final = ":"


def closed(tasks: Sequence[Task]) -> list[Task]:
    """Return the tasks without joins of nothing, and without references to tasks that are not among them."""
    names = {task.name for task in tasks if task.command is not None}
    joins = _in_order([task for task in tasks if task.command is None])
    for join in joins:
        if not names.isdisjoint(join.after):
            names.add(join.name)
    return [
        task if names.issuperset(task.after) else task._replace(after=tuple(n for n in task.after if n in names))
        for task in tasks
        if task.name in names
    ]


def barriers(tasks: Sequence[Task]) -> frozenset[str]:
    """Return the names of the joins of a closed graph that are barriers between the tasks above and below.

    A candidate counts as a barrier until a task below does not come after it; then the scan restarts behind that join,
    without it.
    """
    refused: set[str] = set()
    taken: list[tuple[int, int]] = []  # position of each barrier, tasks since the one above
    i = above = 0
    while i < len(tasks):
        task = tasks[i]
        gate = tasks[taken[-1][0]].name if taken else None
        if task.command is None:
            if task.name not in refused and len(task.after) == above + bool(gate):
                start = taken[-1][0] + 1 if taken else 0
                needed = {each.name for each in tasks[start:i] if each.command is not None} | ({gate} - {None})
                if needed.issuperset(task.after):
                    taken.append((i, above))
                    above = 0
        elif gate is None or gate in task.after:
            above += 1
        else:
            i, above = taken.pop()
            refused.add(gate)
        i += 1
    return frozenset(tasks[i].name for i, _ in taken)


def flat(tasks: Sequence[Task], kept: frozenset[str] = frozenset()) -> Iterator[Task]:
    """Yield the tasks of a closed graph without its joins, except the kept ones, which are barriers by position.

    A task that replaces a join comes before the first task that needs it.
    """
    stands, extra = _stand_ins(tasks, kept)
    for task in tasks:
        if task.command is None:
            if task.name in kept:
                yield task._replace(after=())
            continue
        after = tuple(dict.fromkeys(name for each in task.after for name in stands.get(each, (each,))))
        needed = [extra.pop(name) for name in after if name in extra]
        while needed:
            each = needed.pop()
            yield each
            needed += [extra.pop(name) for name in each.after if name in extra]
        yield task if after == task.after else task._replace(after=after)


def _stand_ins(tasks: Sequence[Task], kept: frozenset[str]) -> tuple[dict[str, tuple[str, ...]], dict[str, Task]]:
    """Return the names that replace each join, and the tasks that replace some of them, by name."""
    uses = Counter(name for task in tasks for name in task.after)
    taken = {task.name for task in tasks}
    stands: dict[str, tuple[str, ...]] = dict.fromkeys(kept, ())
    extra: dict[str, Task] = {}
    n = 0
    for join in _in_order([task for task in tasks if task.command is None and task.name not in kept]):
        after = tuple(dict.fromkeys(name for each in join.after for name in stands.get(each, (each,))))
        many = len(after) > 1 and uses[join.name] > 1 and len(after) * uses[join.name] > EDGES
        if many:
            while (name := f"join-{(n := n + 1)}") in taken:
                pass
            extra[name] = Task(name, NOTHING, after)
            after = (name,)
        stands[join.name] = after
    return stands, extra


def _in_order(joins: list[Task]) -> list[Task]:
    """Return the joins in topological order."""
    position = {join.name: i for i, join in enumerate(joins)}
    order, _ = topological([[position[name] for name in join.after if name in position] for join in joins])
    return [joins[i] for i in order]
