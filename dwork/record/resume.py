"""Decides what of a recorded run need not run again, by comparing the current task files with the record.

A task stays done when the record says so, what it runs has not changed (command, shell, setup block, directory,
environment), all its predecessors stay done, and the files that it creates exist. So a changed command runs again, and
so do all its successors. Tasks that were added while the pool ran are in no file, and continue unchanged; tasks that
are gone from the files stay in the record, and do not run.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from dwork.core.errors import UsageError
from dwork.core.task import ACTIVE, Options, State, Task
from dwork.core.text import as_name
from dwork.core.toposort import topological
from dwork.hub.graph import Restored

#: What follows the command in the name of a repeated line.
_REPEAT: Final = re.compile(r"(?: #[0-9]+)?")
#: The states of tasks that have ended, well or not.
_ENDED = frozenset(State) - ACTIVE


class Recorded(NamedTuple):
    """A task as recorded. removed: it was no longer in the files; extended: predecessors that were added later.

    attempt, holder: the last attempt and its worker; since: when that worker got the task, if it still has it.
    failures: number of attempts that failed; losses: number of attempts lost with their worker or a whole run.
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
        """The losses, with the one at the end of the last run if a worker had the task then."""
        return self.losses + (self.state is State.ASSIGNED)


@dataclass(slots=True)
class Plan:
    """What to do to run task files with an existing record.

    entries: all tasks of the graph. new: tasks that are not in the record. changed: tasks that differ from the record.
    again: ids of tasks that ended according to the record, and run again. removed: ids of tasks that are in no file any
    more. done: number of tasks that were done before; failed: number of failed tasks that are retried; lost: number of
    other tasks that were lost with a worker or a whole run; repeats: number of done tasks that run again since another
    line with the same command is gone; missing: a file of each done task that runs again for lack of it; conditions:
    what has changed for all tasks since the last run; known: whether the record had any tasks; next_id: the first id
    that no task ever had.
    """

    entries: list[Restored] = field(default_factory=list)
    new: list[Restored] = field(default_factory=list)
    changed: list[Restored] = field(default_factory=list)
    again: list[int] = field(default_factory=list)
    removed: list[int] = field(default_factory=list)
    done: int = 0
    failed: int = 0
    lost: int = 0
    repeats: int = 0
    conditions: Sequence[str] = ()
    missing: list[str] = field(default_factory=list)
    known: bool = False
    next_id: int = 0


