"""Globs over names: `*`, `?` and `[...]`, as in fnmatch, but always case-sensitive."""

from __future__ import annotations

import re
from collections.abc import Callable
from fnmatch import translate

from dwork.core.text import shown

MAGIC = re.compile(r"[*?\[]")


def is_glob(text: str) -> bool:
    """Whether text can be a glob; a name that contains these characters must be looked up first."""
    return MAGIC.search(text) is not None


def matcher(glob: str) -> Callable[[str], re.Match[str] | None]:
    """Return a function that tests a name; ValueError, with a complete message, when the glob is invalid."""
    try:
        return re.compile(translate(glob)).match
    except re.error:  # a reversed range, [z-a], before Python 3.10.5
        raise ValueError(f"'{shown(glob)}' is not a valid pattern: it contains a reversed range") from None
