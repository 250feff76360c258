"""Resolve drafts into one graph: look up predecessors, turn globs, barriers and ranges into joins, reject cycles.

Theory of operation. Files are read into drafts first, so a reference may point forwards and into another file. A join
is a task without a command: `n` tasks that wait for `m` others need n + m edges with it, and n * m without. Tasks with
a glob are resolved in a second pass, when it is known how many tasks share the glob. A cycle is possible only when some
reference points forwards, so a file without one, the usual case, is never sorted.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from difflib import get_close_matches

from dwork.core.errors import TaskFileError
from dwork.core.glob import is_glob
from dwork.core.task import Task
from dwork.core.text import shown
from dwork.taskfile.circle import refuse_circle
from dwork.taskfile.draft import Draft
from dwork.taskfile.joins import Globs, Joins
from dwork.taskfile.roster import Roster
from dwork.taskfile.spans import connect

_NEAR_AMONG = 10_000
_NEAR_LENGTH = 200


def resolve(drafts: Sequence[Draft], known: Collection[str] | None) -> list[Task]:
    """Return the tasks of all drafts, and joins, as one graph; `known` as for `parse`."""
    roster = Roster(drafts)
    elsewhere = None if known is None else frozenset(known)
    joins = Joins(roster, elsewhere or frozenset())
    resolver = _Resolver(roster, joins, elsewhere)
    for draft, offset in zip(drafts, roster.starts, strict=False):
        gate: tuple[str, ...] = ()
        above = 0
        for start, stop, line in draft.segments():
            if line:
                names = [task.name for task in roster.tasks[offset + above : offset + start]]
                needed, ended = ([], names) if line in draft.after_any else (names, [])
                gate = (joins.add(f"{shown(draft.source)}:{line}: barrier", [*gate, *needed], offset + start, ended),)
                above = start
            resolver.segment(range(offset + start, offset + stop), gate, draft.globs)
    resolver.with_globs()
    for draft, offset in zip(drafts, roster.starts, strict=False):
        if draft.spans:
            connect(draft, offset, roster, joins)
    tasks = joins.among(roster.tasks)
    if resolver.forwards:
        refuse_circle(tasks, roster)
    return tasks


class _Resolver:
    def __init__(self, roster: Roster, joins: Joins, known: frozenset[str] | None) -> None:
        self.forwards = False
        self._roster = roster
        self._known = known
        self._globs = Globs(roster, joins)
        self._waiting: list[tuple[int, tuple[str, ...]]] = []

    def segment(self, positions: range, gate: tuple[str, ...], globs: bool) -> None:
        """Look up the predecessors of the tasks between two barriers."""
        tasks = self._roster.tasks
        for i in positions:
            name, command, after, options, _, after_any = tasks[i]
            if not after and not after_any:
                if gate:
                    tasks[i] = Task(name, command, gate, options)
                continue
            plain = self._are_names(i, after, globs, is_any=False)
            if after_any:
                plain = self._are_names(i, after_any, globs, is_any=True) and plain
                if (twice := tasks[i].named_twice) is not None:
                    text = f'"{shown(twice)}" is both in after and in after-any; remove it from one'
                    raise self._roster.problem(i, text)
            if not plain:
                self._waiting.append((i, gate))
            elif gate or len(after) > 1 or after_any:
                after = tuple(dict.fromkeys((*after, *gate)))
                tasks[i] = Task(name, command, after, options, after_any=tuple(dict.fromkeys(after_any)))

    def _are_names(self, i: int, items: tuple[str, ...], globs: bool, is_any: bool) -> bool:
        """Return whether all items are names of tasks; False when there is a glob."""
        index = self._roster.index
        plain = True
        for item in items:
            j = index.get(item)
            if j is None:
                plain = self._is_known(i, item, globs, is_any) and plain
            elif j >= i:
                self.forwards = True
        return plain

    def _is_known(self, i: int, item: str, globs: bool, is_any: bool) -> bool:
        """Return whether an item that names no task here can be kept as it is; False for a glob."""
        if self._known and item in self._known:
            return True
        if globs and is_glob(item):
            self._globs.use(i, item, is_any)
            return False
        if self._known is None:
            return True
        raise self._unknown(i, item)

    def _unknown(self, i: int, item: str) -> TaskFileError:
        near: list[str] = []
        if len(self._roster.tasks) <= _NEAR_AMONG and len(item) <= _NEAR_LENGTH:
            itself = self._roster.tasks[i].name
            names = [name for name in self._roster.index if len(name) <= _NEAR_LENGTH and name != itself]
            near = get_close_matches(item, names, 1)
        advice = f'did you mean "{shown(near[0])}"?' if near else self._roster.place(i)[0].form
        return self._roster.problem(i, f'unknown predecessor "{shown(item)}"; {advice}')

    def with_globs(self) -> None:
        """Replace the globs of the tasks that have some with names."""
        tasks = self._roster.tasks
        for i, gate in self._waiting:
            name, command, after, options, _, after_any = tasks[i]
            needed: dict[str, None] = {}
            ended: dict[str, None] = {}
            for item in after:
                self._resolve(i, item, False, needed, needed)
            for item in after_any:
                self._resolve(i, item, True, ended, needed)
            needed.update(dict.fromkeys(gate))
            only_ended = tuple([each for each in ended if each not in needed])  # to be done is more than to have ended
            tasks[i] = Task(name, command, tuple(needed), options, after_any=only_ended)

    def _resolve(self, i: int, item: str, is_any: bool, names: dict[str, None], joins: dict[str, None]) -> None:
        """Add the tasks that an item refers to: to names, or a join of them to joins."""
        glob = self._globs.used.get((item, is_any))
        if glob is None:
            names[item] = None
            return
        self.forwards = self.forwards or glob.matches[-1] > i
        found = self._globs.matches(i, glob)
        if found is None:
            joins[self._globs.join(i, glob)] = None
        else:
            names.update(dict.fromkeys(found))
