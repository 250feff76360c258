"""Turn dependencies that a file gives as ranges of its own tasks into joins.

Theory of operation. A range that several tasks come after becomes a join of its tasks, so `n` tasks after `m` others
need n + m edges. When the joins of all ranges would need more than a few edges per task of the file (each line after
all above it, or a sliding window), they share blocks: the join of 2^k tasks is made of the joins of its two halves,
and a range consists of about two dozen of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from dwork.core.text import shown
from dwork.taskfile.draft import Draft
from dwork.taskfile.joins import Joins
from dwork.taskfile.roster import Roster

#: The most predecessors that a task gets from a range without a join.
_FEW: Final = 32
#: The edges, per task of a file, that may be spent on joins that share no blocks.
_EDGES: Final = 4

Span = tuple[int, int]


def connect(draft: Draft, offset: int, roster: Roster, joins: Joins) -> None:
    """Set the predecessors of the tasks of a draft, which start at offset, from their spans."""
    spans = _Spans(draft, offset, roster, joins)
    for position, ranges in draft.spans.items():
        i = offset + position
        names = dict.fromkeys(name for span in ranges for name in spans.names(span, i))
        roster.tasks[i] = roster.tasks[i]._replace(after=tuple(names))


class _Spans:
    def __init__(self, draft: Draft, offset: int, roster: Roster, joins: Joins) -> None:
        self._draft = draft
        self._offset = offset
        self._tasks = roster.tasks
        self._joins = joins
        self._uses = Counter(span for ranges in draft.spans.values() for span in ranges)
        self._edges_left = _EDGES * len(draft.tasks)
        self._made: dict[Span, str] = {}

    def names(self, span: Span, i: int) -> list[str]:
        """Return the predecessors for a span of the task at position i: the tasks of the span, or a join of them."""
        start, stop = span
        few = 1 if self._uses[span] > 1 else _FEW
        if stop - start <= few:
            return self._plain(span)
        if span not in self._made:
            self._edges_left -= stop - start
            after = self._plain(span) if self._edges_left >= 0 else list(self._blocks(span, i))
            self._join(span, after, i)
        return [self._made[span]]

    def _plain(self, span: Span) -> list[str]:
        return [self._tasks[self._offset + k].name for k in range(*span)]

    def _join(self, span: Span, after: list[str], i: int) -> str:
        first, last = self._draft.lines[span[0]], self._draft.lines[span[1] - 1]
        self._made[span] = name = self._joins.add(f"{shown(self._draft.source)}:{first}-{last}", after, i)
        return name

    def _blocks(self, span: Span, i: int) -> Iterator[str]:
        start, stop = span
        while start < stop:
            size = start & -start or 1 << (stop - start).bit_length()
            while start + size > stop:
                size //= 2
            yield self._block(start, size, i)
            start += size

    def _block(self, start: int, size: int, i: int) -> str:
        """Return the task or join for a block of size tasks; size is a power of two, and start a multiple of it."""
        if size == 1:
            return self._tasks[self._offset + start].name
        span = start, start + size
        if span in self._made:
            return self._made[span]
        half = size // 2
        return self._join(span, [self._block(start, half, i), self._block(start + half, half, i)], i)
