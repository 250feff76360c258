"""Times, sizes and ends of tasks in the words in which people are told of them."""

from __future__ import annotations

import signal
import time
from typing import Any, Final

from dwork.shown import shown

Row = dict[str, Any]

_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB")


def moment(seconds: float | None) -> str:
    """A time since the epoch, as the clock on the wall shows it here."""
    if seconds is None:
        return "at some time"
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
    except (OverflowError, ValueError, OSError):  # a worker's clock may say anything
        return f"{seconds:g} s after 1970"


def duration(seconds: float) -> str:
    """Seconds as `0.12 s`, `2:03` or `1:02:03`; days are hours."""
    if not abs(seconds) < 1e12:
        return f"{seconds:g} s"
    if seconds < 60:
        return f"{seconds:.2f} s"
    minutes, whole = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{whole:02}" if hours else f"{minutes}:{whole:02}"


def size(n: float) -> str:
    """Bytes as `812 B`, `1.5 KiB` or `12 GiB`."""
    for unit in _UNITS:
        if n < 1024 or unit == _UNITS[-1]:
            return f"{n:.1f} {unit}" if n < 10 and unit != "B" else f"{n:.0f} {unit}"
        n /= 1024
    raise AssertionError("the last unit is never too small")


def signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def ending(row: Row) -> str:
    """How an attempt ended: why dwork ended it, the signal, or the exit status. Of a task or one of its attempts."""
    if row.get("reason"):
        return str(row["reason"])
    if row.get("signal"):
        return signal_name(row["signal"])
    return "" if row.get("exit_status") is None else f"exit status {row['exit_status']}"


def named(row: Row, width: int = 80) -> str:
    """The number and the name of a task."""
    return f"#{row['id']} {shown(row['name'], width)}"
