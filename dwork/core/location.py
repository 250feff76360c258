"""Locations, the names of workers: `host:rank`, or `host:pid` for a kworker."""

from __future__ import annotations


def host_of(location: str) -> str:
    """Return the host of a worker."""
    return location.partition(":")[0]
