"""The shape of a graph of tasks, as people ask for it: how many, how deep, how wide, how large.

Joins combine predecessors and run nothing, so they count as no task, neither in a chain nor in a level.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dwork.core.task import Task
from dwork.core.toposort import topological


@dataclass(frozen=True, slots=True)
class Shape:
    """tasks, joins: how many there are. waiting: tasks that wait for others. edges: dependencies, those of joins too.

    depth: tasks of the longest chain. width: the most tasks of one level; those without predecessors are the first
    level, and each other task is one level below the lowest of its predecessors. largest: for cores, memory and gpus,
    the largest request and the first task with it, unless no task requests more than the default. options: tasks with a
    timeout and tasks with retries, if there are any.
    """

    tasks: int
    joins: int
    waiting: int
    edges: int
    depth: int
    width: int
    largest: dict[str, tuple[int, str]]
    options: dict[str, int]


def shape(tasks: Sequence[Task]) -> Shape:
    """Return the shape of a graph without cycles; predecessors that are not among the tasks do not count."""
    joins = sum([task.command is None for task in tasks])
    waiting = sum([bool(task.after or task.after_any) and task.command is not None for task in tasks])
    edges, levels = 0, Counter({1: len(tasks)} if tasks else {})
    if waiting:
        edges, levels = _levels(tasks)
    return Shape(
        len(tasks) - joins, joins, waiting, edges, len(levels), max(levels.values(), default=0), *_requests(tasks)
    )


def _levels(tasks: Sequence[Task]) -> tuple[int, Counter[int]]:
    """Return the number of edges, and the number of tasks of each level from 1."""
    position = {task.name: i for i, task in enumerate(tasks)}
    predecessors = [[position[name] for name in task.predecessors if name in position] for task in tasks]
    order: Iterable[int] = range(len(tasks))
    if any(p >= i for i, positions in enumerate(predecessors) for p in positions):
        order, _ = topological(predecessors)
    level = [0] * len(tasks)
    levels: Counter[int] = Counter()
    for i in order:
        level[i] = max([level[p] for p in predecessors[i]], default=0)
        if tasks[i].command is not None:
            level[i] += 1
            levels[level[i]] += 1
    return sum(map(len, predecessors)), levels


def _requests(tasks: Sequence[Task]) -> tuple[dict[str, tuple[int, str]], dict[str, int]]:
    """Return the largest requests, and the number of tasks by options that they have."""
    kinds = {id(task.options): task.options for task in tasks}  # a million tasks share a few
    times = Counter([id(task.options) for task in tasks])
    largest = {}
    for key, default in (("cores", 1), ("memory", 0), ("gpus", 0)):
        most = max([getattr(options, key) for options in kinds.values()], default=default)
        if most > default:
            largest[key] = most, next(task.name for task in tasks if getattr(task.options, key) == most)
    given = {
        "timeout": sum([times[i] for i, options in kinds.items() if options.timeout is not None]),
        "retries": sum([times[i] for i, options in kinds.items() if options.retries]),
    }
    return largest, {key: n for key, n in given.items() if n}
