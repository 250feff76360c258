"""Kinds of tasks: groups of tasks whose names differ only in numbers."""

from __future__ import annotations

import re

_NUMBER = re.compile(r"\d+")
#: The replacement for a number.
ANY = "*"


def kind(name: str) -> str:
    """Return the name with each number replaced: `solve-*` for `solve-12`."""
    return _NUMBER.sub(ANY, name)
