"""What of a recorded run need not be run again: the task files as they are now, beside the record.

A task stays done when the record says so, what it runs is the same (command, directory, environment), and all that it
comes after stays done. So a changed command runs again, and so does all that follows. Tasks that were added while the
pool ran are in no file, and go on as they were; lines that are gone from the files stay in the record, and do not run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from dwork.errors import UsageError
from dwork.graph import Restored
from dwork.order import topological
from dwork.task import State, Task


class Recorded(NamedTuple):
    """A task as the record has it. removed: the files had it no more; extended: predecessors that it got later.

    attempt, holder: the last attempt, and who made it or was making it. failures: attempts that ended badly.
    """

    id: int
    task: Task
    state: State
    attempt: int = 0
    holder: str | None = None
    held: bool = False
    removed: bool = False
    extended: tuple[str, ...] = ()
    failures: int = 0


@dataclass(slots=True)
class Plan:
    """What is to be done to run task files beside a record.

    entries: all tasks of the graph. new: those that the record lacks. changed: those that it has otherwise. again:
    ids of those that it calls ended and that run again. removed: ids of those that are in no file any more. done: how
    many are done before; failed: how many failed and are tried again; known: whether there was anything before.
    """

    entries: list[Restored] = field(default_factory=list)
    new: list[Restored] = field(default_factory=list)
    changed: list[Restored] = field(default_factory=list)
    again: list[int] = field(default_factory=list)
    removed: list[int] = field(default_factory=list)
    done: int = 0
    failed: int = 0
    known: bool = False


def plan(tasks: Sequence[Task], recorded: Iterable[Recorded] = ()) -> Plan:
    """Compare; UsageError when a task that was added later comes after one that is gone from the files undone."""
    before = {entry.task.name: entry for entry in recorded}
    result = Plan(known=bool(before))
    if not before:
        result.entries = [Restored(id, task) for id, task in enumerate(tasks)]
        result.new = result.entries
        return result
    names = {task.name for task in tasks}
    added = [e for e in before.values() if e.task.origin and e.task.name not in names]
    gone = [e for e in before.values() if not e.task.origin and e.task.name not in names]
    result.removed = [e.id for e in gone if not e.removed]
    wanted = [_extended(task, before.get(task.name)) for task in tasks]
    wanted += [_added(e, names, before) for e in added]
    done = _done(wanted, before)
    next_id = 1 + max(e.id for e in before.values())
    for task in wanted:
        known = before.get(task.name)
        if known is None:
            entry = Restored(next_id, task)
            next_id += 1
            result.new.append(entry)
        else:
            state = State.DONE if done[task.name] else State.WAITING
            holder = known.holder if state is State.DONE else None
            entry = Restored(known.id, task, state, known.attempt, holder, known.held)
            if known.task != task or known.removed:
                result.changed.append(entry)
            if known.state is not state and task.command is not None:
                result.again.append(known.id)
            result.failed += known.state is State.FAILED
        result.done += done[task.name] and task.command is not None
        result.entries.append(entry)
    return result


def _extended(task: Task, known: Recorded | None) -> Task:
    """The task with the predecessors that it got while the pool ran."""
    if known is None or not known.extended:
        return task
    return task._replace(after=tuple(dict.fromkeys((*task.after, *known.extended))))


def _added(entry: Recorded, names: set[str], before: Mapping[str, Recorded]) -> Task:
    """A task that was added while the pool ran, without predecessors that are gone and were done."""
    after = []
    for name in entry.task.after:
        known = before.get(name)
        if name in names or (known is not None and known.task.origin):
            after.append(name)
        elif known is not None and known.state is not State.DONE and entry.state is not State.DONE:
            raise UsageError(
                f"task {entry.task.name!r}, which was added while the pool ran, comes after {name!r}, "
                "which is in the task files no more and was not done; put it back, or start over with --fresh"
            )
    return entry.task if len(after) == len(entry.task.after) else entry.task._replace(after=tuple(after))


def _done(tasks: Sequence[Task], before: Mapping[str, Recorded]) -> dict[str, bool]:
    """Of each task, whether it stays done. A join does when all that it stands for does."""
    done: dict[str, bool] = {}
    for task in _in_order(tasks):
        known = before.get(task.name)
        stays = task.command is None or (known is not None and known.state is State.DONE and _same(task, known.task))
        done[task.name] = stays and all([done.get(name, True) for name in task.after])
    return done


def _same(task: Task, known: Task) -> bool:
    """Whether they run the same."""
    if task.command != known.command:
        return False
    now, then = task.options, known.options
    return now is then or (now.cwd == then.cwd and now.env == then.env)


def _in_order(tasks: Sequence[Task]) -> Iterable[Task]:
    """The tasks, sorted when some stand before what they come after."""
    position = {task.name: i for i, task in enumerate(tasks)}
    if all(position.get(name, -1) < i for i, task in enumerate(tasks) for name in task.after):
        return tasks
    order, _ = topological([[position[name] for name in task.after if name in position] for task in tasks])
    return [tasks[i] for i in order]
