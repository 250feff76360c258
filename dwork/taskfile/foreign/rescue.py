"""Rescue files of pegasus-mpi-cluster, which list the finished tasks, and graphs without these."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from dwork.core.task import Task
from dwork.core.text import as_name, shown
from dwork.taskfile.foreign.dag import FIELD
from dwork.taskfile.problems import Problems
from dwork.taskfile.text import decoded, problem


class Rescue:
    """A rescue file. done: the line of each id that it lists."""

    def __init__(self, name: str, data: bytes) -> None:
        """Read the `DONE id` lines. Raise TaskFileError, with the line, for any other line."""
        self.name = name
        self.done: dict[str, int] = {}
        for number, line in enumerate(decoded(name, data).split("\n"), 1):
            record = line.strip(" \t\r")
            if not record or record[0] == "#":
                continue
            word, *ids = FIELD.split(record)
            if word != "DONE" or len(ids) != 1:
                raise problem(name, number, f'"{shown(record)}" is not "DONE id"; correct or delete this line')
            self.done.setdefault(as_name(ids[0]), number)

    def check(self, tasks: Sequence[Task], problems: Problems) -> None:
        """Report each line that lists none of the tasks, as pegasus-mpi-cluster does."""
        if self.done.keys() <= (names := {task.name for task in tasks}):
            return
        for id, number in self.done.items():
            if id not in names:
                text = f'no TASK "{shown(id)}" in the dag; delete this line, or the file if it belongs to another dag'
                problems.report(problem(self.name, number, text))


def without(tasks: Sequence[Task], done: Collection[str]) -> list[Task]:
    """Return the tasks that are not done, without references to those that are."""
    done = frozenset(done)
    return [
        task if done.isdisjoint(task.predecessors) else task.without_predecessors(done)
        for task in tasks
        if task.name not in done
    ]
