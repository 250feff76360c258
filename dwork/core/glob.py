"""Globs over names: `*`, `?` and `[...]`, as in fnmatch, but always telling cases apart."""

from __future__ import annotations

import re
from collections.abc import Callable
from fnmatch import translate

from dwork.core.text import shown

MAGIC = re.compile(r"[*?\[]")


def is_glob(text: str) -> bool:
    """Whether text, when it is no name, can be a glob."""
    return MAGIC.search(text) is not None


def matcher(glob: str) -> Callable[[str], re.Match[str] | None]:
    """Return a test of names; ValueError, whose text says it all, when it is not a proper glob."""
    try:
        return re.compile(translate(glob)).match
    except re.error:  # a range backwards, [z-a], before Python 3.10.5
        raise ValueError(f"'{shown(glob)}' is not a pattern: a range in it is backwards") from None
