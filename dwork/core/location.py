"""Where a task runs: `host:rank`, or `host:pid` of a kworker; so workers are called."""

from __future__ import annotations


def host_of(location: str) -> str:
    """The host of a worker."""
    return location.partition(":")[0]
