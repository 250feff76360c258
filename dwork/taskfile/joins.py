"""Joins: tasks without a command that combine many predecessors, of a barrier, a glob or a range."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from dwork.core.task import Task
from dwork.core.text import shown
from dwork.taskfile.circle import circle
from dwork.taskfile.globs import Names
from dwork.taskfile.roster import Roster


class Joins:
    """The joins of a graph, each with a readable unique name and a position just before its first successor."""

    def __init__(self, roster: Roster, known: frozenset[str]) -> None:
        self._roster = roster
        self._known = known
        self._names: set[str] = set()
        self._before: dict[int, list[Task]] = {}

    def add(self, label: str, after: Sequence[str], position: int) -> str:
        """Create a join of `after` before the task at `position`, and return its name."""
        name = label
        n = 2
        while name in self._names or name in self._roster.index or name in self._known:
            name = f"{label} #{n}"
            n += 1
        self._names.add(name)
        self._before.setdefault(position, []).append(Task(name, None, tuple(after)))
        return name

    def among(self, tasks: list[Task]) -> list[Task]:
        """Return the tasks with the joins inserted."""
        if not self._before:
            return tasks
        merged: list[Task] = []
        start = 0
        for position in sorted(self._before):
            merged += tasks[start:position]
            merged += self._before[position]
            start = position
        merged += tasks[start:]
        return merged


@dataclass(slots=True)
class Glob:
    """One glob of the graph: the tasks that it matches, and the tasks that use it.

    outside: the number of its users that it does not match. inside: the one user that it matches; two of these would
    wait for each other. join: the name of its join; empty until there is one.
    """

    text: str
    matches: list[int]
    outside: int = 0
    inside: int | None = None
    join: str = ""

    def has(self, i: int) -> bool:
        """Return whether the glob matches the task at this position."""
        k = bisect_left(self.matches, i)
        return k < len(self.matches) and self.matches[k] == i


class Globs:
    """All globs of a graph, each matched once."""

    def __init__(self, roster: Roster, joins: Joins) -> None:
        self.used: dict[str, Glob] = {}
        self._roster = roster
        self._joins = joins
        self._all = Names(roster.index)

    def use(self, i: int, text: str) -> None:
        """Count the task at position i as a user of the glob."""
        glob = self.used.get(text)
        if glob is None:
            glob = self.used[text] = self._matched(i, text)
        inside = glob.has(i)
        if len(glob.matches) <= inside:
            raise self._roster.problem(i, f'"{shown(text)}" matches no other task; correct the pattern')
        if not inside:
            glob.outside += 1
        elif glob.inside is None:
            glob.inside = i
        elif glob.inside != i:
            raise circle(self._roster, [self._roster.tasks[k].name for k in (glob.inside, i)])

    def _matched(self, i: int, text: str) -> Glob:
        try:
            return Glob(text, self._all.matching(text))
        except ValueError as error:
            raise self._roster.problem(i, f"{error}; correct the pattern") from None

    def names(self, i: int, glob: Glob) -> list[str]:
        """Return the predecessors of the task at position i: one join, or the matches when a join saves no edges."""
        tasks = self._roster.tasks
        if glob.inside == i or glob.outside == 1 or len(glob.matches) == 1:
            return [tasks[k].name for k in glob.matches if k != i]
        if not glob.join:
            draft, line = self._roster.place(i)
            names = [tasks[k].name for k in glob.matches]
            glob.join = self._joins.add(f"{shown(draft.source)}:{line}: after={shown(glob.text)}", names, i)
        return [glob.join]
