"""Where read-only commands get their answers: a running hub, or the record of a run that has ended."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import click

from dwork.cli.shell_completion import files
from dwork.core.errors import GraphError, UsageError
from dwork.core.rows import OutputPiece, TaskDetails, TaskRow
from dwork.core.text import shown
from dwork.dquery._session import HubChoice

if TYPE_CHECKING:
    from dwork.client.client import Client
    from dwork.record.reading import Archive

#: Where the context of a command keeps the value of an -f before its name.
_BEFORE = f"{__name__}.before"


def take_record(ctx: click.Context, file: str | None, command: click.Command | None) -> None:
    """Keep the value of an -f before the name of a command for it; UsageError if that takes none."""
    if file is not None and command is not None and not reads_records(command):
        raise UsageError(no_record(ctx.invoked_subcommand))
    ctx.meta[_BEFORE] = file


def reads_records(command: click.Command) -> bool:
    """Whether a command takes an -f."""
    return any("-f" in parameter.opts for parameter in command.params)


def no_record(name: str | None) -> str:
    """Return the error for an -f that a command does not take."""
    return f"{name} needs a running hub, and takes no -f"


def _required(ctx: click.Context, parameter: click.Parameter, file: str | None) -> str | None:
    """Return the file that was given before or after the name of the command."""
    file = file if file is not None else ctx.meta.get(_BEFORE)
    if file is None and not ctx.resilient_parsing:
        raise click.MissingParameter(ctx=ctx, param=parameter)
    return file


def _at_its_hub(ctx: click.Context, _parameter: click.Parameter, file: str | None) -> str | None:
    """Return the file, or None if a hub uses it, which is then the hub of the command."""
    file = file if file is not None else ctx.meta.get(_BEFORE)
    if file is None or ctx.resilient_parsing or ctx.obj.which.is_said:
        return file
    from dwork.connection.choice import of_file
    from dwork.record.locks import InUse, refuse_if_in_use

    connection = of_file(file)
    if connection is None:
        return file
    if is_record(file):
        try:
            refuse_if_in_use(file)
        except InUse:
            pass
        else:
            return file
    ctx.obj.which = replace(ctx.obj.which, file=connection)
    return None


_RECORD: dict[str, Any] = {"metavar": "FILE", "shell_complete": files}
file_option = click.option(
    "-f",
    "file",
    **_RECORD,
    callback=_at_its_hub,
    help="Read the record of a run, such as tasks.txt.db; while a hub uses it, query that hub.",
)
record_option = click.option(
    "-f", "file", **_RECORD, callback=_required, help="The record of a run that has ended, such as tasks.txt.db."
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
        with running_hub(session) as client:
            yield client
        return
    with record(session, file, "drop -f to query the pool or dhub that uses it") as archive:
        yield archive


@contextmanager
def running_hub(session: HubChoice) -> Iterator[Client]:
    """Yield the client of the hub; when no run is known, the error names the record of the last one."""
    from dwork.connection.choice import NoRun
    from dwork.connection.directory import last_record

    try:
        client = session.connect()
    except NoRun as error:
        if not session.which.is_said and (record := last_record()):
            name = shlex.quote(os.path.relpath(record) if os.path.dirname(record) == os.getcwd() else record)
            raise UsageError(
                f"no run is known in {shown(error.place)}: add -f {name} to read the record of the last run"
            ) from None
        raise
    with session.timed(), client:
        yield client


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


def is_record(file: str) -> bool:
    """Whether the file looks like a record; also if it does not exist."""
    if not os.path.isfile(file):
        return True
    with open(file, "rb") as stream:
        return stream.read(16) in (b"", b"SQLite format 3\0")


def _refuse_other_files(file: str) -> None:
    """Refuse a task file with advice to give its record: otherwise it would be reported as a damaged record."""
    if not is_record(file):
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
