"""Kinds of tasks: those whose names differ only in their numbers."""

from __future__ import annotations

import re

_NUMBER = re.compile(r"\d+")
#: What stands for a number.
ANY = "*"


def kind(name: str) -> str:
    """The name with each number replaced: `solve-*` of `solve-12`."""
    return _NUMBER.sub(ANY, name)
