"""Moments and ends of tasks in the words in which people are told of them."""

from __future__ import annotations

import time
from typing import Any

from dwork.core.text import duration, shown, signal_name

Row = dict[str, Any]


def moment(seconds: float | None) -> str:
    """A time since the epoch, as the clock on the wall shows it here."""
    if seconds is None:
        return "at some time"
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
    except (OverflowError, ValueError, OSError):  # a worker's clock may say anything
        return f"{seconds:g} s after 1970"


def ending(row: Row) -> str:
    """How an attempt ended: why dwork ended it, the signal, or the exit status. Of a task or one of its attempts."""
    if row.get("reason"):
        return str(row["reason"])
    if row.get("signal"):
        return signal_name(row["signal"])
    return "" if row.get("exit_status") is None else f"exit status {row['exit_status']}"


def lasting(row: Row) -> str:
    """How long an attempt ran, to stand behind how it ended; empty when that is not known, or says so itself."""
    start, end = row.get("started"), row.get("ended")
    if start is None or end is None or str(row.get("reason")).startswith("timed out after"):
        return ""
    return f" after {duration(end - start)}"


def named(row: Row, width: int = 80) -> str:
    """The number and the name of a task."""
    return f"#{row['id']} {shown(row['name'], width)}"
