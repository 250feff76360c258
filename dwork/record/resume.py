"""What of a recorded run need not be run again: the task files as they are now, beside the record.

A task stays done when the record says so, what it runs is the same (command, directory, environment), and all that it
comes after stays done. So a changed command runs again, and so does all that follows. Tasks that were added while the
pool ran are in no file, and go on as they were; lines that are gone from the files stay in the record, and do not run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from dwork.core.errors import UsageError
from dwork.core.task import State, Task
from dwork.core.toposort import topological
from dwork.hub.graph import Restored


class Recorded(NamedTuple):
    """A task as the record has it. removed: the files had it no more; extended: predecessors that it got later.

    attempt, holder: the last attempt, and who made it or was making it; since: when that took it, if it has it still.
    failures: attempts that ended badly; losses: those that were lost with their worker, or with a whole run.
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
    losses: int = 0
    since: float = 0.0

    @property
    def all_losses(self) -> int:
        """With the one that the end of the last run was, if somebody had the task then."""
        return self.losses + (self.state is State.ASSIGNED)


@dataclass(slots=True)
class Plan:
    """What is to be done to run task files beside a record.

    entries: all tasks of the graph. new: those that the record lacks. changed: those that it has otherwise. again:
    ids of those that it calls ended and that run again. removed: ids of those that are in no file any more. done: how
    many are done before; failed: how many failed and are tried again; lost: how many others a worker or a whole run
    died with; known: whether there was anything before; next_id: the first id that no task ever had.
    """

    entries: list[Restored] = field(default_factory=list)
    new: list[Restored] = field(default_factory=list)
    changed: list[Restored] = field(default_factory=list)
    again: list[int] = field(default_factory=list)
    removed: list[int] = field(default_factory=list)
    done: int = 0
    failed: int = 0
    lost: int = 0
    known: bool = False
    next_id: int = 0


def plan(tasks: Sequence[Task], recorded: Iterable[Recorded] = ()) -> Plan:
    """Compare; UsageError when they do not fit together.

    That is when a task waits for one that is gone from the files undone, since it was added or made to wait while the
    pool ran, or when tasks now wait for one another for such a reason.
    """
    before = {entry.task.name: entry for entry in recorded}
    result = Plan(known=bool(before))
    result.next_id = 1 + max((e.id for e in before.values()), default=len(tasks) - 1)
    if not before:
        result.entries = [Restored(id, task) for id, task in enumerate(tasks)]
        result.new = result.entries
        return result
    names = {task.name for task in tasks}
    added = [e for e in before.values() if e.task.origin and e.task.name not in names]
    gone = [e for e in before.values() if not e.task.origin and e.task.name not in names]
    result.removed = [e.id for e in gone if not e.removed]
    there = names.union(e.task.name for e in added) if added else names
    wanted = [_extended(task, before.get(task.name), there, before) for task in tasks]
    wanted += [e.task._replace(after=_still_there(e.task.after, e, there, before)) for e in added]
    done = _done(wanted, before)
    suspects = _suspects(wanted, before, done)
    for task in wanted:
        known = before.get(task.name)
        if known is None:
            entry = Restored(result.next_id, task)
            result.next_id += 1
            result.new.append(entry)
        else:
            state = State.DONE if done[task.name] else State.WAITING
            holder = known.holder if state is State.DONE else None
            held = known.held and state is not State.DONE and task.command is not None
            entry = Restored(known.id, task, state, known.attempt, holder, held)
            if task.name in suspects:
                is_spared = known.state is State.FAILED
                entry = entry._replace(
                    holder=known.holder, losses=known.all_losses, last=suspects[task.name], spared=is_spared
                )
                result.lost += bool(entry.losses) and not is_spared
            if known.task != task or known.removed:
                result.changed.append(entry)
            if known.state is not state and task.command is not None:
                result.again.append(known.id)
            result.failed += known.state is State.FAILED
        result.done += done[task.name] and task.command is not None
        result.entries.append(entry)
    if gone:
        result.again += _stale(gone, done)
    return result


