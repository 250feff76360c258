"""The tasks of all files in order, each with a unique name, and indexed by it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import chain

from dwork.core.task import Task
from dwork.core.text import shown
from dwork.taskfile.draft import Draft


class Roster:
    """The tasks of the drafts, concatenated.

    A name that a file gives must be unique. A task named by its command gets ` #2`, ` #3` ... when the name is taken.
    Given names have priority, then the first task with a command, so its name does not depend on later repeats.
    has_doubles: whether a given name was not unique.
    """

    def __init__(self, drafts: Sequence[Draft]) -> None:
        self.drafts = drafts
        self.tasks: list[Task] = list(chain.from_iterable(draft.tasks for draft in drafts))
        self.index: dict[str, int] = {}
        self.has_doubles = False
        self.starts = [0]
        for draft in drafts:
            self.starts.append(self.starts[-1] + len(draft.tasks))
        self._number(self._claim())

    def _claim(self) -> list[int]:
        """Index all tasks except those whose command is already the name of another; return the positions of these."""
        index = self.index
        given = b"".join(draft.given for draft in self.drafts)
        for i, task in enumerate(self.tasks) if any(given) else ():
            if given[i] and index.setdefault(task.name, i) != i:
                self.report(i, self._twice(i))
                self.has_doubles = True
        return [i for i, task in enumerate(self.tasks) if not given[i] and index.setdefault(task.name, i) != i]

    def _number(self, repeats: list[int]) -> None:
        counts: dict[str, int] = {}
        for i in repeats:
            name, command, after, options, _, after_any = self.tasks[i]
            n = counts.get(name, 2)
            while (unique := f"{name} #{n}") in self.index:
                n += 1
            counts[name] = n + 1
            self.index[unique] = i
            self.tasks[i] = Task(unique, command, after, options, after_any=after_any)

    def _twice(self, i: int) -> str:
        name = self.tasks[i].name
        draft, line = self.place(self.index[name])
        first = f"{shown(draft.source)}:{line}"
        return f'the name "{shown(name)}" is already used by the task at {first}; rename one of them'

    def place(self, i: int) -> tuple[Draft, int]:
        """Return the file and the line of a task."""
        k = bisect_right(self.starts, i) - 1
        return self.drafts[k], self.drafts[k].lines[i - self.starts[k]]

    def report(self, i: int, text: str) -> None:
        """Report something wrong with a task."""
        draft, line = self.place(i)
        draft.report(line, text)
