"""One task file as read, before its names are resolved."""

from __future__ import annotations

import re
import shlex
from array import array
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from dwork.core.argv import arguments
from dwork.core.errors import TaskFileError
from dwork.core.task import PLAIN, Command, Options, Task
from dwork.core.text import as_name
from dwork.taskfile.problems import Problems
from dwork.taskfile.shell_choice import ShellChoice, shell_for
from dwork.taskfile.text import TOO_LONG_WITH_SETUP, problem, too_long

#: Interned Options: a million tasks use only a handful of different ones.
Pool = dict[Options, Options]

#: The most tasks that a repeat count in a file may create: more is a typing error, and would exhaust memory.
MOST: Final = 10_000_000
#: More lost lines than this may define any task.
_MANY: Final = 1000
#: What follows the command in the name of a repeated line.
_REPEAT: Final = re.compile(r" #[0-9]+\Z")

_FORM: Final = "add a task with that name, or correct the name"


class Draft:
    """The tasks of one file, in order; `after` of each holds names, and perhaps globs, as written in the file.

    lines: the line of each task. given: 1 where the file names the task, 0 where its command is the name. barriers:
    (position, line) pairs; the tasks from that position on wait for all tasks before it. after_any: the lines of the
    barriers that wait only for the end of these. globs: whether an item of `after` can be a glob. spans: for the
    position of a task, the (start, stop) ranges of its predecessors, in formats that have ranges. remarks: notes for
    the user, each with the first line it applies to. form: advice for a name that no task has. shell: what the file
    says about the shell of its lines. problems: where mistakes are reported. lost: by line, the text that could not be
    read; empty when even that is unknown.
    Columns instead of one object per row halve the peak memory.
    """

    __slots__ = (
        "after_any", "barriers", "form", "given", "globs", "lines", "lost", "problems", "remarks", "shell", "source",
        "spans", "tasks",
    )  # fmt: skip

    def __init__(self, source: str, problems: Problems) -> None:
        self.source = source
        self.problems = problems
        self.form = _FORM
        self.lost: dict[int, str] = {}
        self.globs = False
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

    def report(self, line: int, text: str) -> None:
        """Report something wrong in a line of this file."""
        self.problems.report(self.problem(line, text))

    def lose(self, line: int, error: Exception, text: str = "") -> None:
        """Report why a line cannot be read, a ValueError or TaskFileError. text: of the line, if that is known."""
        self.problems.report(error if isinstance(error, TaskFileError) else self.problem(line, str(error)))
        self.lost.setdefault(line, text)

    def may_have_lost(self, name: str) -> bool:
        """Return whether a line that could not be read may define the task of this name."""
        plain = _without_quotes(_REPEAT.sub("", name))
        return len(self.lost) > _MANY or any(not text or plain in _without_quotes(text) for text in self.lost.values())

    def remark(self, line: int, text: str) -> None:
        """Keep a note for the user; one that applies to many lines is reported once."""
        self.remarks.setdefault(text, line)

    def set_shell(self, given: ShellChoice, pool: Pool) -> None:
        """Give all tasks their shell. given: the choice of the command line."""
        known: dict[int, Options] = {}
        for i, task in enumerate(self.tasks):
            options = known.get(id(task.options))
            try:
                if options is None:
                    options = known[id(task.options)] = task.options  # what is wrong with its shell is reported once
                    options = replace(options, shell=shell_for(options, self.shell, given))
                    options = known[id(task.options)] = pool.setdefault(options, options)
                if (shell := options.shell) and shell.setup:
                    script = arguments(task.command, shell)[len(shell.words) + 1]
                    if too_long(script):
                        raise ValueError(TOO_LONG_WITH_SETUP)
            except ValueError as error:
                self.report(self.lines[i], str(error))
                continue
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


def _without_quotes(text: str) -> str:
    return text.replace("\\", "").replace('"', "").replace("'", "")


def _named_after(command: Command) -> str:
    assert command is not None
    if isinstance(command, str):
        return as_name(command)
    name = as_name(shlex.join(command))
    if too_long(name):
        raise ValueError("the command is too long to serve as the task's name; add a name")
    return name
