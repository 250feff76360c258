"""Task files of JSON objects, one per line: written by programs, so strings are used exactly as they are.

Each object is a task, except a first one with `setup`, which sets the shell and the setup block of all.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from dwork.core.amounts import end_warning, memory_of
from dwork.core.errors import TaskFileError
from dwork.core.shell import words_of
from dwork.core.task import PLAIN, Options
from dwork.core.text import as_name, shown
from dwork.taskfile.draft import Draft, Pool
from dwork.taskfile.options import (
    BOUNDS,
    KEYS,
    checked,
    directory,
    seconds_of,
    unknown_key,
    value_of,
    whole,
)
from dwork.taskfile.text import BLANKS, fit_command, fit_name
from dwork.taskfile.typed import arguments, string, variables

_KEYS = ("command", *KEYS, "env")


def read(draft: Draft, text: str, pool: Pool) -> None:
    """Read the text of a file into its draft; mistakes name the line and, if there is one, the key."""
    draft.globs = True
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip(BLANKS):
            try:
                found = _object(line)
                if "setup" in found:
                    _choose_shell(draft, number, found)
                else:
                    _add(draft, number, found, pool)
            except (ValueError, TaskFileError) as error:
                draft.lose(number, error, line)


def _object(line: str) -> dict[str, Any]:
    try:
        found = _DECODER.decode(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"invalid JSON ({error.msg} at column {error.colno}); write one object per line") from None
    except RecursionError:
        raise ValueError("the JSON is nested too deeply; write one task object per line") from None
    if not isinstance(found, dict):
        raise ValueError('not a JSON object; write {"command": "...", "name": "...", ...}')
    return found


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise ValueError(f'duplicate key "{shown(twice)}"; keep one')
    return found


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is not a valid JSON number; use a finite number")


def _integer(text: str) -> int:
    if len(text) > 30:
        raise ValueError("a number has too many digits; use a smaller one")
    return int(text)


# Shared by all lines: creating a decoder takes as long as reading a line.
_DECODER = json.JSONDecoder(object_pairs_hook=_without_repeats, parse_constant=_no_constant, parse_int=_integer)


def _choose_shell(draft: Draft, line: int, found: dict[str, Any]) -> None:
    """Take the shell and the setup block from an object that is not a task."""
    if draft.tasks or draft.shell:
        raise ValueError('"setup" applies to all tasks of the file; put it into the first object')
    for key, value in found.items():
        if key not in ("setup", "shell"):
            raise ValueError('an object with "setup" is not a task; it has no other key than "shell"')
        text = string(value)
        if key == "shell":
            draft.shell.words, draft.shell.line = checked(key, words_of, text), line
        else:
            draft.shell.add(draft.source, line, text)


def _add(draft: Draft, line: int, found: dict[str, Any], pool: Pool) -> None:
    for key in found:
        if key not in _KEYS:
            raise unknown_key(key, _KEYS)
    if "command" not in found:
        raise ValueError('"command" is missing; add a string for the shell, or a list of strings')
    command = checked("command", _command, found.pop("command"))
    name = None
    if "name" in found:
        name = checked("name", _name, found.pop("name"))
    after = checked("after", _after, found.pop("after", []))
    after_any = checked("after-any", _after, found.pop("after-any", []))
    options = PLAIN
    if found:
        options = Options(**{key.replace("-", "_"): checked(key, _option, key, value) for key, value in found.items()})
        options = pool.setdefault(options, options)
    draft.add(line, name, command, after, options, None, after_any)


def _name(value: object) -> str:
    return fit_name(string(value))


def _command(value: object) -> str | tuple[str, ...]:
    if isinstance(value, list):
        return arguments(value)
    if not isinstance(value, str):
        raise ValueError("must be a string for the shell, or a list of strings; put numbers in quotes")
    if not string(value).strip():
        raise ValueError("must not be empty; write a command, or remove the line")
    fit_command(value)
    return value


def _after(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        value = [value]
    if "" in value:
        raise ValueError("empty name; remove it")
    return tuple(as_name(string(item)) for item in value)


def _created(value: object) -> tuple[str, ...]:
    names = tuple(map(string, value if isinstance(value, list) else [value]))
    if "" in names:
        raise ValueError("empty name; remove it")
    return names


def _option(key: str, value: object) -> Any:
    if key == "env":
        return variables(value, '{"NAME": "value"}')
    if key == "creates":
        return _created(value)
    if key in BOUNDS:
        if type(value) is not int:
            raise ValueError(f'must be a whole number; write "{key}": 2')
        return whole(key, value)
    if key == "cwd":
        return directory(string(value))
    if key == "warn":
        return end_warning(string(value))
    if isinstance(value, str):
        return value_of(key, string(value))
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError('must be a number or a string; write 7200, or a string with a unit such as "2h" or "2G"')
    return memory_of(value) if key == "memory" else seconds_of(key, float(value))
