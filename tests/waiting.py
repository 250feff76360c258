"""Waiting for what other processes do: never for a time, always for a condition."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_until(
    condition: Callable[[], object], limit: float = 20.0, otherwise: Callable[[], str] = lambda: "it did not come true"
) -> None:
    """Look again and again; between two looks the cores are left to what is waited for. limit: seconds."""
    until = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < until, otherwise()
        time.sleep(0.005)
