"""The trace of a round: what its tasks, and the round itself, have appended to one file, in the order of happening.

start NAME ATTEMPT PID WORKER    a task has started; also: beside (another process of it lives), failed, end
run N                            the round starts the hub for the Nth time
over N CODE                      it has ended; CODE is `killed` when it could not record its last moments
cut WORKER                       the round cuts a worker off, or stops it; `*`: the hub, so all workers
deed TEXT                        anything else that the round does
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

OF_TASKS: Final = {"start", "beside", "failed", "end"}


class Line(NamedTuple):
    """A line of the trace. Those of the round have no name: `text` is the rest of the line."""

    at: int
    kind: str
    name: str = ""
    attempt: int = 0
    pid: int = 0
    worker: str = ""
    text: str = ""


class Trace:
    """The file, which many processes append to."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def note(self, kind: str, text: object) -> None:
        """Append a line of the round."""
        os.write(self._fd, f"{kind} {text}\n".encode())

    @property
    def size(self) -> int:
        """Return the size in bytes: it grows whenever something happens."""
        return os.fstat(self._fd).st_size

    def lines(self) -> list[Line]:
        return list(parse(self._path.read_text()))

    def close(self) -> None:
        os.close(self._fd)


def parse(text: str) -> Iterator[Line]:
    """Yield the lines of a trace."""
    for at, line in enumerate(text.splitlines()):
        kind, _, rest = line.partition(" ")
        if kind in OF_TASKS:
            name, attempt, pid, worker = rest.split(" ")
            yield Line(at, kind, name, int(attempt), int(pid), worker)
        else:
            yield Line(at, kind, text=rest)
