"""Resolve drafts into one graph: look up predecessors, turn globs, barriers and ranges into joins, reject cycles.

Theory of operation. Files are read into drafts first, so a reference may point forwards and into another file. A join
is a task without a command: `n` tasks that wait for `m` others need n + m edges with it, and n * m without. Tasks with
a glob are resolved in a second pass, when it is known how many tasks share the glob. A cycle is possible only when some
reference points forwards, so a file without one, the usual case, is never sorted.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from difflib import get_close_matches
from unicodedata import normalize

from dwork.core.glob import is_glob
from dwork.core.task import Task
from dwork.core.text import shown
from dwork.taskfile.circle import report_circles
from dwork.taskfile.draft import Draft
from dwork.taskfile.joins import Globs, Joins
from dwork.taskfile.roster import Roster
from dwork.taskfile.spans import connect

#: Similar names are suggested for the first few unknown names, among no more than this, and no longer than this.
_NEAR_MOST = 20
_NEAR_AMONG = 10_000
_NEAR_LENGTH = 200
#: Other lines that the error for an unknown predecessor names.
_USERS = 5


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
    resolver.report_unknown()
    resolver.with_globs()
    for draft, offset in zip(drafts, roster.starts, strict=False):
        if draft.spans:
            connect(draft, offset, roster, joins)
    tasks = joins.among(roster.tasks)
    if resolver.forwards and not roster.has_doubles and not resolver.has_circle:
        report_circles(tasks, roster)
    return tasks


class _Resolver:
    def __init__(self, roster: Roster, joins: Joins, known: frozenset[str] | None) -> None:
        self.forwards = False
        self._roster = roster
        self._known = known
        self._globs = Globs(roster, joins)
        self._waiting: list[tuple[int, tuple[str, ...]]] = []
        self._unknown: dict[tuple[Draft, str], list[int]] = {}  # the tasks of a file that name a predecessor

    @property
    def has_circle(self) -> bool:
        """Whether a cycle of globs was reported."""
        return any(glob.has_circle for glob in self._globs.used.values())

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
                    self._roster.report(i, text)
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
        draft, _ = self._roster.place(i)
        self._unknown.setdefault((draft, item), []).append(i)
        if not draft.problems.goes_on:
            self.report_unknown()
        return True

    def report_unknown(self) -> None:
        """Report each unknown predecessor once for each file, unless a line that could not be read may define it."""
        for n, ((draft, item), users) in enumerate(self._unknown.items()):
            if any(other.may_have_lost(item) for other in self._roster.drafts):
                continue
            near: list[str] = []
            if n < _NEAR_MOST and len(self._roster.tasks) <= _NEAR_AMONG and len(item) <= _NEAR_LENGTH:
                itself = {self._roster.tasks[i].name for i in users[:1]}
                names = [name for name in self._roster.index if len(name) <= _NEAR_LENGTH and name not in itself]
                near = get_close_matches(item, names, 1)
            advice = f'did you mean "{shown(near[0])}"?' if near else draft.form
            if n < _NEAR_MOST and (same := self._looks_the_same(item)) is not None:
                other, line = self._roster.place(same)
                advice = f"{shown(other.source)}:{line} has that name in other Unicode characters; copy it from there"
            lines = [self._roster.place(i)[1] for i in users[: _USERS + 1]]
            draft.report(lines[0], f'unknown predecessor "{shown(item)}"; {advice}{_also(lines, len(users))}')

    def _looks_the_same(self, name: str) -> int | None:
        """Return a task whose name differs only in how its accents are encoded."""
        if name.isascii():
            return None
        wanted = normalize("NFC", name)
        return next((i for other, i in self._roster.index.items() if normalize("NFC", other) == wanted), None)

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
        if not glob.matches:
            return
        self.forwards = self.forwards or glob.matches[-1] > i
        found = self._globs.matches(i, glob)
        if found is None:
            joins[self._globs.join(i, glob)] = None
        else:
            names.update(dict.fromkeys(found))


def _also(lines: Sequence[int], total: int) -> str:
    """Return which other lines have the same mistake. lines: the first few, of `total`."""
    if total == 1:
        return ""
    others = f"line {lines[1]}" if total == 2 else f"lines {', '.join(map(str, lines[1:]))}"
    more = f" and {total - len(lines):,} more" if total > len(lines) else ""
    return f" (also {others}{more})"
