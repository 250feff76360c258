"""The errors for dependency cycles: tasks that wait for one another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from dwork.core.task import Task
from dwork.core.text import shown
from dwork.core.toposort import topological
from dwork.taskfile.roster import Roster

#: The most cycles to report: the search for each takes as long as the first.
_MOST: Final = 10


def report_circles(tasks: Sequence[Task], roster: Roster) -> None:
    """Report tasks, including joins, that wait for one another; of cycles with a common task, one."""
    position = {task.name: i for i, task in enumerate(tasks)}
    predecessors = [[position[name] for name in task.predecessors if name in position] for task in tasks]
    for _ in range(_MOST):
        _, found = topological(predecessors)
        if not found:
            return
        report_circle(roster, [tasks[i].name for i in found])
        for i in found:
            predecessors[i] = []


def report_circle(roster: Roster, names: Sequence[str]) -> None:
    """Report a cycle of names, each the predecessor of the next, at its topmost task."""
    start, first = min((roster.index[name], k) for k, name in enumerate(names) if name in roster.index)[::-1]
    around = [*names[start:], *names[: start + 1]]
    text = " -> ".join(map(shown, around))
    roster.report(first, f"these tasks wait for one another: {text}; remove one of these dependencies")
