"""Durations, amounts of memory and warnings, as users write them. See `core.text` for the way back."""

from __future__ import annotations

import math
import re
from fractions import Fraction

from dwork.core.task import EndWarning
from dwork.core.text import shown, signal_name

_MEMORY = re.compile(
    r"([0-9]{1,18}(?:\.[0-9]{0,18})?|\.[0-9]{1,18}) ?(?:([KMGT])(?:i?B)?|B)?", re.IGNORECASE | re.ASCII
)
MIB = 2**20
_POWERS = {"": 1, "K": 2**10, "M": MIB, "G": 2**30, "T": 2**40}
_MOST_MEMORY = 2**63 - 1

_N = r"(?:[0-9]{1,12}(?:\.[0-9]{0,9})?|\.[0-9]{1,9})"
_DURATIONS = (
    re.compile(f"(?P<s>{_N})"),
    re.compile(f"(?=.)(?:(?P<d>{_N})d)?(?:(?P<h>{_N})h)?(?:(?P<m>{_N})m)?(?:(?P<s>{_N})s)?"),
    re.compile(r"(?P<m>[0-9]{1,9}):(?P<s>[0-5][0-9])"),
    re.compile(r"(?P<h>[0-9]{1,9}):(?P<m>[0-5][0-9]):(?P<s>[0-5][0-9])"),
    re.compile(r"(?P<d>[0-9]{1,9})-(?P<h>[0-9]{1,2})(?::(?P<m>[0-5][0-9]))?(?::(?P<s>[0-5][0-9]))?"),
)


def duration(text: str) -> float:
    """Return seconds: `90`, `90s`, `5m`, `1.5h`, `1h30m`, `1d`, `M:SS`, `H:MM:SS` or Slurm's `D-HH[:MM[:SS]]`."""
    match = next(filter(None, (form.fullmatch(text) for form in _DURATIONS)), None)
    if not match:
        raise ValueError(f'"{shown(text)}" is not a duration; write 90, 90s, 5m, 2h, 1h30m, 1:30:00 or 1-12:00:00')
    days, hours, minutes, seconds = (float(match.groupdict().get(unit) or 0) for unit in "dhms")
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def memory(text: str) -> int:
    """Return bytes: `512`, `2K`, `1.5G`, `2GB` or `2GiB`, all in powers of 1024."""
    match = _MEMORY.fullmatch(text)
    if not match:
        raise ValueError(f'"{shown(text)}" is not an amount of memory; write 512M, 2G, 1.5G, 1T or a number of bytes')
    return memory_of(Fraction(match[1]) * _POWERS[(match[2] or "").upper()])


def memory_of(value: int | float | Fraction) -> int:
    """Return a number of bytes as an integer, rounded up."""
    if not 0 <= value <= _MOST_MEMORY:
        raise ValueError("out of range; write a number of bytes from 0 to 2^63-1, or a size such as 512M, 2G or 1T")
    return math.ceil(value)


#: The signals that a task can get before the end of the job, by name.
_SIGNALS = {signal_name(number).removeprefix("SIG"): number for number in range(1, 32)}
_UNCATCHABLE = {"KILL", "STOP"}


def end_warning(text: str) -> EndWarning:
    """Return the signal and the time of `USR1@5m`, as in Slurm's --signal, where the time is in seconds."""
    name, at, time = text.partition("@")
    number = _SIGNALS.get(name.upper().removeprefix("SIG"))
    if not at or number is None:
        raise ValueError(f'"{shown(text)}" is not a signal and a time; write USR1@5m')
    if name.upper().removeprefix("SIG") in _UNCATCHABLE:
        raise ValueError(f'no program can catch "{shown(name)}"; write USR1@5m')
    before = duration(time)
    if before <= 0:
        raise ValueError("0 s before the end of the job is too late; write USR1@5m")
    return EndWarning(number, before)
