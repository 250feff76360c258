"""The error for dependency cycles: tasks that wait for one another."""

from __future__ import annotations

from collections.abc import Sequence

from dwork.core.errors import TaskFileError
from dwork.core.task import Task
from dwork.core.text import shown
from dwork.core.toposort import topological
from dwork.taskfile.roster import Roster


def refuse_circle(tasks: Sequence[Task], roster: Roster) -> None:
    """Raise TaskFileError when tasks, including joins, wait for one another."""
    position = {task.name: i for i, task in enumerate(tasks)}
    _, found = topological([[position[name] for name in task.predecessors if name in position] for task in tasks])
    if found:
        raise circle(roster, [tasks[i].name for i in found])


def circle(roster: Roster, names: Sequence[str]) -> TaskFileError:
    """Return the error for a cycle of names, each the predecessor of the next, starting with the topmost task."""
    start, first = min((roster.index[name], k) for k, name in enumerate(names) if name in roster.index)[::-1]
    around = [*names[start:], *names[: start + 1]]
    text = " -> ".join(map(shown, around))
    return roster.problem(first, f"these tasks wait for one another: {text}; remove one of these dependencies")
