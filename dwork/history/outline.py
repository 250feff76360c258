"""The outline of a task graph: tasks grouped until the graph is small enough to be viewed.

First, each task is a group. When these are too many, tasks of one kind that come after the same groups form a group,
and a chain of one kind counts as one; then all tasks of one kind; then all of one depth; then neighbouring depths. The
first grouping that is small enough is the outline.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence, Set
from dataclasses import dataclass, field

from dwork.core.toposort import topological
from dwork.history.facts import Entry
from dwork.history.kinds import kind

#: States, the most important one for a viewer of the graph first.
STATES = ("failed", "cancelled", "skipped", "waiting", "done")


@dataclass(slots=True)
class Group:
    """Tasks that are drawn as one. states: number of tasks by state; empty when the group has only joins."""

    label: str
    states: Counter[str] = field(default_factory=Counter)

    @property
    def n(self) -> int:
        return self.states.total()

    @property
    def is_join(self) -> bool:
        return not self.states

    @property
    def worst(self) -> str:
        """The most important state in the group."""
        return min(self.states, key=lambda s: STATES.index(s) if s in STATES else len(STATES), default="")


@dataclass(slots=True)
class Outline:
    """The groups of a graph, and the edges between them.

    edges: pairs of positions in groups, the second after the first; a group whose tasks depend on one another has an
    edge to itself. by: what the tasks of a group have in common, in words; empty when each task is a group. after_any:
    the edges that stand only for tasks which wait for the end of another, well or not.
    """

    groups: list[Group]
    edges: list[tuple[int, int]]
    by: str = ""
    after_any: frozenset[tuple[int, int]] = frozenset()


#: Pairs of a predecessor and a task that waits only for its end.
Pairs = Set[tuple[int, int]]


def outline(
    tasks: Sequence[Entry], predecessors: Sequence[Sequence[int]], most: int, after_any: Pairs = frozenset()
) -> Outline:
    """Return the outline with at most `most` groups; 0 makes each task a group.

    Raise ValueError when tasks wait for one another. Time is linear in tasks and predecessors.
    """
    order, cycle = topological(predecessors)
    if cycle:
        raise ValueError("tasks wait for one another")
    if not most or len(tasks) <= most:
        return _grouped(list(range(len(tasks))), [task.name for task in tasks], tasks, predecessors, after_any, "")
    for by, keys in (
        ("name and predecessors", _by_place(tasks, predecessors, order, most)),
        ("name", _distinct([(task.is_join, kind(task.name)) for task in tasks], most)),
    ):
        if keys is not None:
            return _grouped(keys, _kinds(keys, tasks), tasks, predecessors, after_any, by)
    depths = _depths(predecessors, order)
    last = max(depths)
    size = -(-(last + 1) // most)
    keys = [depth // size for depth in depths]
    ranges = [(first, min(first + size - 1, last)) for first in range(0, last + 1, size)]
    labels = [f"depth {a}" if a == b else f"depths {a} to {b}" for a, b in ranges]
    return _grouped(keys, labels, tasks, predecessors, after_any, "depth")


def _by_place(
    tasks: Sequence[Entry], predecessors: Sequence[Sequence[int]], order: Sequence[int], most: int
) -> list[int] | None:
    """Return the group of each task, by its kind and the groups it comes after; None when there are too many."""
    groups: dict[Hashable, int] = {}
    about: list[tuple[str, frozenset[int]]] = []  # by group: its kind and the groups it comes after
    of = [0] * len(tasks)
    for i in order:
        of_kind = "" if tasks[i].is_join else kind(tasks[i].name)
        before: set[int] = set()
        for group in {of[p] for p in predecessors[i]}:
            kind_before, further = about[group]
            if of_kind and kind_before == of_kind:  # a chain takes the place of its first task
                before |= further
            else:
                before.add(group)
        key = (of_kind, frozenset(before))
        number = groups.setdefault(key, len(groups))
        if number == len(about):
            if number == most:
                return None
            about.append(key)
        of[i] = number
    return of


def _distinct(keys: Sequence[Hashable], most: int) -> list[int] | None:
    """Return a number for each key, the same for equal keys; None when there are too many."""
    numbers: dict[Hashable, int] = {}
    of = [numbers.setdefault(key, len(numbers)) for key in keys]
    return of if len(numbers) <= most else None


def _depths(predecessors: Sequence[Sequence[int]], order: Sequence[int]) -> list[int]:
    """Return, for each task, the number of tasks before it on its longest chain."""
    depths = [0] * len(predecessors)
    for i in order:
        depths[i] = max((depths[p] + 1 for p in predecessors[i]), default=0)
    return depths


def _kinds(keys: Sequence[int], tasks: Sequence[Entry]) -> list[str]:
    """Return the label of each group: the name of its only task, or else the kind."""
    labels = [""] * (max(keys, default=-1) + 1)
    for key, task in zip(keys, tasks, strict=True):
        labels[key] = kind(task.name) if labels[key] else task.name
    return labels


def _grouped(
    keys: Sequence[int],
    labels: Sequence[str],
    tasks: Sequence[Entry],
    predecessors: Sequence[Sequence[int]],
    after_any: Pairs,
    by: str,
) -> Outline:
    groups = [Group(label) for label in labels]
    after: list[set[int]] = [set() for _ in labels]
    for key, task, before in zip(keys, tasks, predecessors, strict=True):
        if not task.is_join:
            groups[key].states[task.state] += 1
        after[key].update(keys[p] for p in before)
    if by != "name":  # when grouped by name, two groups may depend on each other
        _clear(groups, after)
    edges = sorted((p, key) for key, before in enumerate(after) for p in before)
    return Outline(groups, edges, by, _only_ends(keys, predecessors, after_any).intersection(edges))


def _only_ends(
    keys: Sequence[int], predecessors: Sequence[Sequence[int]], after_any: Pairs
) -> frozenset[tuple[int, int]]:
    """Return the pairs of groups between which all tasks wait only for the end of others."""
    if not after_any:
        return frozenset()
    pairs = [(p, i) for i, before in enumerate(predecessors) for p in before]
    needed = {(keys[p], keys[i]) for p, i in pairs if (p, i) not in after_any}
    return frozenset({(keys[p], keys[i]) for p, i in after_any} - needed)


def _clear(groups: Sequence[Group], after: Sequence[set[int]]) -> None:
    """Remove redundant edges: a join after a group, when another group comes between them.

    A barrier comes after all groups above it, although edges from the last of them would be enough.
    """
    for key, before in enumerate(after):
        if groups[key].is_join:
            before -= {p for q in before for p in after[q] if p != q}
