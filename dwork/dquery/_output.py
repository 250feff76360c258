"""What dquery prints: text for people, without control characters; text for scripts, unchanged; JSON."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from typing import TextIO

from dwork.core.errors import UsageError
from dwork.core.text import printable, shown, user_bytes


def prepare_output() -> None:
    """Print characters that the locale cannot encode as escapes, instead of failing."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def abandon_output() -> None:
    """Redirect stdout to /dev/null after a failed write, so that the rest of its buffer is not tried again at exit."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        sys.stdout = None


def say(text: str) -> None:
    """Print a line for people."""
    if sys.stdout is not None:
        sys.stdout.write(shown(text, sys.maxsize) + "\n")


def say_exactly(text: str) -> None:
    """Print a line for scripts, byte for byte; on a terminal, print it for people."""
    if sys.stdout is None or sys.stdout.isatty():
        say(text)
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(user_bytes(text) + b"\n")


def say_json(value: object) -> None:
    """Print a value as one line of JSON, in plain ASCII."""
    import json

    if sys.stdout is not None:
        sys.stdout.write(json.dumps(value) + "\n")


def note(text: str) -> None:
    """Print a line on stderr."""
    if sys.stderr is not None:
        sys.stderr.write(printable(text) + "\n")


@contextlib.contextmanager
def written(path: str | None) -> Iterator[TextIO]:
    """Yield a UTF-8 text stream that replaces the file on success; on failure an existing file stays.

    Without a path, and for `-`, it is standard output. UsageError when the file cannot be written.
    """
    if path is None or path == "-":
        stream = io.TextIOWrapper(sys.stdout.buffer if sys.stdout is not None else io.BytesIO(), encoding="utf-8")
        try:
            yield stream
        finally:
            stream.detach()  # so that stdout is not closed
        return
    is_device = os.path.exists(path) and not os.path.isfile(path)  # such as a pipe, which cannot be replaced
    part = path if is_device else f"{path}.part"
    try:
        with open(part, "w", encoding="utf-8") as file:
            yield file
        if not is_device:
            os.replace(part, path)
    except BaseException as error:
        if not is_device:
            with contextlib.suppress(OSError):
                os.unlink(part)
        if isinstance(error, OSError):
            raise UsageError(f"{shown(path)} cannot be written: {error.strerror}; choose another with -o") from None
        raise
