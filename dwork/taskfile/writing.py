"""Write tasks as text that `parse` reads back as the same tasks.

Rules. The shell and the setup block come first: all tasks share them, except for a shell of their own. Then tasks are
written in order, without what a file implies: the name only when it is not the command, options only when they are not
the defaults. A line cannot express everything: it has no environment, no newline, and no comma in the
name of a predecessor; an argument list becomes the equivalent shell command. Whether a line expresses all of a task is
tested by reading it back.

A name that a file cannot contain (it has a comma or a control character) is omitted when nothing refers to it;
otherwise, in objects, such characters become `_`.
"""

from __future__ import annotations

import json
import re
import shlex
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, Final

from dwork.core.errors import TaskFileError
from dwork.core.shell import DEFAULT, Shell
from dwork.core.task import Options, Task
from dwork.core.text import as_name, shown, user_bytes
from dwork.taskfile import jsonl, lines
from dwork.taskfile.directive import MARK
from dwork.taskfile.draft import Draft, Pool
from dwork.taskfile.flat import barriers, closed, flat
from dwork.taskfile.options import created
from dwork.taskfile.problems import Problems
from dwork.taskfile.shell_choice import END, SETUP
from dwork.taskfile.text import decoded, fit_name

_FIELDS: Final = {field.name: (field.name.replace("_", "-"), field.default) for field in fields(Options)}
_BARRIER: Final = "#DWORK barrier"
_SETUP, _END = f"{MARK} {SETUP}", f"{MARK} {END}"
_UNFIT: Final = re.compile("[,\x00-\x1f\x7f-\x9f]")
#: Decimals of a time on a line: fractions of a nanosecond are dropped.
_DIGITS: Final = 9


class Unwritable(Exception):
    """A task cannot be written in this format; the message names the task and the reason."""


def as_lines(tasks: Sequence[Task], remarks: Mapping[str, str], heading: str = "") -> list[str]:
    """Return the tasks as a file of lines. remarks: by name of a task, the comment to write above it.

    Predecessors that are not among the tasks are dropped. Raise Unwritable when a line cannot express a task.
    """
    known = closed(tasks)
    gates = barriers(known)
    shell, rows = _without_shell(list(flat(known, gates)))
    names = _Names(rows, rename=False)
    text = _first_lines(shell, heading)
    for task in rows:
        if task.command is None:
            if text[-1:] != [_BARRIER]:  # a barrier directly after another adds nothing
                text.append(_BARRIER)
            continue
        if task.name in remarks:
            text.append(f"# {shown(remarks[task.name], 1000)}")
        text.append(_written(_for_lines(task), names, _line, lines.read))
    return text


def as_objects(tasks: Sequence[Task]) -> list[str]:
    """Return the tasks as a file of JSON objects; otherwise like as_lines, without remarks."""
    shell, rows = _without_shell(list(flat(closed(tasks))))
    names = _Names(rows, rename=True)
    first = []
    if shell != DEFAULT:
        first = [json.dumps({"setup": "\n".join(shell.setup), "shell": shlex.join(shell.words)})]
    return first + [_written(_for_objects(task), names, _object, jsonl.read) for task in rows]


def _without_shell(tasks: list[Task]) -> tuple[Shell, list[Task]]:
    """Return the shell that a file can name for all tasks, and the tasks, which name only a different one."""
    shells = Counter(task.options.shell or DEFAULT for task in tasks if task.command is not None)
    if len({shell.setup for shell in shells}) > 1:
        raise Unwritable("the tasks have different setup blocks, and a file has one for all")
    common = shells.most_common(1)[0][0] if shells else DEFAULT
    if common == DEFAULT and len(shells) < 2:
        return DEFAULT, tasks
    bare = {shell: None if shell.words == common.words else Shell(shell.words) for shell in shells}
    return common, [
        task
        if task.command is None
        else task._replace(options=replace(task.options, shell=bare[task.options.shell or DEFAULT]))
        for task in tasks
    ]


def _first_lines(shell: Shell, heading: str) -> list[str]:
    lines = []
    if shell.words != DEFAULT.words:
        program = shell.words[0]
        found = "" if "/" in program else "/usr/bin/env " if len(shell.words) == 1 else "/usr/bin/env -S "
        lines.append(f"#!{found}{shlex.join(shell.words)}")
    if heading:
        lines.append(heading)
    if shell.setup:
        text = "\n".join(shell.setup).split("\n")
        if _END in map(str.strip, text):
            raise Unwritable(f"the setup block contains the line {_END}")
        lines += [_SETUP, *text, _END]
    return lines


