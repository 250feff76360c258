"""Turns errors of SQLite into errors of dwork that say what to do.

Before anything depends on the record (`opening`, and `reading` where rows are parsed), most of them are mistakes on the
command line: UsageError. During a run (`writing`) they are StoreErrors: the run cannot continue.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from typing import Final

from dwork.core.errors import StoreError, UsageError
from dwork.core.text import shown
from dwork.record.locks import in_use

#: Texts of an OperationalError that does not mean that the file is damaged.
_INNOCENT: Final = ("full", "disk I/O error", "out of memory", "interrupted")


@contextlib.contextmanager
def opening(path: str) -> Iterator[None]:
    """Turn SQLite's errors into ours, each with what to do, before anything depends on the record."""
    name = shown(path)
    try:
        yield
    except sqlite3.OperationalError as error:
        text = str(error)
        if "locked" in text:
            raise in_use(path) from None
        if "unable to open" in text or "readonly" in text:
            raise UsageError(
                f"{name} cannot be opened for writing; choose another file with -f, or none with --no-record"
            ) from None
        if any(sign in text for sign in _INNOCENT):
            raise _unwritten(path, error) from None
        raise damaged(path, error) from None
    except (sqlite3.Error, UnicodeDecodeError) as error:  # the latter is Python's, over the text of SQLite's error
        raise damaged(path, error) from None


@contextlib.contextmanager
def reading(path: str) -> Iterator[None]:
    """Do the same as `opening` where rows are parsed: those of a damaged file may contain anything."""
    try:
        with opening(path):
            yield
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError) as error:
        raise damaged(path, error) from None


@contextlib.contextmanager
def writing(path: str) -> Iterator[None]:
    """Turn SQLite's errors into StoreErrors during a run, which cannot continue after any of them."""
    try:
        yield
    except sqlite3.ProgrammingError:  # a bug
        raise
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        raise _unwritten(path, error) from None


def _unwritten(path: str, error: Exception) -> StoreError:
    text = str(error)
    if "full" in text:
        text = "the disk is full"
    elif "disk I/O error" in text:  # SQLite's error for an exceeded quota, too
        text = "the disk is failing, or the quota is used up (disk I/O error)"
    return StoreError(f"{shown(path)} cannot be written: {text}; fix that, then run the same command again to continue")


def damaged(path: str, error: Exception) -> UsageError:
    advice = "move it away, or start over with --fresh, which keeps it as .1"
    if not path.endswith(".db"):
        advice = "choose another file with -f"
    return UsageError(f"{shown(path)} is damaged or not a record ({error}); {advice}")
