"""The check of task files and of their record: what a run would do, without running or writing anything."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Sequence
from typing import Final

from dwork.cli.load_tasks import load
from dwork.cli.program import ExitCode
from dwork.core.task import Task
from dwork.core.text import counted, from_system, printable, shown, size
from dwork.host.created import first_missing
from dwork.pool.job_end import check_times
from dwork.pool.settings import PoolSettings
from dwork.record.rerun import Reason, grouped, reasons
from dwork.record.resume import Plan
from dwork.taskfile import AllProblems
from dwork.taskfile.shape import Shape, shape

#: The names of tasks that are printed for each reason.
_NAMES: Final = 3
_JOINS: Final = ("{:,} barrier, pattern or range", "{:,} barriers, patterns or ranges")
_UNITS: Final[dict[str, Callable[[int], str]]] = {
    "cores": lambda n: counted(n, "core"),
    "memory": size,
    "gpus": lambda n: counted(n, "GPU"),
}


def check(
    files: Sequence[str], form: str | None, shell: tuple[str, ...], setup: str | None, settings: PoolSettings
) -> ExitCode:
    """Print the mistakes in task files on stderr; if there are none, what a run would do. The record is only read.

    UsageError when the record cannot be used.
    """
    remarks: list[str] = []
    problems = AllProblems([shown(from_system(path)) for path in files])
    known = None if settings.policy.unknown_is_done else ()
    gc.disable()  # it would scan a million tasks again and again, none of which is garbage
    tasks = load(files, form, known=known, tell=remarks.append, shell=shell, setup=setup, problems=problems)
    if problems.count:
        for line in problems.lines():
            print(printable(line), file=sys.stderr)
        return ExitCode.USAGE
    check_times(tasks, settings)
    lines = [*_described(shape(tasks)), *remarks]
    lines += _compared(tasks, settings) if tasks and settings.record else []
    if not settings.quiet:
        print(*map(printable, lines), sep="\n")
    return ExitCode.DONE


def _described(found: Shape) -> list[str]:
    """Return the shape of a graph in words."""
    if not found.tasks:
        return ["no tasks: there is nothing to do"]
    text = counted(found.tasks, "task")
    if found.waiting:
        joins = f", {_JOINS[found.joins > 1].format(found.joins)}" if found.joins else ""
        edges = f"{found.edges:,} {'dependency' if found.edges == 1 else 'dependencies'}"
        text += f", {found.waiting:,} of which wait for others ({edges}{joins})"
    lines = [
        text,
        f"longest chain: {counted(found.depth, 'task')}; at the same time: up to {counted(found.width, 'task')}",
    ]
    if found.largest:
        requests = [f"{_UNITS[key](n)} ({shown(name)})" for key, (n, name) in found.largest.items()]
        lines.append(f"largest requests: {', '.join(requests)}")
    return lines + [f"{key}: set by {counted(n, 'task')}" for key, n in found.options.items()]


def _compared(tasks: Sequence[Task], settings: PoolSettings) -> list[str]:
    """Return what a run would skip and run according to its record."""
    from dwork.record import conditions
    from dwork.record.compare import compare
    from dwork.record.locks import InUse
    from dwork.record.opening import MEMORY, look

    record = shown(from_system(settings.record))
    if settings.record == MEMORY:
        return []
    if settings.fresh and os.path.lexists(settings.record):
        return [f"--fresh: {record} would be renamed to {record}.1, and all tasks would run"]
    try:
        archive = look(settings.record)
    except InUse as error:
        return [f"{str(error).partition(';')[0]}: what another run would run depends on how that ends"]
    if archive is None:
        return [f"there is no record {record} yet: all tasks would run"]
    with archive:
        plan, recorded = compare(archive.connection, archive.path, tasks, conditions.here(settings.execution))
    removed = {*plan.removed}
    gone = sum([entry.id in removed and entry.task.command is not None for entry in recorded])
    return _planned(plan, reasons(plan, recorded, first_missing), gone, record)


def _planned(plan: Plan, found: dict[str, Reason], gone: int, record: str) -> list[str]:
    """Return in words what would run and why. gone: number of tasks that are in the record alone."""
    total = plan.done + len(found)
    text = f"{plan.done:,} of {counted(total, 'task')} done and would not run, according to {record}"
    lines = [f"{text}; {len(found):,} would run:" if found else f"{text}; nothing is left to do (--fresh starts over)"]
    if plan.conditions:
        lines.append(f"  all tasks, since {', '.join(plan.conditions)} changed since the last run")
    groups = grouped(found, _NAMES)
    width = max([len(f"{n:,}") for _, n, _ in groups], default=0)
    for reason, n, names in groups:
        more = ", ..." if n > len(names) else ""
        lines.append(f"  {n:>{width},} {reason.value}: {', '.join(map(shown, names))}{more}")
    if gone:
        lines.append(f"{counted(gone, 'task')} of the record would not run: no file has them any more")
    return lines
