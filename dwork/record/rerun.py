"""Why each task of a plan would run: for people who ask before they run it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Final

from dwork.core.task import Options, State, Task
from dwork.record.resume import Plan, Recorded


class Reason(Enum):
    """Why a task would run, in words that follow a number of tasks; in the order in which people read them."""

    NEW = "new"
    WAITING = "not run yet"
    RUNNING = "running when the last run ended"
    LOST = "lost with a worker or a run"
    FAILED = "failed"
    SKIPPED = "skipped, since a task before failed"
    CANCELLED = "cancelled"
    COMMAND = "done, but the command changed"
    SHELL = "done, but the shell or the setup block changed"
    DIRECTORY = "done, but the directory changed"
    VARIABLES = "done, but the environment changed"
    CONDITIONS = "done, but the options for the environment changed"
    GONE = "done, but a file that it creates is gone"
    REPEATS = "done, but a line with the same command is gone"
    AFTER = "done, but after a task that runs again"

    __hash__ = object.__hash__  # Enum's own is a slow Python function


_OF_STATE: Final = {
    State.WAITING: Reason.WAITING,
    State.READY: Reason.WAITING,
    State.ASSIGNED: Reason.RUNNING,
    State.FAILED: Reason.FAILED,
    State.SKIPPED: Reason.SKIPPED,
    State.CANCELLED: Reason.CANCELLED,
}


def reasons(
    plan: Plan, recorded: Iterable[Recorded], first_missing: Callable[[Options], str | None]
) -> dict[str, Reason]:
    """Return why each task of a plan would run, by name. recorded, first_missing: those that the plan was made of."""
    before = {entry.task.name: entry for entry in recorded}
    done = {entry.task.name for entry in plan.entries if entry.state is State.DONE}
    there = {entry.task.name for entry in plan.entries}
    found = {}
    for entry in plan.entries:
        task = entry.task
        if entry.state is not State.DONE and task.command is not None:
            known = before.get(task.name)
            if known is None:
                found[task.name] = Reason.NEW
            elif known.state is not State.DONE:
                is_lost = known.losses and known.state is State.WAITING
                found[task.name] = Reason.LOST if is_lost else _OF_STATE[known.state]
            elif (change := _change(task, known.task)) is not None:
                found[task.name] = change
            elif plan.conditions:
                found[task.name] = Reason.CONDITIONS
            elif any(name in there and name not in done for name in task.predecessors):
                found[task.name] = Reason.AFTER
            else:
                found[task.name] = Reason.GONE if first_missing(task.options) is not None else Reason.REPEATS
    return found


def _change(task: Task, known: Task) -> Reason | None:
    """Return what has changed of what a task runs."""
    now, then = task.options, known.options
    if task.command != known.command:
        return Reason.COMMAND
    if now.shell != then.shell:
        return Reason.SHELL
    if now.cwd != then.cwd:
        return Reason.DIRECTORY
    return Reason.VARIABLES if now.env != then.env else None


def grouped(found: Mapping[str, Reason], names: int) -> list[tuple[Reason, int, list[str]]]:
    """Return, in the order of Reason, those that there are: how often, and the names of the first few tasks."""
    counts = Counter(found.values())
    first: dict[Reason, list[str]] = {reason: [] for reason in Reason if counts[reason]}
    for name, reason in found.items():
        if len(first[reason]) < names:
            first[reason].append(name)
    return [(reason, counts[reason], some) for reason, some in first.items()]
