"""Text of task files: decode bytes, and check names and arguments.

Everything except names keeps undecodable bytes as surrogate escapes, so that commands reach the shell unchanged.
"""

from __future__ import annotations

import re

from dwork.core.errors import TaskFileError
from dwork.core.text import UserText, as_name, shown, user_bytes, user_text

#: Characters that are stripped around a command: those that a shell treats as blanks, and no others.
BLANKS = " \t"

#: The longest argument, in bytes, that Linux passes to a program (MAX_ARG_STRLEN without the final NUL).
LIMIT = 131071

#: A text of at most this many characters never has more than LIMIT bytes.
SHORT = LIMIT // 4

TOO_LONG = f"the command or an argument is longer than Linux allows ({LIMIT} bytes); put it in a script"
TOO_LONG_WITH_SETUP = (
    f"the command with its setup block is longer than Linux allows ({LIMIT} bytes); "
    "put the commands of the block into a file, and write there: . FILE"
)

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")


def problem(source: str, line: int, text: str) -> TaskFileError:
    """Return the error for a line; text says what is wrong and, after a semicolon, what to do."""
    return TaskFileError(f"{shown(source)}:{line}: {text}", shown(source), line)


def decoded(source: str, data: bytes) -> UserText:
    """Return the text of a file, with `\\n` line ends and without a byte order mark.

    Raise TaskFileError for a NUL, and for lines that all end with a bare carriage return, which would be one line.
    """
    nul = data.find(b"\0")
    if nul >= 0:
        line = data.count(b"\n", 0, nul) + 1
        raise problem(source, line, "this line contains a NUL byte; remove it, and save the file as UTF-8 text")
    data = data.removeprefix(b"\xef\xbb\xbf").removesuffix(b"\r")
    if b"\r" in data and b"\n" not in data:
        raise problem(source, 1, "lines end with bare carriage returns; convert them with: tr '\\r' '\\n' < OLD > NEW")
    return user_text(data.replace(b"\r\n", b"\n"))


def trimmed(text: str) -> str:
    """Return text without the blanks around it, except a last one that a backslash escapes."""
    short = text.strip(BLANKS)
    if short.endswith("\\") and (len(short) - len(short.rstrip("\\"))) % 2:
        end = text.rindex("\\") + 1
        short += text[end : end + 1]
    return short


def too_long(text: str) -> bool:
    """Return whether text has more bytes than one argument of a program may have."""
    return len(text) > SHORT and len(user_bytes(text)) > LIMIT


def fit_command(text: str) -> None:
    """Raise ValueError when text is too long to be passed to a shell."""
    if too_long(text):
        raise ValueError(TOO_LONG)


def fit_id(text: str) -> str:
    """Return text as a name. Raise ValueError when it is empty, too long or has a control character."""
    text = as_name(text)
    if not text:
        raise ValueError("must not be empty; write a name, or remove this option")
    if not text.isprintable() and _CONTROL.search(text):
        raise ValueError(f'"{shown(text)}" contains a control character; use printable characters')
    if too_long(text):
        raise ValueError(f"must not be longer than {LIMIT} bytes; use a shorter one")
    return text


def fit_name(text: str) -> str:
    """Return text as fit_id does. Raise ValueError for a comma too, which would split the name in a list."""
    if "," in text:
        raise ValueError(f'"{shown(text)}" contains a comma, which separates names in after=; use another character')
    return fit_id(text)
