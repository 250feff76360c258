"""The kinds of text and the functions between them, and the words for people: names, numbers with their units.

*What the user wrote* (commands, arguments, directories, file names, variables) is bytes. In dwork it is `str`, decoded
as UTF-8 with surrogate escapes (PEP 383) whatever the locale, so that the bytes of a task file are those that run:

- `user_text` decodes bytes, and `user_bytes` encodes. Everything that leaves this process is encoded here: the wire,
  the record, the job log, and the arguments, variables and directories of tasks.
- Python's own text (`sys.argv`, file names, `os.environ`) is decoded by the locale. It may stay so while it goes
  straight back to Python (`open(path)`). `from_system` converts what is stored, sent or given to a task, `to_system`
  a stored file name that is to be opened. Nothing else in dwork uses `os.fsencode`, `os.fsdecode` or their like.

*What is shown* is one harmless line of valid Unicode, made by `printable`.

The types. A field of this program's own values is UserText when a system text could get there by mistake, so mypy finds
that; functions that start programs take bytes, so mypy finds text that the locale would encode. `Task`, `Options` and
`Result` are public: their fields are `str`, since callers write literals, and `str` there means user text. A message is
put together from parts with f-strings, which lose any type, so what prints or sends a text for people calls `printable`
itself; it does not change what is printable already. Shown is for values that are never put together.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final, NewType

if TYPE_CHECKING:
    UserText = NewType("UserText", str)
    Shown = NewType("Shown", str)
else:  # where these types are called they cost as little as possible
    UserText = Shown = str

NO_TEXT: Final = UserText("")

WIDTH = 80
_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB")
#: Linux signals; the 31 numbers are the same on all processors used in clusters.
_SIGNALS: Final = (
    "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG "
    "XCPU XFSZ VTALRM PROF WINCH IO PWR SYS"
).split()
_BLANK: Final = re.compile(r"(?:\s|\x1b\[[0-?]*[ -/]*[@-~])*")


def user_text(data: bytes) -> UserText:
    """Return bytes of the user as text; `user_bytes` returns exactly these bytes again."""
    return UserText(data.decode("utf-8", "surrogateescape"))


def user_bytes(text: str) -> bytes:
    """Return the bytes of a user's text. UnicodeEncodeError for a lone surrogate that stands for no byte."""
    return text.encode("utf-8", "surrogateescape")


def from_system(text: str) -> UserText:
    """Return text that Python has decoded by the locale as user text."""
    return UserText(text) if text.isascii() else user_text(os.fsencode(text))


def to_system(text: str) -> str:
    """Return user text as Python expects file names: decoded by the locale."""
    return text if text.isascii() else os.fsdecode(user_bytes(text))


def as_name(text: str) -> str:
    """Return text as part of a name, which is valid Unicode: its undecodable bytes are written as `\\xff`."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return user_bytes(text).decode("utf-8", "backslashreplace")
    return text


def shown(text: str, width: int = WIDTH) -> Shown:
    """Return text that fits on one line: control characters escaped, and the middle cut out when it is long."""
    if len(text) > width:
        tail = width // 4 + 1
        text = f"{text[: width - tail - 3]}...{text[-tail:]}"
    return printable(text)


def printable(text: str) -> Shown:
    """Return text with control characters escaped, so that it is a single line and harmless on a terminal."""
    if not text.isprintable():
        text = "".join(map(_visible, text))
    return Shown(text)


def _visible(character: str) -> str:
    if character.isprintable():
        return character
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")


def label(id: int, name: str) -> str:
    """Return `#3 name`, by which a message refers to a task."""
    return f"#{id} {shown(name)}"


def last_state(line: str) -> str:
    """Return a line of output as a terminal leaves it: the last state of a progress bar, which `\\r` draws over.

    A state of nothing but spaces and control sequences, with which some bars end, does not count.
    """
    states = line.split("\r")
    return next((state for state in reversed(states) if not _BLANK.fullmatch(state)), "") if len(states) > 1 else line


def output_lines(text: str) -> list[str]:
    """Return the lines of a task's output, each as a terminal leaves it."""
    lines = text.split("\n")
    return [last_state(line) for line in (lines if lines[-1] else lines[:-1])]


def counted(n: int, what: str) -> str:
    """Return `1 task`, `1,234 tasks`, `2 processes`."""
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}{'es' if what.endswith('s') else 's'}"


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
