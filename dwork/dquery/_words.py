"""Times and outcomes of tasks, worded for people."""

from __future__ import annotations

import time

from dwork.core.cause import Cause
from dwork.core.rows import EndRow, HowRow, NamedRow
from dwork.core.text import duration, shown, signal_name


def moment(seconds: float | None) -> str:
    """Format a time since the epoch as local time."""
    if seconds is None:
        return "at an unknown time"
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
    except (OverflowError, ValueError, OSError):  # a worker's clock may be arbitrarily wrong
        return f"{seconds:g} s after 1970"


def ending(row: HowRow) -> str:
    """Return how a task or attempt ended: why dwork ended it, the signal, or the exit status."""
    if row["reason"]:
        return row["reason"]
    if row["signal"]:
        return signal_name(row["signal"])
    return "" if row["exit_status"] is None else f"exit status {row['exit_status']}"


def lasting(row: EndRow) -> str:
    """Return how long an attempt ran, as a suffix to `ending`; empty when that is unknown, or already in it."""
    start, end = row["started"], row["ended"]
    if start is None or end is None or row["cause"] == Cause.TIMEOUT.value:
        return ""
    return f" after {duration(end - start)}"


def named(row: NamedRow, width: int = 80) -> str:
    """Return the number and the name of a task."""
    return f"#{row['id']} {shown(row['name'], width)}"
