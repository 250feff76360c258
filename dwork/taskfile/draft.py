"""One task file as read, before its names are resolved."""

from __future__ import annotations

import shlex
from array import array
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from dwork.core.argv import arguments
from dwork.core.errors import TaskFileError
from dwork.core.task import PLAIN, Command, Options, Task
from dwork.core.text import as_name
from dwork.taskfile.shell_choice import ShellChoice, shell_for
from dwork.taskfile.text import TOO_LONG_WITH_SETUP, problem, too_long

#: Interned Options: a million tasks use only a handful of different ones.
Pool = dict[Options, Options]

#: The most tasks that a repeat count in a file may create: more is a typing error, and would exhaust memory.
MOST: Final = 10_000_000


class Draft:
    """The tasks of one file, in order; `after` of each holds names, and perhaps globs, as written in the file.

    lines: the line of each task. given: 1 where the file names the task, 0 where its command is the name.
    barriers: (position, line) pairs; the tasks from that position on wait for all tasks before it. after_any: the lines
    of the barriers that wait only for the end of these. globs: whether an item of `after` can be a glob. spans: for the
    position of a task, the (start, stop) ranges of its predecessors, in formats that have ranges. remarks: notes for
    the user, each with the first line it applies to. shell: what the file says about the shell of its lines.
    Columns instead of one object per row halve the peak memory.
    """

    __slots__ = ("after_any", "barriers", "given", "globs", "lines", "remarks", "shell", "source", "spans", "tasks")

    def __init__(self, source: str, globs: bool = False) -> None:
        self.source = source
        self.globs = globs
        self.tasks: list[Task] = []
        self.lines = array("L")
        self.given = bytearray()
        self.barriers: list[tuple[int, int]] = []
        self.after_any: set[int] = set()
        self.spans: dict[int, list[tuple[int, int]]] = {}
        self.remarks: dict[str, int] = {}
        self.shell = ShellChoice()

    def add(
        self,
        line: int,
        name: str | None,
        command: Command,
        after: tuple[str, ...] = (),
        options: Options = PLAIN,
        text: str | None = None,
        after_any: tuple[str, ...] = (),
    ) -> None:
        """Append a task; without a name, its name is the text or else the command, quoted for a shell."""
        self.given.append(name is not None)
        if name is None:
            name = _named_after(command) if text is None else as_name(text)
        elif name == command:
            name = command
        self.tasks.append(Task(name, command, after, options, "", after_any))
        self.lines.append(line)

    def problem(self, line: int, text: str) -> TaskFileError:
        """Return the error for something wrong in a line of this file."""
        return problem(self.source, line, text)

    def remark(self, line: int, text: str) -> None:
        """Keep a note for the user; one that applies to many lines is reported once."""
        self.remarks.setdefault(text, line)

    def set_shell(self, given: ShellChoice, pool: Pool) -> None:
        """Give all tasks their shell. given: the choice of the command line. Raise TaskFileError when one cannot be."""
        known: dict[int, Options] = {}
        for i, task in enumerate(self.tasks):
            options = known.get(id(task.options))
            try:
                if options is None:
                    shell = shell_for(task.options, self.shell, given)
                    options = replace(task.options, shell=shell)
                    options = known[id(task.options)] = pool.setdefault(options, options)
                if (shell := options.shell) and shell.setup:
                    script = arguments(task.command, shell)[len(shell.words) + 1]
                    if too_long(script):
                        raise ValueError(TOO_LONG_WITH_SETUP)
            except ValueError as error:
                raise self.problem(self.lines[i], str(error)) from None
            if options is not task.options:
                self.tasks[i] = task._replace(options=options)

    def expect(self, n: int) -> None:
        """Raise ValueError when n more tasks would exceed MOST."""
        if len(self.tasks) + n > MOST:
            raise ValueError(f"the file defines more than {MOST:,} tasks; correct the number, or split the file")

    def segments(self) -> Iterator[tuple[int, int, int]]:
        """Yield (start, stop, line) for each run of tasks between barriers; line is that of the barrier above, or 0."""
        start = line = 0
        for position, next_line in self.barriers:
            if position > start:
                yield start, position, line
                start, line = position, next_line
        if len(self.tasks) > start:
            yield start, len(self.tasks), line


def _named_after(command: Command) -> str:
    assert command is not None
    if isinstance(command, str):
        return as_name(command)
    name = as_name(shlex.join(command))
    if too_long(name):
        raise ValueError("the command is too long to serve as the task's name; add a name")
    return name
