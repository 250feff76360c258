"""Resolve drafts into one graph: look up predecessors, turn globs, barriers and ranges into joins, reject cycles.

Theory of operation. Files are read into drafts first, so a reference may point forwards and into another file. A join
is a task without a command: `n` tasks that wait for `m` others need n + m edges with it, and n * m without. Tasks with
a glob are resolved in a second pass, when it is known how many tasks share the glob. A cycle is possible only when some
reference points forwards, so a file without one, the usual case, is never sorted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
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
                gate = (joins.add(f"{shown(draft.source)}:{line}: barrier", [*gate, *names], offset + start),)
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
        tasks, index = self._roster.tasks, self._roster.index
        for i in positions:
            name, command, after, options, _ = tasks[i]
            if not after:
                if gate:
                    tasks[i] = Task(name, command, gate, options)
                continue
            plain = True
            for item in after:
                j = index.get(item)
                if j is None:
                    plain = self._is_known(i, item, globs) and plain
                elif j >= i:
                    self.forwards = True
            if not plain:
                self._waiting.append((i, gate))
            elif gate or len(after) > 1:
                tasks[i] = Task(name, command, tuple(dict.fromkeys((*after, *gate))), options)

    def _is_known(self, i: int, item: str, globs: bool) -> bool:
        """Return whether an item that names no task here can be kept as it is; False for a glob."""
        if self._known and item in self._known:
            return True
        if globs and is_glob(item):
            self._globs.use(i, item)
            return False
        if self._known is None:
            return True
        raise self._unknown(i, item)

    def _unknown(self, i: int, item: str) -> TaskFileError:
        near: list[str] = []
        if len(self._roster.tasks) <= _NEAR_AMONG and len(item) <= _NEAR_LENGTH:
            near = get_close_matches(item, [name for name in self._roster.index if len(name) <= _NEAR_LENGTH], 1)
        advice = f'did you mean "{shown(near[0])}"?' if near else "add a task with that name, or correct the name"
        return self._roster.problem(i, f'unknown predecessor "{shown(item)}"; {advice}')

    def with_globs(self) -> None:
        """Replace the globs of the tasks that have some with names."""
        tasks = self._roster.tasks
        for i, gate in self._waiting:
            name, command, after, options, _ = tasks[i]
            names = dict.fromkeys(found for item in after for found in self._names(i, item))
            names.update(dict.fromkeys(gate))
            tasks[i] = Task(name, command, tuple(names), options)

    def _names(self, i: int, item: str) -> Iterator[str]:
        glob = self._globs.used.get(item)
        if glob is None:
            yield item
            return
        self.forwards = self.forwards or glob.matches[-1] > i
        yield from self._globs.names(i, glob)
