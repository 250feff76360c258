"""dwork: run a graph of shell commands on every core of an HPC allocation.

Python programs may rely on the names in `__all__`, and on nothing else. The command-line program is `dwork`, which has
a verb for each thing it does. A name is imported at its first use: `import dwork` touches neither MPI nor sockets.
"""

import os
import sys


def _leave_out_working_directory() -> None:
    """Remove the working directory from the module path, where `python -m dwork.x` puts it first.

    Otherwise a user's `random.py` there would be imported in place of Python's own. dwork itself does not need the
    entry: this package is already imported. The path of another program's `python -m` stays unchanged.
    """
    if sys.argv[:1] != ["-m"] or getattr(sys.flags, "safe_path", False):  # argv[0] is "-m" during the search
        return
    module = sys.orig_argv[-len(sys.argv)].removeprefix("-m")
    try:
        if module.partition(".")[0] == "dwork" and sys.path[:1] == [os.getcwd()]:
            del sys.path[0]
    except OSError:  # the working directory was removed, so it is not on the path
        pass


_leave_out_working_directory()  # before anything else is imported

TYPE_CHECKING = False  # that of `typing`, which is slow to import
if TYPE_CHECKING:
    from dwork.client.client import Client
    from dwork.client.status import End, Found, Status
    from dwork.connection.file import Connection
    from dwork.core.cause import Cause
    from dwork.core.errors import (
        AllDone,
        DworkError,
        GraphError,
        NotHeld,
        TaskFileError,
        TransportError,
        UsageError,
        WireError,
    )
    from dwork.core.rows import (
        AttemptRow,
        CrewRow,
        FailureRow,
        HandRow,
        OptionsRow,
        OutputPiece,
        PredecessorRow,
        Predecessors,
        RunFacts,
        RunningRow,
        RunView,
        Successors,
        TaskDetails,
        TaskRow,
        WorkerRow,
    )
    from dwork.core.shell import Shell
    from dwork.core.task import Assigned, EndWarning, Options, Result, State, Task
    from dwork.core.version import __version__

__all__ = [
    "AllDone",
    "Assigned",
    "AttemptRow",
    "Cause",
    "Client",
    "Connection",
    "CrewRow",
    "DworkError",
    "End",
    "EndWarning",
    "FailureRow",
    "Found",
    "GraphError",
    "HandRow",
    "NotHeld",
    "Options",
    "OptionsRow",
    "OutputPiece",
    "PredecessorRow",
    "Predecessors",
    "Result",
    "RunFacts",
    "RunView",
    "RunningRow",
    "Shell",
    "State",
    "Status",
    "Successors",
    "Task",
    "TaskDetails",
    "TaskFileError",
    "TaskRow",
    "TransportError",
    "UsageError",
    "WireError",
    "WorkerRow",
    "__version__",
]

_MODULES = {
    "Cause": "dwork.core.cause",
    "Connection": "dwork.connection.file",
    "Shell": "dwork.core.shell",
    "__version__": "dwork.core.version",
    "Client": "dwork.client.client",
    **dict.fromkeys(("End", "Found", "Status"), "dwork.client.status"),
    **dict.fromkeys(("AttemptRow", "CrewRow", "FailureRow", "HandRow", "OptionsRow"), "dwork.core.rows"),
    **dict.fromkeys(("OutputPiece", "PredecessorRow", "Predecessors", "RunFacts", "RunView"), "dwork.core.rows"),
    **dict.fromkeys(("RunningRow", "Successors", "TaskDetails", "TaskRow", "WorkerRow"), "dwork.core.rows"),
    **dict.fromkeys(("Assigned", "EndWarning", "Options", "Result", "State", "Task"), "dwork.core.task"),
}


if not TYPE_CHECKING:  # a type checker would accept any name

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module 'dwork' has no attribute {name!r}")
        from importlib import import_module

        value = getattr(import_module(_MODULES.get(name, "dwork.core.errors")), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return __all__
