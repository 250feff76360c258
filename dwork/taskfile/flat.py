"""Graphs without joins, which a file cannot hold: each join is replaced by something that a file can express.

A join becomes a barrier when it acts as one: all tasks above come before it, and all tasks below after it. Otherwise
its successors depend on its predecessors directly; when both are many, the join becomes a task that runs nothing. So
does a join of whose end alone a task waits: it ends as soon as one of its predecessors is lost.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from dwork.core.task import Task
from dwork.core.toposort import topological

#: The most edges that may replace a join.
EDGES: Final = 1000
#: The command of a task that replaces a join: the shell's no-op.
NOTHING: Final = ":"

#: What replaces a join: names that must be done, and names that must have ended.
_Stand = tuple[tuple[str, ...], tuple[str, ...]]


def closed(tasks: Sequence[Task]) -> list[Task]:
    """Return the tasks without joins of nothing, and without references to tasks that are not among them."""
    names = {task.name for task in tasks if task.command is not None}
    joins = _in_order([task for task in tasks if task.command is None])
    for join in joins:
        if not names.isdisjoint(join.predecessors):
            names.add(join.name)
    return [
        task if names.issuperset(task.predecessors) else task.without_predecessors(frozenset(task.predecessors) - names)
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
            if task.name not in refused and len(task.after) == above + bool(gate) and not task.after_any:
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
        meant = _replaced(task, stands)
        needed = [extra.pop(name) for name in meant.predecessors if name in extra]
        while needed:
            each = needed.pop()
            yield each
            needed += [extra.pop(name) for name in each.predecessors if name in extra]
        yield meant


def _replaced(task: Task, stands: Mapping[str, _Stand]) -> Task:
    """Return the task with its joins replaced."""
    if not any(name in stands for name in task.predecessors):
        return task
    after: dict[str, None] = {}
    after_any: dict[str, None] = {}
    for name in task.after:
        needed, ended = stands.get(name, ((name,), ()))
        after.update(dict.fromkeys(needed))
        after_any.update(dict.fromkeys(ended))
    for name in task.after_any:
        needed, _ = stands.get(name, ((name,), ()))  # of a join, it is one task
        after_any.update(dict.fromkeys(needed))
    return task._replace(after=tuple(after), after_any=tuple([name for name in after_any if name not in after]))


def _stand_ins(tasks: Sequence[Task], kept: frozenset[str]) -> tuple[dict[str, _Stand], dict[str, Task]]:
    """Return what replaces each join, and the tasks that replace some of them, by name."""
    uses = Counter(name for task in tasks for name in task.predecessors)
    awaited = frozenset(name for task in tasks for name in task.after_any)
    taken = {task.name for task in tasks}
    stands: dict[str, _Stand] = dict.fromkeys(kept, ((), ()))
    extra: dict[str, Task] = {}
    n = 0
    for join in _in_order([task for task in tasks if task.command is None and task.name not in kept]):
        meant = _replaced(join, stands)
        size = len(meant.predecessors)
        many = size > 1 and uses[join.name] > 1 and size * uses[join.name] > EDGES
        if many or join.name in awaited:
            while (name := f"join-{(n := n + 1)}") in taken:
                pass
            extra[name] = Task(name, NOTHING, meant.after, after_any=meant.after_any)
            stands[join.name] = (name,), ()
        else:
            stands[join.name] = meant.after, meant.after_any
    return stands, extra


def _in_order(joins: list[Task]) -> list[Task]:
    """Return the joins in topological order."""
    position = {join.name: i for i, join in enumerate(joins)}
    order, _ = topological([[position[name] for name in join.predecessors if name in position] for join in joins])
    return [joins[i] for i in order]
