"""Print the output of a task, byte for byte.

Its stdout goes to stdout, its stderr to stderr. TASK is a name or a number such as '#12'. The output is that of the
last attempt, or of attempt N with --attempt N. What a running task prints arrives at once, but nothing in its first
second, and then no more than once a second. --json prints an object with id, name, attempt, stdout and stderr; bytes
that are not UTF-8 become lone surrogates, as in Python's file names.

\b
Examples:
  dquery log solve-7
  dquery log solve-7 --follow
  dquery log '#12' --attempt 1 --stderr -f tasks.txt.db
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import click

from dwork.core.errors import DworkError, GraphError, TransportError, UsageError
from dwork.core.rows import OutputPiece, TaskDetails, TaskRow
from dwork.core.task import ACTIVE
from dwork.core.text import counted, user_text
from dwork.dquery._completion import tasks
from dwork.dquery._output import note, say_json
from dwork.dquery._session import HubChoice, json_option, name
from dwork.dquery._source import TaskSource, file_option, found, running_hub, source
from dwork.dquery._words import named

if TYPE_CHECKING:
    from dwork.client.client import Client
    from dwork.connection.file import Connection
    from dwork.record.reading import Archive

#: Seconds between two queries with --follow; more when the hub is slow to answer, so that it can do other work.
LOOK = 0.05
_PATIENCE = 20.0
#: Seconds that a hub may need to close its record.
_CLOSING = 5.0

_ACTIVE = {state.value for state in ACTIVE}


@click.command(help=__doc__)
@click.argument("task", type=name, shell_complete=tasks())
@click.option("--attempt", type=click.IntRange(1), metavar="N", help="Print attempt N instead of the last.")
@click.option("--stdout", "streams", flag_value="1", help="Print only its stdout.")
@click.option("--stderr", "streams", flag_value="2", help="Print only its stderr, on stdout.")
@click.option("--follow", is_flag=True, help="Continue until the task has ended.")
@file_option
@json_option
@click.pass_obj
def command(
    session: HubChoice,
    task: str,
    attempt: int | None,
    streams: str | None,
    follow: bool,
    file: str | None,
    as_json: bool,
) -> None:
    if follow and (file is not None or as_json):
        raise UsageError(f"--follow needs a running hub, and excludes {'--json' if file is None else '-f'}; drop one")
    wanted = (1, 2) if streams is None else (int(streams),)
    if follow:
        with running_hub(session) as client:
            _follow(client, found(client, task), attempt, wanted)
        return
    with source(session, file) as tasks:
        row = found(tasks, task)
        chosen = last_attempt(row) if attempt is None else attempt
        if chosen > last_attempt(row) or not chosen:
            so_far = f"it has had {counted(last_attempt(row), 'attempt')}" if last_attempt(row) else "it has not run"
            raise GraphError(f"task {row['name']!r} is {row['state']}: {so_far}")
        pieces = [piece for piece in pieces_of(row, wanted) if piece["attempt"] == chosen]
        if as_json:
            say_json(_as_data(tasks, row, chosen, pieces, wanted))
            return
        for piece in pieces:
            _print(read_piece(tasks, row, piece), piece["stream"], wanted)
        if not pieces:
            note(f"No output is stored for attempt {chosen} of {named(row)}.")


def last_attempt(row: TaskDetails) -> int:
    """Return the number of the last attempt that has begun, or 0 if none has."""
    return max([row["attempt"] or 0, *(each["attempt"] for each in row["attempts"])])


def pieces_of(row: TaskDetails, wanted: tuple[int, ...]) -> list[OutputPiece]:
    """Return the pieces of these streams in the order of arrival: all pieces of an attempt are in one file."""
    pieces = [piece for piece in row["output"] if piece["stream"] in wanted]
    return sorted(pieces, key=lambda piece: (piece["attempt"], piece["offset"]))


def read_piece(tasks: TaskSource, row: TaskRow, piece: OutputPiece) -> bytes:
    try:
        data = tasks.output(row, piece)
    except FileNotFoundError:
        raise DworkError(f"the output of {named(row)} is lost: {piece['file']} no longer exists") from None
    if len(data) < piece["length"]:
        raise DworkError(f"the output of {named(row)} is incomplete: {piece['file']} is shorter than it was")
    return data


def _print(data: bytes, stream: int, wanted: tuple[int, ...]) -> None:
    out = sys.stderr if stream == 2 and len(wanted) > 1 else sys.stdout
    if out is not None:
        out.flush()
        out.buffer.write(data)
        out.buffer.flush()


def _as_data(
    tasks: TaskSource, row: TaskRow, attempt: int, pieces: list[OutputPiece], wanted: tuple[int, ...]
) -> dict[str, object]:
    texts = {
        key: b"".join(read_piece(tasks, row, piece) for piece in pieces if piece["stream"] == stream)
        for stream, key in ((1, "stdout"), (2, "stderr"))
        if stream in wanted
    }
    decoded = {key: user_text(data) for key, data in texts.items()}
    return {"id": row["id"], "name": row["name"], "attempt": attempt, **decoded}


def _follow(client: Client, row: TaskDetails, attempt: int | None, wanted: tuple[int, ...]) -> None:
    """Print existing and new output of that attempt, or of the last attempt and those after it."""
    first = attempt or last_attempt(row)
    printed: dict[tuple[int, int], int] = {}  # number of pieces by attempt and stream

    def print_new(tasks: TaskSource) -> bool:
        """Print what is new in the row; return whether more may come."""
        for piece in pieces_of(row, wanted):
            number, stream = piece["attempt"], piece["stream"]
            is_wanted = number >= first if attempt is None else number == attempt
            if is_wanted and piece["position"] >= printed.get((number, stream), 0):
                _print(read_piece(tasks, row, piece), stream, wanted)
                printed[number, stream] = piece["position"] + 1
        return row["state"] in _ACTIVE and not any(each["attempt"] == attempt for each in row["attempts"])

    try:
        while print_new(client):
            row = _look(client, row)
    except TransportError:  # the run may have ended with this task
        with _recorded(client.connection) as archive:
            row = found(archive, row["name"])
            if print_new(archive):
                raise TransportError(f"the run has ended, and {named(row)} has not; run it again") from None


def _recorded(connection: Connection) -> Archive:
    """Return the record of a run whose hub is gone, after a wait while the hub closes it."""
    from dwork.cli.ending import archive_of

    until = time.monotonic() + _CLOSING
    while (archive := archive_of(connection)) is None:
        if not connection.record or time.monotonic() > until:
            raise TransportError("the hub is gone; when its run has ended, read the rest from its record with -f")
        time.sleep(LOOK)
    return archive


def _look(tasks: TaskSource, row: TaskDetails) -> TaskDetails:
    """Wait, and return the new state of the task."""
    begin = time.monotonic()
    time.sleep(LOOK)
    later = tasks.task(row["name"])
    time.sleep(min(_PATIENCE * (time.monotonic() - begin - LOOK), 60.0))
    return later or row
