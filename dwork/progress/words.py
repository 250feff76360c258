"""The progress of a run in words: a whole line for a log, and the parts that fit for the line of a terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

from dwork.core.task import State
from dwork.core.text import duration
from dwork.progress.pace import Pace
from dwork.progress.standing import Standing

#: Least and most columns of the bar, which is left out on a line shorter than NARROW.
BAR: Final = (10, 40)
NARROW: Final = 40
GAP: Final = "  "


class Part(NamedTuple):
    """One part of a line. rank: parts of higher rank are dropped first when there is no room. bad: shown in red."""

    text: str
    rank: int
    bad: bool = False


class Line(NamedTuple):
    """A line of a terminal: a bar of `bar` columns, of which the fraction `done` (0 to 1) is filled, then the parts."""

    bar: int
    done: float
    parts: Sequence[Part]


def sentence(at: Standing, pace: Pace, began: float) -> str:
    """Return the progress as one line for a log. began: start of the run in seconds since the epoch."""
    counts = at.counts
    seconds = round(at.time - began)
    since = f"{seconds} s" if seconds < 60 else duration(seconds)
    done = f"{counts[State.DONE]:,} of {at.total:,} done after {since}"
    rest = [
        (counts[State.FAILED], "failed"),
        (counts[State.SKIPPED], "skipped"),
        (counts[State.CANCELLED], "cancelled"),
        (at.running, "running"),
        (at.ready, "ready"),
        (counts[State.WAITING], "waiting"),
    ]
    tasks = ", ".join([done, *(f"{n:,} {what}" for n, what in rest if n)])
    speed = [f"{n} {unit}" for n, unit in [rate(pace.rate)] if n]
    if at.slots:
        speed.append(f"{at.busy:,} of {at.slots:,} slots busy")
    if left := pace.left(at.time):
        speed.append(f"about {about(left)} left")
    return f"{tasks}; {', '.join(speed)}" if speed else tasks


def line(at: Standing, pace: Pace, width: int) -> Line:
    """Return the progress as one line of a terminal that has `width` columns."""
    counts = at.counts
    lost = counts[State.SKIPPED] + counts[State.CANCELLED]
    done = at.over / at.total if at.total else 1.0
    speed, unit = rate(pace.rate)
    left = pace.left(at.time)
    parts = [
        Part(f"{math.floor(100 * done):3}%", 1),
        Part(f"{counts[State.DONE]:,}/{at.total:,}", 0),
        Part(f"{counts[State.FAILED]:,} failed" if counts[State.FAILED] else "", 2, bad=True),
        Part(f"{lost:,} skipped" if lost else "", 6, bad=True),
        Part(f"{at.running:,} running", 4),
        Part(f"{at.ready:,} ready" if at.ready else "", 7),
        Part(f"{counts[State.WAITING]:,} waiting" if counts[State.WAITING] else "", 9),
        Part(f"{speed}{unit.removeprefix('tasks')}" if speed else "", 5),
        Part("stopping" if at.stopping else f"~{about(left)} left" if left else "", 3),
        Part(f"{at.busy:,}/{at.slots:,} busy" if at.slots else "", 8),
    ]
    least, most = BAR
    parts = fitting([part for part in parts if part.text], width - least - len(GAP) if width >= NARROW else width)
    return Line(min(most, width - _width(parts) - len(GAP)) if width >= NARROW else 0, done, parts)


def fitting(parts: Sequence[Part], width: int) -> list[Part]:
    """Return the parts that fit into `width` columns, in order; if only one is left, it is cut to fit."""
    kept = list(parts)
    while len(kept) > 1 and _width(kept) > width:
        kept.remove(max(kept, key=lambda part: part.rank))
    return [part._replace(text=part.text[:width]) for part in kept]


def _width(parts: Sequence[Part]) -> int:
    return sum([len(part.text) for part in parts]) + len(GAP) * (len(parts) - 1)


def rate(a_second: float) -> tuple[str, str]:
    """Return a rate and its unit, as `1,234` and `tasks/s`, or `3.4` and `tasks/h`; two empty texts for none."""
    for factor, unit in ((1, "tasks/s"), (60, "tasks/min"), (3600, "tasks/h")):
        n = a_second * factor
        if n >= 1 or (n >= 0.1 and unit == "tasks/h"):
            return (f"{n:,.0f}" if n >= 100 else f"{n:.1f}"), unit
    return "", ""


def about(seconds: float) -> str:
    """Return a rough time as text: `15 s`, `53 min`, `1.5 h` or `3.2 days`."""
    if seconds < 90:
        return f"{5 * math.ceil(seconds / 5)} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    n, unit = (seconds / 3600, "h") if seconds < 36 * 3600 else (seconds / 86_400, "days")
    return f"{n:.1f}".removesuffix(".0") + f" {unit}" if n < 10 else f"{n:,.0f} {unit}"
