"""Joins: tasks without a command that combine many predecessors, of a barrier, a glob or a range."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from dwork.core.task import Task
from dwork.core.text import shown
from dwork.taskfile.circle import report_circle
from dwork.taskfile.globs import Names
from dwork.taskfile.roster import Roster


class Joins:
    """The joins of a graph, each with a readable unique name and a position just before its first successor."""

    def __init__(self, roster: Roster, known: frozenset[str]) -> None:
        self._roster = roster
        self._known = known
        self._names: set[str] = set()
        self._before: dict[int, list[Task]] = {}

    def add(self, label: str, after: Sequence[str], position: int, after_any: Sequence[str] = ()) -> str:
        """Create a join of `after` and `after_any` before the task at `position`, and return its name."""
        name = label
        n = 2
        while name in self._names or name in self._roster.index or name in self._known:
            name = f"{label} #{n}"
            n += 1
        self._names.add(name)
        self._before.setdefault(position, []).append(Task(name, None, tuple(after), after_any=tuple(after_any)))
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

    is_any: whether these wait only for the end of the tasks that it matches. outside: the number of its users that it
    does not match. inside: the one user that it matches; two of these wait for each other (has_circle), which is an
    error. join: the name of its join; empty until there is one.
    """

    text: str
    is_any: bool
    matches: list[int]
    outside: int = 0
    inside: int | None = None
    has_circle: bool = False
    join: str = ""

    def has(self, i: int) -> bool:
        """Return whether the glob matches the task at this position."""
        k = bisect_left(self.matches, i)
        return k < len(self.matches) and self.matches[k] == i


class Globs:
    """All globs of a graph, each matched once for either kind of dependency: after, and after_any."""

    def __init__(self, roster: Roster, joins: Joins) -> None:
        self.used: dict[tuple[str, bool], Glob] = {}
        self._roster = roster
        self._joins = joins
        self._all = Names(roster.index)

    def use(self, i: int, text: str, is_any: bool) -> None:
        """Count the task at position i as a user of the glob."""
        glob = self.used.get((text, is_any))
        if glob is None:
            try:
                matches = self._all.matching(text)
            except ValueError as error:
                self._roster.report(i, f"{error}; correct the pattern")
                self.used[text, is_any] = Glob(text, is_any, [])
                return
            glob = self.used[text, is_any] = Glob(text, is_any, matches)
        inside = glob.has(i)
        if len(glob.matches) <= inside:
            if not any(draft.lost for draft in self._roster.drafts):
                self._roster.report(i, f'"{shown(text)}" matches no other task; correct the pattern')
        elif not inside:
            glob.outside += 1
        elif glob.inside is None:
            glob.inside = i
        elif glob.inside != i and not glob.has_circle:
            report_circle(self._roster, [self._roster.tasks[k].name for k in (glob.inside, i)])
            glob.has_circle = True

    def matches(self, i: int, glob: Glob) -> list[str] | None:
        """Return the names of the other tasks that the glob of task i matches; None when a join saves edges."""
        tasks = self._roster.tasks
        if glob.inside == i or glob.outside == 1 or len(glob.matches) == 1:
            return [tasks[k].name for k in glob.matches if k != i]
        return None

    def join(self, i: int, glob: Glob) -> str:
        """Return the name of the join of the tasks that the glob matches, which comes before the task at position i."""
        if not glob.join:
            draft, line = self._roster.place(i)
            key = "after-any" if glob.is_any else "after"
            names = [self._roster.tasks[k].name for k in glob.matches]
            label = f"{shown(draft.source)}:{line}: {key}={shown(glob.text)}"
            glob.join = self._joins.add(label, () if glob.is_any else names, i, names if glob.is_any else ())
        return glob.join