def plan(
    tasks: Sequence[Task],
    recorded: Iterable[Recorded] = (),
    first_missing: Callable[[Options], str | None] = lambda options: None,
    conditions: Sequence[str] = (),
) -> Plan:
    """Compare tasks with their record; UsageError when they contradict each other.

    first_missing: returns a file that does not exist of those that a task creates; None when all do. conditions: what
    has changed for all tasks since the last run, so that all run again.

    That is when a task that was added or made to wait while the pool ran waits for one that is gone from the files and
    was not done, or when such dependencies now form a cycle.
    """
    before = {entry.task.name: entry for entry in recorded}
    result = Plan(known=bool(before), conditions=conditions)
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
    wanted += [_without_gone(e, there, before) for e in added]
    repeats = _fewer_repeats(wanted, before, gone)
    result.repeats = len(repeats)
    again = {task.name for task in wanted} if conditions else repeats
    done = _done(wanted, before, again, first_missing, result.missing)
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
    """Return, by name, the places from 1 of the unchanged tasks that failed or were lost: these run last.

    The task that was assigned last is the likeliest to have killed its worker or run, and comes last. Of tasks assigned
    in the same second, where the time decides nothing, the first comes last: most often, a run begins with it.
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
    """Return the task with the predecessors that it got while the pool ran."""
    if known is None or not known.extended:
        return task
    extended = _still_there(known.extended, known, there, before)
    after_any = tuple(name for name in task.after_any if name not in extended)  # to be done is more than to have ended
    return task._replace(after=tuple(dict.fromkeys((*task.after, *extended))), after_any=after_any)


def _without_gone(entry: Recorded, there: set[str], before: Mapping[str, Recorded]) -> Task:
    """Return a task that was added while the pool ran, with the predecessors that still exist."""
    after, after_any = entry.task.after, entry.task.after_any
    return entry.task._replace(
        after=_still_there(after, entry, there, before),
        after_any=_still_there(after_any, entry, there, before, _ENDED) if after_any else (),
    )


def _still_there(
    names: tuple[str, ...],
    entry: Recorded,
    there: set[str],
    before: Mapping[str, Recorded],
    enough: Collection[State] = (State.DONE,),
) -> tuple[str, ...]:
    """Return which predecessors that were added while the pool ran still exist; others were done, or never existed.

    enough: the states in which a predecessor does not keep the task from running.
    """
    kept = tuple(name for name in names if name in there)
    if len(kept) < len(names) and entry.state is not State.DONE:
        for name in names:
            if name not in there and name in before and before[name].state not in enough:
                raise UsageError(
                    f"while the pool ran, task {entry.task.name!r} was made to wait for {name!r}, which was not done "
                    "and is no longer in the task files; put it back, or start over with --fresh"
                )
    return names if len(kept) == len(names) else kept


def _fewer_repeats(tasks: Sequence[Task], before: Mapping[str, Recorded], gone: Sequence[Recorded]) -> set[str]:
    """Return the done tasks that run again, since another line with the same command is gone from the files.

    Unnamed lines with the same command have no other name than their number (`cmd`, `cmd #2`), so which line was
    removed is not known: it may be that of a done task, and then the others are all still to run.
    """
    removed = Counter(command for entry in gone if not entry.removed if (command := _repeated(entry.task)))
    if not removed:
        return set()
    done = defaultdict(list)
    for task in tasks:
        if task.command in removed and (command := _repeated(task)):
            known = before.get(task.name)
            if known is not None and known.state is State.DONE:
                done[command].append(task.name)
    for entry in gone:  # the removed task may be the one that is done
        if not entry.removed and entry.state is State.DONE and (command := _repeated(entry.task)):
            removed[command] -= 1
    return {name for command, names in done.items() for name in names[max(0, len(names) - removed[command]) :]}


def _repeated(task: Task) -> str:
    """Return the command of a task that may be one of several unnamed lines; empty for others."""
    command = task.command
    if not isinstance(command, str) or not task.name.startswith(as_name(command)):
        return ""
    return command if _REPEAT.fullmatch(task.name, len(as_name(command))) else ""


def _done(
    tasks: Sequence[Task],
    before: Mapping[str, Recorded],
    again: set[str],
    first_missing: Callable[[Options], str | None],
    missing: list[str],
) -> dict[str, bool]:
    """Return, by name, whether each task stays done. A join does when all its predecessors do.

    again: those that run again in any case. missing: receives the files because of which tasks do not stay done.
    """
    done: dict[str, bool] = {}
    order, cycle = _in_order(tasks)
    if cycle:
        raise UsageError(
            f"these tasks would wait for one another: {' -> '.join(cycle)}, because some were made to wait "
            "for others while the pool ran; change the task files, or start over with --fresh"
        )
    for task in order:
        known = before.get(task.name)
        stays = task.command is None or (
            known is not None and known.state is State.DONE and _same(task, known.task) and task.name not in again
        )
        stays = stays and all([done.get(name, True) for name in task.predecessors])
        if stays and task.options.creates and (file := first_missing(task.options)) is not None:
            missing.append(file)
            stays = False
        done[task.name] = stays
    return done


def _stale(gone: Sequence[Recorded], done: Mapping[str, bool]) -> list[int]:
    """Return the removed tasks that were done after a task that runs again: they must run if they are put back."""
    stays: dict[str, bool] = {}
    order, _ = _in_order([e.task for e in gone])
    for task in order:
        stays[task.name] = all([done.get(name, stays.get(name, True)) for name in task.predecessors])
    return [e.id for e in gone if e.state is State.DONE and not stays.get(e.task.name)]


def _same(task: Task, known: Task) -> bool:
    """Whether both tasks run the same command in the same shell, directory and environment."""
    if task.command != known.command:
        return False
    now, then = task.options, known.options
    return now is then or (now.cwd == then.cwd and now.env == then.env and now.shell == then.shell)


def _in_order(tasks: Sequence[Task]) -> tuple[Sequence[Task], list[str]]:
    """Return the tasks with predecessors first, and the names on a cycle, if there is one."""
    position = {task.name: i for i, task in enumerate(tasks)}
    if all(position.get(name, -1) < i for i, task in enumerate(tasks) for name in task.predecessors):
        return tasks, []
    order, cycle = topological([[position[name] for name in task.predecessors if name in position] for task in tasks])
    return [tasks[i] for i in order], [tasks[i].name for i in (*cycle, *cycle[:1])]
