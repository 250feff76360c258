"""Who did what when: a row for each worker (or host, when workers are too many to be looked at), cut into panes.

A pane is one session. It tells of each row and bin what share of its slots was busy, which can be drawn whatever the
number of tasks; the bars are the single attempts, each in a lane of its row, for when few are in sight.

A task that asks for several cores takes as many slots, but never more than its worker has: one that runs a single task
at a time has one slot, whatever its cores.
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

#: Rows beyond which hosts are shown instead of workers, and cells of all panes.
ROWS: Final = 400
CELLS: Final = 300_000
BINS: Final = 2000
#: The shortest stretch of time that is drawn, in seconds.
_SHORTEST: Final = 1e-3
#: A row, from when to when, and how much.
Span = tuple[int, float, float, float]


class AttemptBar(NamedTuple):
    """One attempt, by its position in the history."""

    attempt: int
    row: int
    lane: int


@dataclass(slots=True)
class SessionBins:
    """One session, bin by bin.

    busy: of each row, the share of its slots that was; None where it was not there. running, slots: how many slots were
    busy, and there, on average. done, bad: how many attempts of the session have ended so far, well or not.
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
    """A session, what ran in it, and when attempts ended, well or not."""

    session: Session
    spans: list[Span] = field(default_factory=list)
    done: list[float] = field(default_factory=list)
    bad: list[float] = field(default_factory=list)


@dataclass(slots=True)
class Timeline:
    """rows: their names; lanes: how many each has; bars: by start; of_hosts: whether rows are hosts.

    spent, capacity: the slot seconds in which tasks ran, and those that there were.
    """

    rows: list[str]
    of_hosts: bool
    lanes: list[int] = field(default_factory=list)
    bars: list[AttemptBar] = field(default_factory=list)
    panes: list[SessionBins] = field(default_factory=list)
    spent: float = 0.0
    capacity: float = 0.0


def timeline(history: History, most: int = ROWS) -> Timeline:
    """The timeline. Linear in attempts and cells."""
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
    """Give each attempt its row and lane."""
    attempts = history.attempts
    starts = [(attempt.started, i) for i, attempt in enumerate(attempts) if attempt.started is not None]
    lanes = [Lanes() for _ in found.rows]
    for start, i in sorted(starts):
        row = row_of[attempts[i].worker]
        found.bars.append(AttemptBar(i, row, lanes[row].take(start, attempts[i].ended)))
    found.lanes = [max(1, len(each)) for each in lanes]


def _parts(found: Timeline, history: History) -> list[_Part]:
    """The sessions, with what ran in them: workers of a dhub go on while it is away, so that may be in several."""
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
    """Seconds of all rows as how many there were on average."""
    return [sum(column) / bins.width for column in zip(*table, strict=True)] or [0.0] * bins.n


def _share(busy: float, there: float, width: float) -> float | None:
    """Of the slots that were there, how many were busy; None where there were none, or for a moment only."""
    if there <= width * 1e-3:
        return None if busy <= 0 else 1.0
    return min(1.0, busy / there)
