"""Tasks as text that `parse` reads back as the same tasks.

Rules. Tasks are written in their order, and only what differs from what a file means anyway: a name when it is not the
command, options when they are not the defaults. A line cannot say all: it has no environment, no newline, no comma in a
name that another comes after; an argument list becomes a shell's line that means the same. Whether it says all of a
task is not judged but tried: what is written is read back.

A name that no file may give (there is a comma in it, or a control character) is left out where nothing refers to it;
else, in objects, such characters become `_`.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, Final

from dwork.core.errors import TaskFileError
from dwork.core.task import Options, Task
from dwork.core.text import shown
from dwork.taskfile import jsonl, lines
from dwork.taskfile.draft import Draft, Pool
from dwork.taskfile.flat import barriers, closed, flat
from dwork.taskfile.text import decoded, fit_name, proper

_FIELDS: Final = {field.name: (field.name.replace("_", "-"), field.default) for field in fields(Options)}
_BARRIER: Final = "#DWORK barrier"
_UNFIT: Final = re.compile("[,\x00-\x1f\x7f-\x9f]")
#: Digits after the point that a line can have: less than a nanosecond is dropped.
_DIGITS: Final = 9


class Unwritable(Exception):
    """A task cannot be written in this format; the text says which one, and why."""


def as_lines(tasks: Sequence[Task], remarks: Mapping[str, str]) -> list[str]:
    """The lines of a file of lines. remarks: what is to stand in a comment above a task, by its name.

    What tasks come after that is not among them is forgotten. Raise Unwritable when lines cannot say it.
    """
    known = closed(tasks)
    gates = barriers(known)
    rows = list(flat(known, gates))
    names = _Names(rows, anew=False)
    text: list[str] = []
    for task in rows:
        if task.command is None:
            if text[-1:] != [_BARRIER]:  # one that comes after nothing but another
                text.append(_BARRIER)
            continue
        if task.name in remarks:
            text.append(f"# {shown(remarks[task.name], 1000)}")
        text.append(_written(_for_lines(task), names, _line, lines.read))
    return text


def as_objects(tasks: Sequence[Task]) -> list[str]:
    """The lines of a file of JSON objects; else as as_lines."""
    rows = list(flat(closed(tasks)))
    names = _Names(rows, anew=True)
    return [_written(_for_objects(task), names, _object, jsonl.read) for task in rows]


class _Names:
    """What tasks are called in the file. anew: some may get another name."""

    def __init__(self, tasks: Sequence[Task], anew: bool) -> None:
        self._wanted = {name for task in tasks for name in task.after}
        self._position = {task.name: i for i, task in enumerate(tasks)}
        self._anew: dict[str, str] = {}
        if anew:
            self._rename(tasks)

    def _rename(self, tasks: Sequence[Task]) -> None:
        taken = {task.name for task in tasks}
        for task in tasks:
            if task.name == _implied(task) or _is_fit(task.name) or self._is_needless(task):
                continue
            plain = name = _UNFIT.sub("_", task.name)
            n = 2
            while name in taken:
                name = f"{plain} #{n}"
                n += 1
            taken.add(name)
            self._anew[task.name] = name

    def of(self, task: Task) -> str | None:
        """The name to give to a task; None when it needs none."""
        name = self._anew.get(task.name, task.name)
        if name == _implied(task) or (not _is_fit(name) and self._is_needless(task)):
            return None
        return name

    def after(self, task: Task) -> tuple[str, ...]:
        return tuple(self._anew.get(name, name) for name in task.after) if self._anew else task.after

    def _is_needless(self, task: Task) -> bool:
        """Whether nothing refers to it, and it takes nobody's name when it is given none: who is first has that."""
        position = self._position
        return task.name not in self._wanted and position.get(_implied(task), -1) < position[task.name]


def _implied(task: Task) -> str:
    """The name that a task has in a file that gives it none."""
    assert task.command is not None
    return proper(task.command if isinstance(task.command, str) else shlex.join(task.command))


def _is_fit(name: str) -> bool:
    try:
        return fit_name(name) == name
    except ValueError:
        return False


def _line(task: Task, name: str | None) -> str:
    command = task.command
    assert isinstance(command, str)
    said = {} if name is None else {"name": name}
    if task.after:
        said["after"] = ",".join(task.after)
    for key, value in _options(task.options):
        if key != "env":
            said[key] = _number(value) if isinstance(value, float) else str(value)
    words = " ".join(f"{key}={shlex.quote(value)}" for key, value in said.items())
    return f"{command} #DWORK {words}" if words else command


def _number(value: float) -> str:
    return f"{value:.{_DIGITS}f}".rstrip("0").rstrip(".")


def _object(task: Task, name: str | None) -> str:
    found: dict[str, Any] = {"command": task.command}
    if name is not None:
        found["name"] = name
    if task.after:
        found["after"] = task.after
    for key, value in _options(task.options):
        found[key] = dict(value) if key == "env" else value
    return json.dumps(found)


def _options(options: Options) -> Iterator[tuple[str, Any]]:
    """What is not as it is anyway."""
    for field, (key, default) in _FIELDS.items():
        value = getattr(options, field)
        if value != default:
            yield key, value


def _for_lines(task: Task) -> Task:
    """The task as near as a line can say it: started by a shell, and with times that are not finer than can be."""
    options = task.options
    times = {key: value for key in ("timeout", "min_time") if (value := getattr(options, key))}
    if any(value != round(value, _DIGITS) for value in times.values()):
        options = replace(options, **{key: round(value, _DIGITS) for key, value in times.items()})
    command = shlex.join(task.command) if isinstance(task.command, tuple) else task.command
    return task._replace(command=command, options=options)


def _for_objects(task: Task) -> Task:
    """The task with each variable once, the last value of it."""
    env = tuple(dict(task.options.env).items())
    return task if env == task.options.env else task._replace(options=replace(task.options, env=env))


def _written(
    task: Task,
    names: _Names,
    write: Callable[[Task, str | None], str],
    read: Callable[[str, str, Pool], Draft],
) -> str:
    """The text of a task, when it says all of it."""
    name = names.of(task)
    meant = task._replace(name=_implied(task) if name is None else name, after=names.after(task), origin="")
    text = write(meant, name)
    reason = "reading it back would give a different task"
    try:
        draft = read("", decoded("", f"{text}\n".encode("utf-8", "surrogateescape")), {})
        if draft.tasks == [meant] and not draft.barriers:
            return text
    except TaskFileError as error:
        reason = str(error).partition(": ")[2]
    if write is _line:
        reason = _beyond_lines(meant) or reason
    raise Unwritable(f"task {shown(task.name)!r} cannot be written: {reason}")


def _beyond_lines(task: Task) -> str:
    if task.options.env:
        return "a line cannot set environment variables"
    if isinstance(task.command, str) and "\n" in task.command:
        return "its command has more than one line"
    if any("," in name for name in task.after):
        return "it depends on a task with a comma in its name"
    return ""
