"""The types of command-line options that several programs share."""

from __future__ import annotations

from typing import Any

import click

from dwork.errors import UsageError
from dwork.halt import Halt
from dwork.taskfile import duration, memory


class _Parsed(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A type by a function that raises ValueError or UsageError with a text for people."""

    def __init__(self, name: str, parse: Any) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return self._parse(value)
        except (ValueError, UsageError) as error:
            self.fail(str(error), param, ctx)


def _positive(text: str) -> float:
    seconds = duration(text)
    if seconds <= 0:
        raise ValueError("it must be more than nothing")
    return seconds


#: Seconds, more than 0, from `90s`, `2h`, `1:30:00`.
DURATION = _Parsed("duration", _positive)
#: Bytes, from `2G`.
MEMORY = _Parsed("memory", memory)
#: A Halt, or None for `never`.
HALT = _Parsed("halt", Halt.parse)
