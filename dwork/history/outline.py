"""The outline of a task graph: tasks put together until what is left can be looked at.

First each task stands alone. When these are too many, those go together that are of one kind and come after the same
groups, a chain of one kind counting as one; then all of one kind; then all of one depth; then neighbouring depths. The
first of these that is small enough is the outline.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

from dwork.core.toposort import topological
from dwork.history.facts import Entry
from dwork.history.kinds import kind

#: States from the one that matters most to whoever looks at a graph, to the one that matters least.
STATES = ("failed", "cancelled", "skipped", "waiting", "done")


@dataclass(slots=True)
class Group:
    """Tasks that are drawn as one. states: how many are in each; none when it holds nothing but joins."""

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
        """The state of it that matters most."""
        return min(self.states, key=lambda s: STATES.index(s) if s in STATES else len(STATES), default="")


@dataclass(slots=True)
class Outline:
    """edges: pairs of positions in groups, the second after the first; a group in which some come after others has one
    to itself. by: what the tasks of a group share, in words; empty when each task stands alone."""

    groups: list[Group]
    edges: list[tuple[int, int]]
    by: str = ""


def outline(tasks: Sequence[Entry], predecessors: Sequence[Sequence[int]], most: int) -> Outline:
    """The outline of at most so many groups; most 0: each task alone. ValueError when tasks wait for one another.

    Time is linear in tasks and predecessors.
    """
    order, cycle = topological(predecessors)
    if cycle:
        raise ValueError("tasks wait for one another")
    if not most or len(tasks) <= most:
        return _grouped(list(range(len(tasks))), [task.name for task in tasks], tasks, predecessors, "")
    for by, keys in (
        ("name and predecessors", _by_place(tasks, predecessors, order, most)),
        ("name", _distinct([(task.is_join, kind(task.name)) for task in tasks], most)),
    ):
        if keys is not None:
            return _grouped(keys, _kinds(keys, tasks), tasks, predecessors, by)
    depths = _depths(predecessors, order)
    last = max(depths)
    size = -(-(last + 1) // most)
    keys = [depth // size for depth in depths]
    ranges = [(first, min(first + size - 1, last)) for first in range(0, last + 1, size)]
    labels = [f"depth {a}" if a == b else f"depths {a} to {b}" for a, b in ranges]
    return _grouped(keys, labels, tasks, predecessors, "depth")


def _by_place(
    tasks: Sequence[Entry], predecessors: Sequence[Sequence[int]], order: Sequence[int], most: int
) -> list[int] | None:
    """The group of each task, by its kind and the groups that it comes after; None when there are too many."""
    groups: dict[Hashable, int] = {}
    about: list[tuple[str, frozenset[int]]] = []  # of each group, its kind and what it comes after
    of = [0] * len(tasks)
    for i in order:
        of_kind = "" if tasks[i].is_join else kind(tasks[i].name)
        before: set[int] = set()
        for group in {of[p] for p in predecessors[i]}:
            kind_before, further = about[group]
            if of_kind and kind_before == of_kind:  # a chain: it stands where its first one does
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
    """Numbers for equal keys; None when there are too many."""
    numbers: dict[Hashable, int] = {}
    of = [numbers.setdefault(key, len(numbers)) for key in keys]
    return of if len(numbers) <= most else None


def _depths(predecessors: Sequence[Sequence[int]], order: Sequence[int]) -> list[int]:
    """How many tasks are before each on its longest chain."""
    depths = [0] * len(predecessors)
    for i in order:
        depths[i] = max((depths[p] + 1 for p in predecessors[i]), default=0)
    return depths


def _kinds(keys: Sequence[int], tasks: Sequence[Entry]) -> list[str]:
    """The label of each group: the name of its task when that is alone, else its kind."""
    labels = [""] * (max(keys, default=-1) + 1)
    for key, task in zip(keys, tasks, strict=True):
        labels[key] = kind(task.name) if labels[key] else task.name
    return labels


def _grouped(
    keys: Sequence[int], labels: Sequence[str], tasks: Sequence[Entry], predecessors: Sequence[Sequence[int]], by: str
) -> Outline:
    groups = [Group(label) for label in labels]
    after: list[set[int]] = [set() for _ in labels]
    for key, task, before in zip(keys, tasks, predecessors, strict=True):
        if not task.is_join:
            groups[key].states[task.state] += 1
        after[key].update(keys[p] for p in before)
    if by != "name":  # there groups may come after one another both ways
        _clear(groups, after)
    return Outline(groups, sorted((p, key) for key, before in enumerate(after) for p in before), by)


def _clear(groups: Sequence[Group], after: Sequence[set[int]]) -> None:
    """Leave out what says nothing: that a join comes after a group, when another comes between.

    A barrier comes after all that is above it, the last of which would do.
    """
    for key, before in enumerate(after):
        if groups[key].is_join:
            before -= {p for q in before for p in after[q] if p != q}
