"""Task files of the C++ `dquery addfile`: each row holds a name, which is also the command, and its predecessors.

Unlike there, fields can be quoted as in CSV, so a command may contain commas and newlines. Names are literal.
"""

from __future__ import annotations

import csv
import io
import re

from dwork.core.text import as_name
from dwork.taskfile.directive import misses
from dwork.taskfile.draft import Draft, Pool
from dwork.taskfile.foreign.signs import refuse
from dwork.taskfile.text import TOO_LONG, fit_command, trimmed

_FORM = "a row is command,predecessor,...; a table of parameters is no task file: write a command for each of its rows"
#: A field of a table: a name or a number.
_PLAIN = re.compile(r"[\w.+-]*")
_SEPARATORS = {";": "a semicolon", "\t": "a tab"}


def read(draft: Draft, text: str, _pool: Pool) -> None:
    """Read the text of a file into its draft; mistakes name the line."""
    draft.form = _FORM
    # newline="\n": a bare carriage return is an error to report, not the end of a row.
    rows = csv.reader(io.StringIO(text, newline="\n"), strict=True, skipinitialspace=True)
    while True:
        line = rows.line_num + 1
        try:
            fields = next(rows, None)
            if fields is None:
                _refuse_separator(draft)
                return
            _add(draft, line, [trimmed(field) for field in fields])
        except ValueError as error:
            draft.lose(line, error, ",".join(fields or ()))
        except csv.Error as error:
            draft.lose(line, ValueError(_explained(str(error))))


def _refuse_separator(draft: Draft) -> None:
    """Raise TaskFileError when a character other than the comma separates the names of tasks in all rows."""
    if draft.lost or any(task.after for task in draft.tasks):
        return
    for separator, name in _SEPARATORS.items():
        rows = [[field.strip() for field in task.name.rstrip(separator).split(separator)] for task in draft.tasks]
        names = {row[0] for row in rows}
        for line, (first, *others) in zip(draft.lines, rows, strict=True):
            if others and first not in others and names.issuperset(others):
                raise draft.problem(line, f"{name} separates the fields of this row; separate them with commas")
        if len(rows) > 1 and all(len(row) > 1 and all(map(_PLAIN.fullmatch, row)) for row in rows):
            raise draft.problem(draft.lines[0], f"{name} separates the fields of all rows; separate them with commas")


def _explained(text: str) -> str:
    """Return Python's error for a row as a message for users."""
    if "field limit" in text:
        return TOO_LONG
    if "new-line" in text:
        return "bare carriage return in this row; end rows with a newline, or quote the field"
    return f'invalid CSV ({text}); quote a field as "...", and double each quote inside it'


def _add(draft: Draft, line: int, fields: list[str]) -> None:
    while fields and not fields[-1]:
        fields.pop()
    if not fields:
        return
    command, *after = fields
    if not command.strip():
        raise ValueError("the command (first field) is empty; write command,predecessor,predecessor,...")
    refuse(command)
    if misses(command):
        raise ValueError("#DWORK options are not supported in csv; for a file of plain commands, use --format lines")
    if "" in after:
        raise ValueError("empty predecessor; remove the extra comma")
    fit_command(command)
    draft.add(line, as_name(command), command, tuple(map(as_name, after)))
