"""One task file as read, before its names are looked up."""

from __future__ import annotations

import shlex
from array import array
from collections.abc import Iterator
from typing import Final

from dwork.core.errors import TaskFileError
from dwork.core.task import PLAIN, Command, Options, Task
from dwork.taskfile.text import problem, proper, too_long

#: Equal Options made one object: a million tasks ask for a handful of different things.
Pool = dict[Options, Options]

#: No file that says "so many of these" makes more tasks than that: it is a slip, and memory would run out.
MOST: Final = 10_000_000


class Draft:
    """The tasks of one file, in order; `after` of each holds what stands in the file: names, and perhaps globs.

    lines: where each task stands. given: 1 where the file names the task, 0 where its command is the name.
    barriers: (position, line) pairs; the tasks from that position on wait for all tasks before it.
    globs: whether an item of `after` can be a glob. spans: of a task's position, the (start, stop) of those that it
    comes after, where a file says it so. remarks: what a user should know, with the line where it first holds.
    Columns, not a row object each: half the memory at its peak.
    """

    __slots__ = ("barriers", "given", "globs", "lines", "remarks", "source", "spans", "tasks")

    def __init__(self, source: str, globs: bool = False) -> None:
        self.source = source
        self.globs = globs
        self.tasks: list[Task] = []
        self.lines = array("L")
        self.given = bytearray()
        self.barriers: list[tuple[int, int]] = []
        self.spans: dict[int, list[tuple[int, int]]] = {}
        self.remarks: dict[str, int] = {}

    def add(
        self,
        line: int,
        name: str | None,
        command: Command,
        after: tuple[str, ...] = (),
        options: Options = PLAIN,
        text: str | None = None,
    ) -> None:
        """Append a task; without a name it is called by its text, or else by the command as a shell would take it."""
        self.given.append(name is not None)
        if name is None:
            name = _named_after(command) if text is None else proper(text)
        elif name == command:
            name = command
        self.tasks.append(Task(name, command, after, options))
        self.lines.append(line)

    def problem(self, line: int, text: str) -> TaskFileError:
        """Return the error for something wrong in a line of this file."""
        return problem(self.source, line, text)

    def remark(self, line: int, text: str) -> None:
        """Keep what a user should know; what holds for many lines is told once."""
        self.remarks.setdefault(text, line)

    def expect(self, n: int) -> None:
        """Raise ValueError when n more tasks would be too many."""
        if len(self.tasks) + n > MOST:
            raise ValueError(f"the file defines more than {MOST:,} tasks; correct the number, or split the file")

    def segments(self) -> Iterator[tuple[int, int, int]]:
        """Yield (start, stop, line): each run of tasks between barriers, and the line of the barrier above it or 0."""
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
        return proper(command)
    name = proper(shlex.join(command))
    if too_long(name):
        raise ValueError("the command is too long to serve as the task's name; add a name")
    return name
