"""Text for people: names and commands escaped and cut to fit a line; numbers with their units."""

from __future__ import annotations

from typing import Final

WIDTH = 80
_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB")
#: Linux signals; the 31 numbers are the same on all processors used in clusters.
_SIGNALS: Final = (
    "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG "
    "XCPU XFSZ VTALRM PROF WINCH IO PWR SYS"
).split()


def shown(text: str, width: int = WIDTH) -> str:
    """Return text that fits on one line: control characters escaped, and the middle cut out when it is long."""
    if len(text) > width:
        tail = width // 4 + 1
        text = f"{text[: width - tail - 3]}...{text[-tail:]}"
    return printable(text)


def printable(text: str) -> str:
    """Return text with control characters escaped, so that it is a single line and harmless on a terminal."""
    return text if text.isprintable() else "".join(map(_visible, text))


def _visible(character: str) -> str:
    if character.isprintable():
        return character
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")


def label(id: int, name: str) -> str:
    """Return `#3 name`, by which a message refers to a task."""
    return f"#{id} {shown(name)}"


def counted(n: int, what: str) -> str:
    """Return `1 task`, `1,234 tasks`."""
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"


def duration(seconds: float) -> str:
    """Return seconds as `0.12 s`, `2:03` or `1:02:03`; days are given in hours."""
    if not abs(seconds) < 1e12:
        return f"{seconds:g} s"
    if seconds < 60:
        return f"{seconds:.2f} s"
    minutes, whole = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{whole:02}" if hours else f"{minutes}:{whole:02}"


def signal_name(number: int) -> str:
    """Return `SIGKILL`, or `signal 34` for a signal without a name."""
    return f"SIG{_SIGNALS[number - 1]}" if 0 < number <= len(_SIGNALS) else f"signal {number}"


def size(n: float) -> str:
    """Return bytes as `812 B`, `1.5 KiB` or `12 GiB`."""
    for unit in _UNITS:
        if n < 1024 or unit == _UNITS[-1]:
            return f"{n:.1f} {unit}" if n < 10 and unit != "B" else f"{n:.0f} {unit}"
        n /= 1024
    raise AssertionError("the last unit always fits")
