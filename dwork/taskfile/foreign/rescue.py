"""Rescue files of pegasus-mpi-cluster, which list the finished tasks, and graphs without these."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from dwork.core.task import Task
from dwork.core.text import as_name, shown
from dwork.taskfile.foreign.dag import FIELD
from dwork.taskfile.text import decoded, problem


def rescued(data: bytes, name: str) -> frozenset[str]:
    """Return the ids of a rescue file's `DONE id` lines. Raise TaskFileError, with the line, for any other line."""
    done = set()
    for number, line in enumerate(decoded(name, data).split("\n"), 1):
        record = line.strip(" \t\r")
        if not record or record[0] == "#":
            continue
        word, *ids = FIELD.split(record)
        if word != "DONE" or len(ids) != 1:
            raise problem(name, number, f'"{shown(record)}" is not "DONE id"; correct or delete this line')
        done.add(as_name(ids[0]))
    return frozenset(done)


def without(tasks: Sequence[Task], done: Collection[str]) -> list[Task]:
    """Return the tasks that are not done, without references to those that are."""
    done = frozenset(done)
    return [
        task if done.isdisjoint(task.predecessors) else task.without_predecessors(done)
        for task in tasks
        if task.name not in done
    ]
