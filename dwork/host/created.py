"""Whether the files that a task promises to create exist.

Existence is the promise, as for make: a file that the task found there and left as it was counts.
"""

from __future__ import annotations

import os

from dwork.core.task import Options
from dwork.core.text import user_bytes


def first_missing(options: Options) -> str | None:
    """Return the first of the files that does not exist; None when all do.

    Relative names start in the directory of the task, and that in the one of this process.
    """
    if not options.creates:
        return None
    directory = user_bytes(options.cwd or "")
    return next((name for name in options.creates if not _exists(os.path.join(directory, user_bytes(name)))), None)


def _exists(path: bytes) -> bool:
    if os.path.exists(path):
        return True
    # A client of a network file system remembers for a while that a file does not exist, even if another host has
    # created it since. To open the directory makes it ask the server.
    try:
        os.close(os.open(os.path.dirname(path) or b".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
    except (OSError, ValueError):
        return False
    return os.path.exists(path)
