"""Conversion of tasks to rows of a record, and back."""

from __future__ import annotations

import json
import shlex
from dataclasses import fields
from typing import Any, Final

from dwork.core.task import PLAIN, Command, Options, Task
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


def task_row(task: Task) -> tuple[Any, ...]:
    """Return name, command, arguments, options, origin."""
    name, command, _, options, origin, _ = task
    asked = None if options is PLAIN else _options(options)
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
) -> Task:
    """Return the task of a row; cache makes equal options one object."""
    what: Command = name if command == name else untext(command)
    if arguments is not None:
        what = tuple(json.loads(arguments))
    asked = PLAIN if options is None else cache.get(options)
    if asked is None:
        assert options is not None
        asked = cache[options] = options_of(options)
    return Task(name, what, after, asked, origin or "", after_any)


def _options(options: Options) -> str | None:
    asked = {name: value for name, default in _DEFAULTS.items() if (value := getattr(options, name)) != default}
    return json.dumps(asked) if asked else None


def options_of(asked: str) -> Options:
    """Parse the options of a row."""
    values = json.loads(asked)
    if "env" in values:
        values["env"] = tuple((name, value) for name, value in values["env"])
    if "creates" in values:
        values["creates"] = tuple(values["creates"])
    return Options(**values)
