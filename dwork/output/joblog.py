"""A job log with GNU parallel's columns, for the tools that read it: a row for each attempt, when it ends.

Seq is the task's number plus one. Send is always 0; Receive is the size of the attempt's standard output in bytes.
Unlike GNU parallel's log, it also has a row for each task that was killed. As in GNU parallel's log, newlines in a
command become NUL.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from typing import BinaryIO

from dwork.core import events
from dwork.core.errors import StoreError, UsageError
from dwork.core.events import Ended, Event
from dwork.core.text import shown, user_bytes
from dwork.host.ownership import open_mine

HEADER = "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n"


class Joblog:
    """A listener that writes a job log. StoreError when the file cannot be written.

    command(id): the command of a task. again: append to an existing file instead of replacing it. A path of `-` is
    standard output; before: called before rows are printed there.
    """

    def __init__(
        self,
        path: str,
        command: Callable[[int], str],
        *,
        again: bool = False,
        before: Callable[[], None] = lambda: None,
    ) -> None:
        self._path = path
        self._command = command
        self._before = before if path == "-" else lambda: None
        self._received: dict[int, int] = {}
        try:
            self._file: BinaryIO = open(  # noqa: SIM115
                1 if path == "-" else path,
                "ab" if again else "wb",
                closefd=path != "-",
                opener=_opened,
            )
            if path == "-" or os.fstat(self._file.fileno()).st_size == 0:
                self._file.write(user_bytes(HEADER))
                self._file.flush()
        except OSError as error:
            raise UsageError(f"--joblog {shown(path)} cannot be written: {error.strerror}") from None

    def hear(self, happened: Sequence[Event]) -> None:
        rows = []
        for event in happened:
            match event:
                case events.Finished(location=location, tasks=tasks):
                    rows += [self._row(ended, location) for ended in tasks]
                case (
                    events.Failed(location=location, task=ended)
                    | events.Retried(location=location, task=ended)
                    | events.Killed(location=location, task=ended)
                    | events.Interrupted(location=location, task=ended)
                ):
                    rows.append(self._row(ended, location))
                case events.Printed(id=id, stream=1, data=data):
                    self._received[id] = self._received.get(id, 0) + len(data)
                case events.Requeued(tasks=named):
                    for task in named:
                        self._received.pop(task.id, None)
        if rows:
            self._write("".join(rows))

    def close(self) -> None:
        with contextlib.suppress(OSError):  # a failed write has already been reported
            self._file.close()

    def _row(self, ended: Ended, location: str) -> str:
        result = ended.result
        received = self._received.pop(ended.id, 0) + len(result.stdout)
        status = 0 if result.signal else result.exit_status  # as in GNU parallel: 0 when a signal ended it
        return (
            f"{ended.id + 1}\t{location.partition(':')[0]}\t{result.started:.3f}\t{result.seconds:10.3f}\t0\t{received}"
            f"\t{status}\t{result.signal}\t{self._command(ended.id).replace(chr(10), chr(0))}\n"
        )

    def _write(self, text: str) -> None:
        self._before()
        try:
            self._file.write(user_bytes(text))
            self._file.flush()
        except OSError as error:
            raise StoreError(
                f"--joblog {shown(self._path)} cannot be written: {error.strerror}; "
                "run the same command again to continue"
            ) from None


def _opened(path: str, flags: int) -> int:
    """Open a file of this user, or a pipe, terminal or own link that the user named on purpose."""
    return open_mine(path, flags, links=True, special=True)
