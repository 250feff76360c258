"""Where readers of task files report mistakes: the first one is raised or, for a check of the files, all are kept."""

from __future__ import annotations

from collections.abc import Iterable

from dwork.core.errors import TaskFileError


class Problems:
    """Raises the first mistake that is reported. goes_on: whether reading goes on after one. count: of mistakes."""

    goes_on = False
    count = 0

    def report(self, error: TaskFileError) -> None:
        raise error from None


class AllProblems(Problems):
    """Keeps the mistakes in the topmost lines, up to `most`. sources: in this order, as errors show them.

    Whoever reports a mistake goes on behind it, and reports nothing that may only follow from it.
    """

    goes_on = True

    def __init__(self, sources: Iterable[str], most: int = 100) -> None:
        self.count = 0
        self._most = most
        self._place = {source: i for i, source in enumerate(sources)}
        self._kept: list[TaskFileError] = []

    def report(self, error: TaskFileError) -> None:
        self.count += 1
        self._kept.append(error)
        if len(self._kept) > 2 * self._most:
            self._cut()

    def first(self) -> list[TaskFileError]:
        """Return the first mistakes, by source and line."""
        self._cut()
        return self._kept

    def lines(self) -> list[str]:
        """Return the first mistakes, one on each line, and how many more there are."""
        found = [str(error) for error in self.first()]
        return [*found, f"and {self.count - len(found):,} more"] if self.count > len(found) else found

    def _cut(self) -> None:
        last = len(self._place)
        self._kept.sort(key=lambda error: (self._place.get(error.source, last), error.line))
        del self._kept[self._most :]
