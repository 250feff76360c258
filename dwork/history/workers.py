"""Names of workers: `host:rank`, or `host:pid`."""

from __future__ import annotations

import re
from typing import Any, Final

_NUMBERS: Final = re.compile(r"(\d+)")


def in_order(name: str) -> list[Any]:
    """Return a sort key for workers and hosts that orders numbers by value: `node9:2` before `node10:1`."""
    return [int(part) if i % 2 else part for i, part in enumerate(_NUMBERS.split(name))]
