"""Where read-only commands get their answers: a running hub, or the record of a run that has ended."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

import click

from dwork.cli.shell_completion import files
from dwork.core.errors import GraphError, UsageError
from dwork.core.rows import OutputPiece, TaskDetails, TaskRow
from dwork.core.text import shown
from dwork.dquery._session import HubChoice

if TYPE_CHECKING:
    from dwork.record.reading import Archive

file_option = click.option(
    "-f",
    "file",
    metavar="FILE",
    shell_complete=files,
    help="Read the record of a run that has ended, such as tasks.txt.db.",
)

record_option = click.option(
    "-f",
    "file",
    metavar="FILE",
    shell_complete=files,
    required=True,
    help="The record of a run that has ended, such as tasks.txt.db.",
)


class TaskSource(Protocol):
    """The common interface of Client and Archive."""

    def counts(self) -> Mapping[str, int]: ...

    def tasks(self, states: Sequence[str] = (), glob: str | None = None) -> Iterator[TaskRow]: ...

    def task(self, key: str) -> TaskDetails | None: ...

    def output(self, row: TaskRow, piece: OutputPiece) -> bytes: ...


@contextmanager
def source(session: HubChoice, file: str | None) -> Iterator[TaskSource]:
    """Yield the record in that file or, without a file, the hub; UsageError when the file cannot be used."""
    if file is None:
        with session.client() as client:
            yield client
        return
    with record(session, file, "drop -f to query the pool or dhub that uses it") as archive:
        yield archive


@contextmanager
def record(session: HubChoice, file: str, instead: str = "try again when it has ended") -> Iterator[Archive]:
    """Yield the record in that file; UsageError when it cannot be used. instead: advice when a hub uses it."""
    if session.which.is_said:
        raise UsageError("-s, --connection and --job choose a hub, -f a record that no hub uses; drop one")
    from dwork.record.locks import InUse
    from dwork.record.reading import Archive

    _refuse_other_files(file)
    try:
        archive = Archive(file)
    except InUse as error:
        in_use = str(error).partition("; ")[0]
        raise UsageError(f"{in_use}; {instead}") from None
    with session.timed(), archive:
        yield archive


def _refuse_other_files(file: str) -> None:
    """Refuse a task file with advice to give its record: otherwise it would be reported as a damaged record."""
    if os.path.isfile(file):
        with open(file, "rb") as stream:
            if stream.read(16) not in (b"", b"SQLite format 3\0"):
                beside = f"{file}.db"
                advice = f"give {shown(beside)}" if os.path.isfile(beside) else "give the task file's name with .db"
                raise UsageError(f"{shown(file)} is not a record; {advice}")


def found(source: TaskSource, task: str) -> TaskDetails:
    """Return the details of a task; GraphError when none has that name or number."""
    row = source.task(task)
    if row is None:
        advice = f"write a number as '#{task}'" if task.isdecimal() else "dquery list shows all tasks"
        raise GraphError(f"there is no task {task!r}; {advice}")
    return row
