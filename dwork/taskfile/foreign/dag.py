"""Task files of pegasus-mpi-cluster: `TASK id [options] executable [arguments]` and `EDGE parent child` records.

As in pegasus-mpi-cluster, a task starts without a shell, and quoting is simpler than in a shell: `'` and `"` are the
same toggle, a closing quote ends the argument, and a backslash escapes anywhere. PMC_TASK, PMC_CPUS and PMC_MEMORY
give a task its id, its CPUs and its memory in MB. Unlike there, an EDGE may precede its TASKs, and a quote must be
closed.
"""

from __future__ import annotations

import math
import re
from itertools import zip_longest

from dwork.core.amounts import memory_of
from dwork.core.task import Options
from dwork.core.text import as_name, shown
from dwork.taskfile.draft import Draft, Pool
from dwork.taskfile.foreign.unset import Unset
from dwork.taskfile.options import checked, whole
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


#: The variable that reports an option to the task.
_REPORTED = {"memory": "PMC_MEMORY", "cores": "PMC_CPUS"}
_PLACE = "use DWORK_WORKER, the worker's name, and DWORK_SLOT, the number of the slot on it"
_UNSET = Unset(
    "PMC_",
    {
        "PMC_RANK": _PLACE,
        "PMC_HOST_RANK": _PLACE,
        "PMC_AFFINITY": "a task is bound to its CPUs: nproc and taskset -cp $$ show them",
    },
)


def read(draft: Draft, text: str, _pool: Pool) -> None:
    """Read the text of a file into its draft; mistakes name the line."""
    known = _TaskOptions()
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
            draft.lose(number, error, line)
    _connect(draft, edges)


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
            if name not in ids and not draft.may_have_lost(name):
                draft.report(line, f'no TASK "{shown(name)}" in this file; add it, or correct the EDGE')
        parents.setdefault(child, []).append(parent)
    draft.tasks = [
        task._replace(after=tuple(parents[task.name])) if task.name in parents else task for task in draft.tasks
    ]


def _task(draft: Draft, line: int, fields: list[str], known: _TaskOptions) -> None:
    if len(fields) < 2:
        raise ValueError(f"a TASK needs an id and an executable; {_TASK}")
    id, rest = fields
    words = split(rest)
    at = 0
    while at < len(words) and words[at].startswith("-"):
        at += 2
    name = checked("id", fit_id, id)
    options = known.options(id, tuple(words[:at]))
    if at >= len(words) or not words[at]:
        raise ValueError(f"the executable is missing; {_TASK}")
    command = tuple(words[at:])
    for argument in command:
        fit_command(argument)
        _UNSET.refuse(argument)
    draft.add(line, name, command, (), options)


class _TaskOptions:
    """The options of TASK records; equal ones are parsed once."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, ...], tuple[dict[str, int], tuple[tuple[str, str], ...]]] = {}

    def options(self, id: str, words: tuple[str, ...]) -> Options:
        """Return the options of a task for the words before its executable."""
        found = self._seen.get(words)
        if found is None:
            found = self._seen[words] = self._parsed(words)
        given, env = found
        return Options(env=(("PMC_TASK", id), *env), **given)  # type: ignore[arg-type]

    @staticmethod
    def _parsed(words: tuple[str, ...]) -> tuple[dict[str, int], tuple[tuple[str, str], ...]]:
        """Return fields of Options, and variables, for words that alternate between option and value."""
        given: dict[str, int] = {}
        env = {"PMC_MEMORY": "0", "PMC_CPUS": "1"}
        for word, text in zip_longest(words[::2], words[1::2]):
            if word not in _OPTIONS:
                raise _unknown_option(word)
            if text is None:
                raise ValueError(f"{word} needs a value; {_TASK}")
            key, value = checked(word, _value, _OPTIONS[word], text)
            given[key] = value
            if key in _REPORTED:
                env[_REPORTED[key]] = str(_rounded_up(text))
        return given, tuple(env.items())


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
