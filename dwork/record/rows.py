"""Conversion of tasks to rows of a record, and back.

The shell of a task is a number in its options: thousands of tasks share one, with a long setup block (see shells.py).
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, Final

from dwork.core.shell import Shell
from dwork.core.task import PLAIN, Command, EndWarning, Options, Task
from dwork.core.text import user_bytes, user_text

_DEFAULTS: Final = {field.name: field.default for field in fields(Options)}


def text(value: str) -> str | bytes:
    """Return text as SQLite can store it: as bytes if it contains bytes that are not UTF-8."""
    if value.isascii():
        return value
    try:
        value.encode()
    except UnicodeEncodeError:
        return user_bytes(value)
    return value


def untext(value: Any) -> Any:
    return user_text(value) if isinstance(value, bytes) else value


def task_row(task: Task, number: Callable[[Shell], int]) -> tuple[Any, ...]:
    """Return name, command, arguments, options, origin. number: returns that of a shell."""
    name, command, _, options, origin, _ = task
    asked = None if options is PLAIN else _options(options, number)
    if command is None or isinstance(command, str):
        return name, command if command is None or command is name else text(command), None, asked, origin or None
    return name, text(shlex.join(command)), json.dumps(command), asked, origin or None


def task_of(
    name: str,
    command: Any,
    arguments: str | None,
    options: str | None,
    origin: str | None,
    after: tuple[str, ...],
    after_any: tuple[str, ...],
    cache: dict[str, Options],
    shells: Mapping[int, Shell],
) -> Task:
    """Return the task of a row; cache makes equal options one object. shells: by number."""
    what: Command = name if command == name else untext(command)
    if arguments is not None:
        what = tuple(json.loads(arguments))
    asked = PLAIN if options is None else cache.get(options)
    if asked is None:
        assert options is not None
        asked = cache[options] = options_of(options, shells)
    return Task(name, what, after, asked, origin or "", after_any)


def _options(options: Options, number: Callable[[Shell], int]) -> str | None:
    asked = {name: value for name, default in _DEFAULTS.items() if (value := getattr(options, name)) != default}
    if options.shell is not None:
        asked["shell"] = number(options.shell)
    return json.dumps(asked) if asked else None


def options_of(asked: str, shells: Mapping[int, Shell]) -> Options:
    """Parse the options of a row."""
    values = json.loads(asked)
    if "shell" in values:
        values["shell"] = shells[values["shell"]]
    if "env" in values:
        values["env"] = tuple((name, value) for name, value in values["env"])
    if "warn" in values:
        values["warn"] = EndWarning(*values["warn"])
    if "creates" in values:
        values["creates"] = tuple(values["creates"])
    return Options(**values)
