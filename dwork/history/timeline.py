"""The timeline of a record: a row for each worker (or host, when there are too many workers), divided into panes.

A pane is one session. For each row and bin it has the fraction of slots that were busy, which can be drawn for any
number of tasks; the bars are single attempts, each in a lane of its row, for when few of them are in view.

A task that requests several cores takes that number of slots, but never more than its worker has: a worker that runs
one task at a time has one slot, whatever its number of cores.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from dwork.core.location import host_of
from dwork.history.bins import Bins, shared
from dwork.history.facts import DONE, History, Session
from dwork.history.lanes import Lanes
from dwork.history.sessions import presences
from dwork.history.workers import in_order

#: The most rows before hosts are shown instead of workers, the cells of all panes, and the bins of all panes.
ROWS: Final = 400
CELLS: Final = 300_000
BINS: Final = 2000
#: The shortest session that is drawn, in seconds.
_SHORTEST: Final = 1e-3
#: Row, start, end, and weight.
Span = tuple[int, float, float, float]


class AttemptBar(NamedTuple):
    """One attempt, by its position in the history."""

    attempt: int
    row: int
    lane: int


@dataclass(slots=True)
class SessionBins:
    """One session, by bin.

    busy: for each row, the fraction of its slots that was busy; None while the row was absent. running, slots: average
    number of slots that were busy, and present. done, bad: number of attempts of the session that have ended so far,
    successfully or not.
    """

    session: Session
    bins: Bins
    busy: list[list[float | None]]
    running: list[float]
    slots: list[float]
    done: list[int]
    bad: list[int]


@dataclass(slots=True)
class _Part:
    """A session, the spans of its attempts, and the times at which attempts ended, successfully or not."""

    session: Session
    spans: list[Span] = field(default_factory=list)
    done: list[float] = field(default_factory=list)
    bad: list[float] = field(default_factory=list)


@dataclass(slots=True)
class Timeline:
    """The timeline. rows: names. of_hosts: whether rows are hosts. lanes: number in each row. bars: sorted by start.

    spent, capacity: the slot seconds in which tasks ran, and all slot seconds.
    """

    rows: list[str]
    of_hosts: bool
    lanes: list[int] = field(default_factory=list)
    bars: list[AttemptBar] = field(default_factory=list)
    panes: list[SessionBins] = field(default_factory=list)
    spent: float = 0.0
    capacity: float = 0.0


def timeline(history: History, most: int = ROWS) -> Timeline:
    """Return the timeline of a history with at most `most` rows of workers. Time is linear in attempts and cells."""
    workers = {attempt.worker for attempt in history.attempts} | {worker.worker for worker in history.workers}
    of_hosts = len(workers) > most
    names = sorted({host_of(worker) for worker in workers} if of_hosts else workers, key=in_order)
    found = Timeline(names, of_hosts)
    positions = {name: i for i, name in enumerate(names)}
    row_of = {worker: positions[host_of(worker) if of_hosts else worker] for worker in workers}
    _place(found, history, row_of)
    slots = [
        (row_of[worker.worker], start, end, float(worker.slots or found.lanes[row_of[worker.worker]]))
        for worker, start, end in presences(history.workers, history.sessions)
    ]
    lengths = [session.seconds for session in history.sessions]
    for part, n in zip(_parts(found, history), shared(lengths, _bins(len(names))), strict=True):
        found.panes.append(_pane(found, part, n, slots))
    return found


def _bins(rows: int) -> int:
    return max(100, min(BINS, CELLS // max(rows, 1)))


def _place(found: Timeline, history: History, row_of: dict[str, int]) -> None:
    """Assign each attempt a row and a lane."""
    attempts = history.attempts
    starts = [(attempt.started, i) for i, attempt in enumerate(attempts) if attempt.started is not None]
    lanes = [Lanes() for _ in found.rows]
    for start, i in sorted(starts):
        row = row_of[attempts[i].worker]
        found.bars.append(AttemptBar(i, row, lanes[row].take(start, attempts[i].ended)))
    found.lanes = [max(1, len(each)) for each in lanes]


def _parts(found: Timeline, history: History) -> list[_Part]:
    """Return the sessions with their attempts, which span several when workers continue without their dhub."""
    slots: dict[str, int] = {}
    for worker in history.workers:
        slots[worker.worker] = max(worker.slots, slots.get(worker.worker, 1))
    parts = [_Part(session) for session in history.sessions]
    starts = [session.started for session in history.sessions]
    ends = [session.ended for session in history.sessions]
    for bar in found.bars if parts else ():
        attempt = history.attempts[bar.attempt]
        start = attempt.started or 0.0
        first = max(0, bisect_right(starts, start) - 1)
        last = max(first, min(bisect_left(ends, attempt.ended), len(parts) - 1))
        weight = min(history.tasks[attempt.task].cores, slots.get(attempt.worker, 1))
        for part in parts[first : last + 1]:
            part.spans.append((bar.row, start, attempt.ended, weight))
        (parts[last].done if attempt.outcome == DONE else parts[last].bad).append(attempt.ended)
    return parts


def _pane(found: Timeline, part: _Part, n: int, slots: Iterable[Span]) -> SessionBins:
    session = part.session
    bins = Bins(session.started, max(session.ended, session.started + _SHORTEST), n)
    busy = bins.spent(part.spans, len(found.rows))
    there = bins.spent(slots, len(found.rows))
    found.spent += sum(map(sum, busy))
    found.capacity += sum(map(sum, there))
    return SessionBins(
        session,
        bins,
        [[_share(b, t, bins.width) for b, t in zip(*pair, strict=True)] for pair in zip(busy, there, strict=True)],
        _summed(busy, bins),
        _summed(there, bins),
        bins.counted(part.done),
        bins.counted(part.bad),
    )


def _summed(table: Sequence[Sequence[float]], bins: Bins) -> list[float]:
    """Return, for each bin, the average number of slots over all rows."""
    return [sum(column) / bins.width for column in zip(*table, strict=True)] or [0.0] * bins.n


def _share(busy: float, there: float, width: float) -> float | None:
    """Return the fraction of the present slots that were busy; None when there were none, or only for a moment."""
    if there <= width * 1e-3:
        return None if busy <= 0 else 1.0
    return min(1.0, busy / there)
