"""Text of task files: bytes to `str`, and what is fit to be a name or an argument.

Everything but names keeps undecodable bytes as surrogate escapes, so that commands reach the shell unchanged.
"""

from __future__ import annotations

import re

from dwork.core.errors import TaskFileError
from dwork.core.text import shown

#: What may stand around a command without belonging to it: what a shell takes for blanks, and nothing more.
BLANKS = " \t"

#: Linux passes no longer argument to a program (MAX_ARG_STRLEN, less the final NUL).
LIMIT = 131071

#: A text of so many characters has at most LIMIT bytes, whatever they are.
SHORT = LIMIT // 4

TOO_LONG = f"the command or an argument is longer than Linux allows ({LIMIT} bytes); put it in a script"

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")


def problem(source: str, line: int, text: str) -> TaskFileError:
    """Return the error for something wrong in a line; text says what is wrong and, after a semicolon, what to do."""
    return TaskFileError(f"{shown(source)}:{line}: {text}")


def decoded(source: str, data: bytes) -> str:
    """Return the file's text with line ends made plain and without a byte order mark; NUL is an error.

    So are lines as old Macs ended them, which would all be one.
    """
    nul = data.find(b"\0")
    if nul >= 0:
        line = data.count(b"\n", 0, nul) + 1
        raise problem(source, line, "this line contains a NUL byte; remove it, and save the file as UTF-8 text")
    data = data.removeprefix(b"\xef\xbb\xbf").removesuffix(b"\r")
    if b"\r" in data and b"\n" not in data:
        raise problem(source, 1, "lines end with bare carriage returns; convert them with: tr '\\r' '\\n' < OLD > NEW")
    return data.replace(b"\r\n", b"\n").decode("utf-8", "surrogateescape")


def proper(text: str) -> str:
    """Return text as a name can have it: itself, or with its undecodable bytes written as `\\xff`."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return text


def trimmed(text: str) -> str:
    """Return text without the blanks around it, except one at the end that a backslash makes part of a word."""
    short = text.strip(BLANKS)
    if short.endswith("\\") and (len(short) - len(short.rstrip("\\"))) % 2:
        end = text.rindex("\\") + 1
        short += text[end : end + 1]
    return short


def too_long(text: str) -> bool:
    """Whether text has more bytes than one argument of a program may have."""
    return len(text) > SHORT and len(text.encode("utf-8", "surrogateescape")) > LIMIT


def fit_command(text: str) -> None:
    """Raise ValueError when text is longer than any shell can be given."""
    if too_long(text):
        raise ValueError(TOO_LONG)


def fit_id(text: str) -> str:
    """Return text as a name, or raise ValueError when it would only make trouble."""
    text = proper(text)
    if not text:
        raise ValueError("must not be empty; write a name, or remove this option")
    if not text.isprintable() and _CONTROL.search(text):
        raise ValueError(f'"{shown(text)}" contains a control character; use printable characters')
    if too_long(text):
        raise ValueError(f"longer than {LIMIT} bytes; use a shorter one")
    return text


def fit_name(text: str) -> str:
    """As fit_id, for names that a comma-separated list must be able to hold."""
    if "," in text:
        raise ValueError(f'"{shown(text)}" contains a comma, which separates names in after=; use another character')
    return fit_id(text)
