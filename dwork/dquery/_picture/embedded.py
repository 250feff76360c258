"""The data that a report's page needs to show single attempts and to search tasks: columns of numbers, and rows.

When there are very many, some are left out, so that the file can still be opened: first the short ones that succeeded.
"""

from __future__ import annotations

import sys
from array import array
from base64 import b64encode
from collections.abc import Iterable
from typing import Final, NamedTuple

from dwork.core.text import shown
from dwork.dquery._picture.palette import OUTCOMES
from dwork.dquery._words import ending
from dwork.history.facts import DONE, Attempt, Entry, History
from dwork.history.timeline import Timeline

#: Maximum number of attempts and of tasks on a page; of attempts and of bins that it draws at a time.
BARS: Final = 200_000
TASKS: Final = 20_000
AT_ONCE: Final = 3000
BINS: Final = 500
#: Maximum number of characters of a name, or of how a task ended.
WIDTH: Final = 120
_UNITS: Final = 2**32 - 1


class Columns(NamedTuple):
    """The attempts as columns: start after begin and run time, in units; number of the task; place; outcome.

    The place counts the lanes of all rows. A column is base64 of little-endian numbers of 4 bytes, or 1 byte for the
    outcome. begin, unit: seconds. left_out: the number of attempts that are not there.
    """

    bars: dict[str, str]
    begin: float
    unit: float
    left_out: int


class TableRow(NamedTuple):
    """A task in the table of tasks. started: seconds after `begin`. None: unknown."""

    id: int
    name: str
    state: str
    attempts: int
    seconds: float | None
    worker: str
    how: str
    max_rss: int | None
    cpu: float | None
    started: float | None


def bars(history: History, timeline: Timeline) -> Columns:
    """Return the attempts as columns."""
    kept = timeline.bars
    if len(kept) > BARS:
        kept = sorted(kept, key=lambda bar: _weight(history.attempts[bar.attempt]), reverse=True)[:BARS]
    attempts = [history.attempts[bar.attempt] for bar in kept]
    begin = min((a.started for a in attempts if a.started is not None), default=0.0)
    unit = max((max((a.ended for a in attempts), default=begin) - begin) / _UNITS, 1e-9)
    first = [0]
    for n in timeline.lanes:
        first.append(first[-1] + n)
    columns = {
        "start": ("I", (int(((a.started or 0.0) - begin) / unit) for a in attempts)),
        "length": ("I", (int(a.seconds / unit) for a in attempts)),
        "task": ("I", (history.tasks[a.task].id & _UNITS for a in attempts)),
        "place": ("I", (first[bar.row] + bar.lane for bar in kept)),
        "outcome": ("B", (_number(a.outcome) for a in attempts)),
    }
    packed = {name: _packed(kind, values) for name, (kind, values) in columns.items()}
    return Columns(packed, begin, unit, len(timeline.bars) - len(kept))


def _weight(attempt: Attempt) -> tuple[bool, float]:
    return attempt.outcome != DONE, attempt.seconds


def _number(outcome: str) -> int:
    return OUTCOMES.index(outcome) if outcome in OUTCOMES else OUTCOMES.index("failed")


def _packed(kind: str, values: Iterable[int]) -> str:
    column = array(kind, values)
    if sys.byteorder == "big":
        column.byteswap()
    return b64encode(column).decode("ascii")


def tasks(history: History, begin: float) -> tuple[list[TableRow], int]:
    """Return the rows of the table of tasks, by number, and how many are left out."""
    last = _counted(history)
    chosen = [i for i, task in enumerate(history.tasks) if not task.is_join and not task.removed]
    n = len(chosen)
    if n > TASKS:
        chosen.sort(key=lambda i: (history.tasks[i].state == DONE, -last[i][1].seconds if i in last else 0.0))
        chosen = sorted(chosen[:TASKS])
    rows = [_row(history.tasks[i], *last[i], begin) if i in last else _unbegun(history.tasks[i]) for i in chosen]
    return rows, n - len(chosen)


def _counted(history: History) -> dict[int, tuple[int, Attempt]]:
    """Return, per task that has begun, its number of attempts and the one that counts: the successful or the last."""
    found: dict[int, tuple[int, Attempt]] = {}
    for attempt in history.attempts:
        n, before = found.get(attempt.task, (0, attempt))
        found[attempt.task] = n + 1, before if before.outcome == DONE and attempt.outcome != DONE else attempt
    return found


def _row(task: Entry, n: int, attempt: Attempt, begin: float) -> TableRow:
    is_timed = attempt.started is not None
    return TableRow(
        task.id,
        shown(task.name, WIDTH),
        shown(task.state),
        n,
        round(attempt.seconds, 6) if is_timed else None,
        shown(attempt.worker),
        "" if attempt.outcome == DONE else shown(how(attempt), WIDTH),
        attempt.max_rss or None,
        round(attempt.cpu, 6) if is_timed else None,
        None if attempt.started is None else round(attempt.started - begin, 6),
    )


def _unbegun(task: Entry) -> TableRow:
    name, state, reason = shown(task.name, WIDTH), shown(task.state), shown(task.reason, WIDTH)
    return TableRow(task.id, name, state, 0, None, "", reason, None, None, None)


def how(attempt: Attempt) -> str:
    """Return how an attempt ended."""
    return ending({"reason": attempt.reason, "signal": attempt.signal, "exit_status": attempt.exit_status})
