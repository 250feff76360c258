"""Globs over names: `*`, `?` and `[...]`, as in fnmatch, but always telling cases apart."""

from __future__ import annotations

import re
from collections.abc import Callable
from fnmatch import translate

MAGIC = re.compile(r"[*?\[]")


def is_glob(text: str) -> bool:
    """Whether text, when it is no name, can be a glob."""
    return MAGIC.search(text) is not None


def matcher(glob: str) -> Callable[[str], re.Match[str] | None]:
    """Return a test of names; ValueError when it is no proper glob."""
    try:
        return re.compile(translate(glob)).match
    except re.error:  # a range backwards, [z-a], before Python 3.10.5
        raise ValueError("a range in it is backwards") from None