def _suspects(tasks: Iterable[Task], before: Mapping[str, Recorded], done: Mapping[str, bool]) -> dict[str, int]:
    """Of the tasks that went wrong, and run the same still, their places among those that go last, from 1.

    What was handed out last is the likeliest to have killed its worker or run, and comes last of all. Of what was
    handed out in the same second, which tells nothing, the first comes last: most often that is what a run begins with.
    """
    found = []
    for task in tasks:
        known = before.get(task.name)
        if known is None or done[task.name] or task.command is None or not _same(task, known.task):
            continue
        if known.all_losses or known.state is State.FAILED:
            found.append((known.all_losses, int(known.since), -known.id, task.name))
    return {name: place for place, (*_, name) in enumerate(sorted(found), 1)}


def _extended(task: Task, known: Recorded | None, there: set[str], before: Mapping[str, Recorded]) -> Task:
    """The task with the predecessors that it got while the pool ran."""
    if known is None or not known.extended:
        return task
    extended = _still_there(known.extended, known, there, before)
    return task._replace(after=tuple(dict.fromkeys((*task.after, *extended))))


def _still_there(
    names: tuple[str, ...], entry: Recorded, there: set[str], before: Mapping[str, Recorded]
) -> tuple[str, ...]:
    """Of what a task came to wait for while the pool ran, what there is; the rest was done, or unknown even then."""
    kept = tuple(name for name in names if name in there)
    if len(kept) < len(names) and entry.state is not State.DONE:
        for name in names:
            if name not in there and name in before and before[name].state is not State.DONE:
                raise UsageError(
                    f"task {entry.task.name!r} came to wait for {name!r} while the pool ran, "
                    "which is in the task files no more and was not done; put it back, or start over with --fresh"
                )
    return names if len(kept) == len(names) else kept


def _done(tasks: Sequence[Task], before: Mapping[str, Recorded]) -> dict[str, bool]:
    """Of each task, whether it stays done. A join does when all that it stands for does."""
    done: dict[str, bool] = {}
    order, cycle = _in_order(tasks)
    if cycle:
        raise UsageError(
            f"these tasks would wait for one another: {' -> '.join(cycle)}, since some came to wait for others "
            "while the pool ran; change the task files, or start over with --fresh"
        )
    for task in order:
        known = before.get(task.name)
        stays = task.command is None or (known is not None and known.state is State.DONE and _same(task, known.task))
        done[task.name] = stays and all([done.get(name, True) for name in task.after])
    return done


def _stale(gone: Sequence[Recorded], done: Mapping[str, bool]) -> list[int]:
    """Of tasks that are in no file, those that were done after something that runs again: should they come back."""
    stays: dict[str, bool] = {}
    order, _ = _in_order([e.task for e in gone])
    for task in order:
        stays[task.name] = all([done.get(name, stays.get(name, True)) for name in task.after])
    return [e.id for e in gone if e.state is State.DONE and not stays.get(e.task.name)]


def _same(task: Task, known: Task) -> bool:
    """Whether they run the same."""
    if task.command != known.command:
        return False
    now, then = task.options, known.options
    return now is then or (now.cwd == then.cwd and now.env == then.env)


def _in_order(tasks: Sequence[Task]) -> tuple[Sequence[Task], list[str]]:
    """The tasks, sorted when some stand before what they come after; and the names on a way round, if there is one."""
    position = {task.name: i for i, task in enumerate(tasks)}
    if all(position.get(name, -1) < i for i, task in enumerate(tasks) for name in task.after):
        return tasks, []
    order, cycle = topological([[position[name] for name in task.after if name in position] for task in tasks])
    return [tasks[i] for i in order], [tasks[i].name for i in (*cycle, *cycle[:1])]
