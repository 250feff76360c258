"""dwork: run a graph of shell commands on every core of an HPC allocation.

The public surface for Python programs is `Client` and the errors; programs are `dwork-pool`, `dhub`, `kworker` and
`dquery`. Everything is imported when it is first used, so that the pure core stays free of sockets and MPI.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dwork.errors import (
    AllDone,
    DworkError,
    GraphError,
    NotHeld,
    TaskFileError,
    TransportError,
    UsageError,
    WireError,
)

if TYPE_CHECKING:
    from dwork.client import Client

__version__ = "0.1.0"

__all__ = [
    "AllDone",
    "Client",
    "DworkError",
    "GraphError",
    "NotHeld",
    "TaskFileError",
    "TransportError",
    "UsageError",
    "WireError",
    "__version__",
]


def __getattr__(name: str) -> object:
    if name == "Client":
        from dwork.client import Client

        return Client
    raise AttributeError(f"module 'dwork' has no attribute {name!r}")