class _Names:
    """The names of the tasks in the file. rename: names that the file cannot contain are replaced."""

    def __init__(self, tasks: Sequence[Task], rename: bool) -> None:
        self._wanted = {name for task in tasks for name in task.predecessors}
        self._position = {task.name: i for i, task in enumerate(tasks)}
        self._renamed: dict[str, str] = {}
        if rename:
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
            self._renamed[task.name] = name

    def of(self, task: Task) -> str | None:
        """Return the name to write for a task; None when it needs none."""
        name = self._renamed.get(task.name, task.name)
        if name == _implied(task) or (not _is_fit(name) and self._is_needless(task)):
            return None
        return name

    def written(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Return names of tasks as they are in the file."""
        return tuple(self._renamed.get(name, name) for name in names) if self._renamed else names

    def _is_needless(self, task: Task) -> bool:
        """Return whether a task can go without a name: nothing refers to it, and no later task has its implied name."""
        position = self._position
        return task.name not in self._wanted and position.get(_implied(task), -1) < position[task.name]


def _implied(task: Task) -> str:
    """Return the name that a task has in a file that does not name it."""
    assert task.command is not None
    return as_name(task.command if isinstance(task.command, str) else shlex.join(task.command))


def _is_fit(name: str) -> bool:
    try:
        return fit_name(name) == name
    except ValueError:
        return False


def _line(task: Task, name: str | None) -> str:
    command = task.command
    assert isinstance(command, str)
    pairs = {} if name is None else {"name": name}
    if task.after:
        pairs["after"] = ",".join(task.after)
    if task.after_any:
        pairs["after-any"] = ",".join(task.after_any)
    for key, value in _options(task.options):
        if key == "shell":
            pairs[key] = shlex.join(value.words)
        elif key == "memory":
            pairs[key] = f"{value}B"
        elif key == "warn":
            pairs[key] = str(value)
        elif key != "env":
            pairs[key] = _text(value)
    words = " ".join(f"{key}={shlex.quote(value)}" for key, value in pairs.items())
    return f"{command} #DWORK {words}" if words else command


def _text(value: float | str | tuple[str, ...]) -> str:
    if isinstance(value, tuple):
        return ",".join(value)
    return f"{value:.{_DIGITS}f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def _object(task: Task, name: str | None) -> str:
    found: dict[str, Any] = {"command": task.command}
    if name is not None:
        found["name"] = name
    if task.after:
        found["after"] = task.after
    if task.after_any:
        found["after-any"] = task.after_any
    for key, value in _options(task.options):
        if key == "env":
            value = dict(value)
        elif key == "shell":
            value = shlex.join(value.words)
        elif key == "warn":
            value = str(value)
        found[key] = value
    return json.dumps(found)


def _options(options: Options) -> Iterator[tuple[str, Any]]:
    """Yield the options that differ from the defaults."""
    for field, (key, default) in _FIELDS.items():
        value = getattr(options, field)
        if value != default:
            yield key, value


def _for_lines(task: Task) -> Task:
    """Return the task as a line can express it: run by a shell, and with times rounded to _DIGITS decimals."""
    options = task.options
    times = {key: value for key in ("timeout", "grace", "min_time") if (value := getattr(options, key))}
    if any(value != round(value, _DIGITS) for value in times.values()):
        options = replace(options, **{key: round(value, _DIGITS) for key, value in times.items()})
    command = shlex.join(task.command) if isinstance(task.command, tuple) else task.command
    return task._replace(command=command, options=options)


def _for_objects(task: Task) -> Task:
    """Return the task with each variable once, with its last value."""
    env = tuple(dict(task.options.env).items())
    return task if env == task.options.env else task._replace(options=replace(task.options, env=env))


def _written(
    task: Task,
    names: _Names,
    write: Callable[[Task, str | None], str],
    read: Callable[[Draft, str, Pool], None],
) -> str:
    """Return the text of a task. Raise Unwritable when reading it back gives a different task."""
    name = names.of(task)
    after, after_any = names.written(task.after), names.written(task.after_any)
    meant = Task(_implied(task) if name is None else name, task.command, after, task.options, "", after_any)
    text = write(meant, name)
    reason = "reading it back would give a different task"
    try:
        draft = Draft("", Problems())
        read(draft, decoded("", user_bytes(f"{text}\n")), {})
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
    if any("," in name for name in task.predecessors):
        return "it depends on a task with a comma in its name"
    try:
        is_fit = not task.options.creates or created(",".join(task.options.creates)) == task.options.creates
    except ValueError:
        is_fit = False
    return "" if is_fit else "it creates a file whose name a line cannot hold"
