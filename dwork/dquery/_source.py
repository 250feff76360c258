"""Where commands that only look get their answers: a living hub, or the record of a run that has ended."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import click

from dwork.cli.shell_completion import files
from dwork.core.errors import GraphError, UsageError
from dwork.core.text import shown
from dwork.dquery._session import HubChoice

if TYPE_CHECKING:
    from dwork.record.reading import Archive

Row = dict[str, Any]

file_option = click.option(
    "-f",
    "file",
    metavar="FILE",
    shell_complete=files,
    help="Look in the record of a run that has ended, such as tasks.txt.db.",
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
    """What a Client and an Archive have in common."""

    def counts(self) -> Mapping[str, int]: ...

    def tasks(self, states: Sequence[str] = (), glob: str | None = None) -> Iterator[Row]: ...

    def task(self, key: str) -> Row | None: ...

    def output(self, row: Row, piece: Row) -> bytes: ...


@contextmanager
def source(session: HubChoice, file: str | None) -> Iterator[TaskSource]:
    """The record in that file or, without one, the hub; UsageError when the file cannot be used."""
    if file is None:
        with session.client() as client:
            yield client
        return
    with record(session, file, "without -f, the pool or dhub that has it is asked") as archive:
        yield archive


@contextmanager
def record(
    session: HubChoice, file: str, instead: str = "its picture can be had when that has ended"
) -> Iterator[Archive]:
    """The record in that file; UsageError when it cannot be used. instead: what to do when somebody works on it."""
    if session.which.is_said:
        raise UsageError("-s, --connection and --job tell of a hub, and -f of a record that nobody works on; drop one")
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
    """Who gives a task file means the record beside it, and must not be told that the file is damaged."""
    if os.path.isfile(file):
        with open(file, "rb") as stream:
            if stream.read(16) not in (b"", b"SQLite format 3\0"):
                beside = f"{file}.db"
                advice = f"give {shown(beside)}" if os.path.isfile(beside) else "give the task file's name with .db"
                raise UsageError(f"{shown(file)} is no record; {advice}")


def found(source: TaskSource, task: str) -> Row:
    """All about a task; GraphError when there is none of that name or number."""
    row = source.task(task)
    if row is None:
        advice = f"a number is written '#{task}'" if task.isdecimal() else "dquery list tells which there are"
        raise GraphError(f"there is no task {task!r}; {advice}")
    return row
