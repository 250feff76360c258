"""Task files of pegasus-mpi-cluster: `TASK id [options] executable [arguments]` and `EDGE parent child` records.

As in pegasus-mpi-cluster, a task starts without a shell, and quoting is simpler than in a shell: `'` and `"` are the
same toggle, a closing quote ends the argument, and a backslash escapes anywhere. Unlike there, an EDGE may precede its
TASKs, and a quote must be closed.
"""

from __future__ import annotations

import math
import re
from itertools import zip_longest

from dwork.core.task import PLAIN, Options
from dwork.core.text import as_name, shown
from dwork.taskfile.draft import Draft, Pool
from dwork.taskfile.options import checked, memory_of, whole
from dwork.taskfile.text import fit_command, fit_id

_BLANKS = " \t\r"
FIELD = re.compile(r"[ \t\r]+")
_WORD = re.compile(r"[^ \t\r\v\f]+")
_NUMBER = re.compile(r"[0-9]{1,18}(\.[0-9]{0,18})?|\.[0-9]{1,18}")
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")

_EDGE = "write EDGE parent child"
_TASK = "write TASK id [options] executable [arguments]"

#: The long name of each option, by its short and its long name.
_OPTIONS = {
    name: long
    for short, long in (
        ("-m", "--request-memory"),
        ("-c", "--request-cpus"),
        ("-t", "--tries"),
        ("-p", "--priority"),
        ("-f", "--pipe-forward"),
        ("-F", "--file-forward"),
    )
    for name in (short, long)
}


def read(source: str, text: str, pool: Pool) -> Draft:
    """Return the tasks of a file. Raise TaskFileError, which names the line."""
    draft = Draft(source)
    known = _TaskOptions(pool)
    edges: list[tuple[int, str, str]] = []
    for number, line in enumerate(text.split("\n"), 1):
        record = line.strip(_BLANKS)
        if not record or record[0] == "#":
            continue
        try:
            kind, *fields = FIELD.split(record, 2)
            if kind == "TASK":
                _task(draft, number, fields, known)
            elif kind == "EDGE":
                edges.append((number, *_edge(fields)))
            else:
                raise ValueError(f'unknown record "{shown(kind)}"; {_TASK}, or {_EDGE}')
        except ValueError as error:
            raise draft.problem(number, str(error)) from None
    _connect(draft, edges)
    return draft


def _edge(fields: list[str]) -> tuple[str, str]:
    if len(fields) != 2 or FIELD.search(fields[1]):
        raise ValueError(f"an EDGE needs two ids; {_EDGE}")
    return as_name(fields[0]), as_name(fields[1])


def _connect(draft: Draft, edges: list[tuple[int, str, str]]) -> None:
    """Turn the edges into the predecessors of each task."""
    ids = {task.name for task in draft.tasks}
    parents: dict[str, list[str]] = {}
    for line, parent, child in edges:
        for name in (parent, child):
            if name not in ids:
                raise draft.problem(line, f'no TASK "{shown(name)}" in this file; add it, or correct the EDGE')
        parents.setdefault(child, []).append(parent)
    draft.tasks = [
        task._replace(after=tuple(parents[task.name])) if task.name in parents else task for task in draft.tasks
    ]


def _task(draft: Draft, line: int, fields: list[str], known: _TaskOptions) -> None:
    if len(fields) < 2:
        raise ValueError(f"a TASK needs an id and an executable; {_TASK}")
    name, rest = fields
    words = split(rest)
    at = 0
    while at < len(words) and words[at].startswith("-"):
        at += 2
    options = known.options(tuple(words[:at])) if at else PLAIN
    if at >= len(words) or not words[at]:
        raise ValueError(f"the executable is missing; {_TASK}")
    command = tuple(words[at:])
    for argument in command:
        fit_command(argument)
    draft.add(line, checked("id", fit_id, name), command, (), options)


class _TaskOptions:
    """The options of TASK records; equal ones are parsed once."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._seen: dict[tuple[str, ...], Options] = {}

    def options(self, words: tuple[str, ...]) -> Options:
        """Return the options for the words before an executable, which alternate between option and value."""
        found = self._seen.get(words)
        if found is None:
            given: dict[str, int] = {}
            for word, text in zip_longest(words[::2], words[1::2]):
                if word not in _OPTIONS:
                    raise _unknown_option(word)
                if text is None:
                    raise ValueError(f"{word} needs a value; {_TASK}")
                key, value = checked(word, _value, _OPTIONS[word], text)
                given[key] = value
            options = Options(**given)  # type: ignore[arg-type]
            found = self._seen[words] = self._pool.setdefault(options, options)
        return found


def _value(option: str, text: str) -> tuple[str, int]:
    if option == "--request-memory":
        return "memory", memory_of(_rounded_up(text) * 2**20)
    if option == "--request-cpus":
        return "cores", whole("cores", max(1, _rounded_up(text)))
    if option.endswith("-forward"):
        raise ValueError("forwarding is not supported; let the task write the file itself")
    if not _WHOLE.fullmatch(text):
        raise ValueError(f'"{shown(text)}" is not a whole number; write, for example, {option} 2')
    if option == "--priority":
        return "priority", whole("priority", int(text))
    if int(text) < 1:
        raise ValueError("a task is tried at least once; write 1 or more")
    return "retries", whole("retries", int(text) - 1)


def _rounded_up(text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise ValueError(f'"{shown(text)}" is not a number; write digits only, such as 2 or 1.5')
    return math.ceil(float(text))


def _unknown_option(word: str) -> ValueError:
    name = word.partition("=")[0]
    if name in _OPTIONS:
        return ValueError(f'"{shown(word)}" is one word; write the value as a separate word: {name} VALUE')
    return ValueError(f'unknown option "{shown(word)}"; the options are -m, -c, -t and -p, before the executable')


def split(text: str) -> list[str]:
    """Split arguments as pegasus-mpi-cluster does. Raise ValueError when a quote is not closed."""
    if not ("'" in text or '"' in text or "\\" in text):
        return _WORD.findall(text)
    arguments: list[str] = []
    argument = ""
    quoted = False
    characters = iter(text)
    for character in characters:
        if character in "'\"":
            if quoted:
                arguments.append(argument)
                argument = ""
            quoted = not quoted
        elif character == "\\":
            argument += next(characters, character)
        elif quoted or character not in " \t\r\v\f":
            argument += character
        elif argument:
            arguments.append(argument)
            argument = ""
    if quoted:
        raise ValueError("unclosed quote; close it, or escape it with a backslash")
    return [*arguments, argument] if argument else arguments
