"""What dquery prints: text for people, in which nothing can move their cursor; text for scripts, as it is; JSON."""

from __future__ import annotations

import io
import os
import sys
from typing import Any

from dwork.shown import shown


def prepare_output() -> None:
    """Let text that the locale's character set lacks be printed escaped instead of failing."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def abandon_output() -> None:
    """Nobody reads on, or nothing can be written: what is still in the buffer must not be tried at exit again."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        sys.stdout = None


def say(text: str) -> None:
    """Print a line for people."""
    if sys.stdout is not None:
        sys.stdout.write(shown(text, sys.maxsize) + "\n")


def say_exactly(text: str) -> None:
    """Print a line for scripts, byte by byte; on a terminal, for people after all."""
    if sys.stdout is None or sys.stdout.isatty():
        say(text)
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(os.fsencode(text) + b"\n")


def say_json(value: Any) -> None:
    """Print a value as one line of JSON, in plain ASCII."""
    import json

    if sys.stdout is not None:
        sys.stdout.write(json.dumps(value) + "\n")


def note(text: str) -> None:
    """Print a line beside the output."""
    if sys.stderr is not None:
        sys.stderr.write(text + "\n")
