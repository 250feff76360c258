"""Task files of GREASY: one command per line, identified by line number, after `[# 1,3-5,-2 #]` and `[@ dir @]`.

Rules, as in GREASY. Blank lines and comments are numbered, too, but are not tasks. A task depends only on tasks above
it: by line numbers, by ranges, or by a number of lines above. `[@ dir @] command` is `cd dir && command` for the shell.
A restart file of GREASY has this format too.

Unlike there, a line that cannot be parsed, or that depends on something other than a task, is an error.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from typing import Any, Final

from dwork.core.argv import as_path
from dwork.core.task import PLAIN, Options
from dwork.core.text import shown
from dwork.taskfile.directive import ask, refuse_options
from dwork.taskfile.draft import Draft, Pool
from dwork.taskfile.text import BLANKS, SHORT, fit_command, trimmed

_WHERE: Final = re.compile(r"[ \t]*(?:([0-9]{1,18})(?:[ \t]*-[ \t]*([0-9]{1,18}))?|-([0-9]{1,18}))[ \t]*", re.ASCII)
_DEPENDENCIES: Final = "write line numbers, ranges or a number of lines above, as in [# 1,3-5,-2 #]"
#: Not the elements of an array of bash, as in "${a[@]}".
_LATE: Final = re.compile(r"(?<![A-Za-z0-9_])\[@[^][]*@\]")
_FORM: Final = "write [# dependencies #] [@ directory @] command"


def read(draft: Draft, text: str, pool: Pool) -> None:
    """Read the text of a file into its draft; mistakes name the line."""
    values: dict[str, Any] = {}
    options = PLAIN
    for number, line in enumerate(text.split("\n"), 1):
        command = line.strip(BLANKS)
        if not command:
            continue
        try:
            if command[0] == "#":
                ask(values, command)
                options = pool.setdefault(found := Options(**values), found)
                continue
            refuse_options(command)
            if command[-1] == "\\":
                command = trimmed(line)
            name: str | None = None
            if command.startswith(("[#", "[@")):
                command, name = _marked(draft, number, command)
            elif "[@" in command:
                _refuse_late_directory(command)
            if len(command) > SHORT:
                fit_command(command)
            draft.add(number, None, command, (), options, name)
        except ValueError as error:
            draft.lose(number, error, line)


def _marked(draft: Draft, number: int, line: str) -> tuple[str, str]:
    """Apply the marks before a command, and return the command to run and the name of the task."""
    marks: dict[str, str] = {}
    while line.startswith(("[#", "[@")):
        mark = line[1]
        inside, end, rest = line[2:].partition(f"{mark}]")
        if not end:
            raise ValueError(f"[{mark} is not closed; write {mark}] after it, before the command")
        if mark in marks:
            raise ValueError(f"[{mark} {mark}] is given twice; combine them into one")
        marks[mark] = inside.strip(BLANKS)
        line = rest.lstrip(BLANKS)
    _refuse_late_directory(line)
    if not line:
        raise ValueError(f"the command is missing; {_FORM}")
    if marks.get("#"):
        draft.spans[len(draft.tasks)] = sorted({_span(draft, number, item) for item in marks["#"].split(",")})
    if "@" in marks:
        if not marks["@"]:
            raise ValueError(f"the directory is empty; {_FORM}")
        return f"{_entering(marks['@'])} && {line}", f"cd {marks['@']} && {line}"
    return line, line


def _refuse_late_directory(command: str) -> None:
    """Raise ValueError for a directory behind the command, where GREASY takes it, too."""
    if _LATE.search(command):
        raise ValueError(f"[@ @] must come before the command; {_FORM}")


def _entering(directory: str) -> str:
    """Return the `cd` command for a directory, which may have variables, independent of $CDPATH and $OLDPWD."""
    if directory.startswith(("/", "./", "../")):
        return f"cd {directory}"
    return f"CDPATH= cd {as_path(directory) if directory[0] == '-' else directory}"


def _span(draft: Draft, number: int, item: str) -> tuple[int, int]:
    """Return the (start, stop) positions of the tasks that an item refers to."""
    match = _WHERE.fullmatch(item)
    if not match:
        raise ValueError(f'"{shown(item.strip(BLANKS))}" is not a dependency; {_DEPENDENCIES}')
    if match[3]:
        first = last = number - int(match[3])
    else:
        first, last = sorted((int(match[1]), int(match[2] or match[1])))
    if not 0 < first <= last < number:
        wrong = last if last >= number else first
        raise ValueError(f"line {wrong} is not above this one; a task can only depend on tasks above it")
    start, stop = bisect_left(draft.lines, first), bisect_right(draft.lines, last)
    if stop - start <= last - first and not any(first <= line <= last for line in draft.lost):
        wrong = next(n for k, n in enumerate(range(first, last + 1), start) if k == stop or draft.lines[k] != n)
        raise ValueError(f"line {wrong} has no task; correct the dependency")
    return start, stop
