"""dwork: run a graph of shell commands on every core of an HPC allocation.

The public surface for Python programs is `Client` and the errors; programs are `dwork-pool`, `dhub`, `kworker` and
`dquery`. Everything is imported when it is first used, so that the pure core stays free of sockets and MPI.
"""

import os
import sys


def _leave_out_working_directory() -> None:
    """Take the working directory off the path of `python -m dwork.x`, which puts it first.

    A user's `random.py` there would be imported in place of Python's own. dwork itself is found without it: this
    package is there by now. Another program's `python -m` keeps what it has.
    """
    if sys.argv[:1] != ["-m"] or getattr(sys.flags, "safe_path", False):  # it is so while the module is looked for
        return
    module = sys.orig_argv[-len(sys.argv)].removeprefix("-m")
    try:
        if module.partition(".")[0] == "dwork" and sys.path[:1] == [os.getcwd()]:
            del sys.path[0]
    except OSError:  # it is gone, and so not on the path
        pass


_leave_out_working_directory()  # before anything else is imported

from typing import TYPE_CHECKING  # noqa: E402

from dwork.core.errors import (  # noqa: E402
    AllDone,
    DworkError,
    GraphError,
    NotHeld,
    TaskFileError,
    TransportError,
    UsageError,
    WireError,
)
from dwork.core.version import __version__  # noqa: E402

if TYPE_CHECKING:
    from dwork.client.client import Client

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
        from dwork.client.client import Client

        return Client
    raise AttributeError(f"module 'dwork' has no attribute {name!r}")
