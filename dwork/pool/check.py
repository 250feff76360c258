"""The check of task files and of their record: what a run would do, without running or writing anything."""

from __future__ import annotations

import gc
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Final

from dwork.cli.load_tasks import load
from dwork.cli.program import ExitCode
from dwork.core.task import Task
from dwork.core.text import counted, from_system, printable, shown, size
from dwork.host.created import first_missing
from dwork.pool.job_end import check_times
from dwork.pool.settings import PoolSettings
from dwork.record.opening import MEMORY
from dwork.record.rerun import Reason, grouped, reasons
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


@dataclass(frozen=True, slots=True)
class Rerun:
    """What a run would do according to a record. tasks: their number.

    note: why all tasks would run, or why that is unknown; nothing else is known then. reasons: why each task would run,
    by name. conditions: what has changed for all. gone: number of tasks that are in the record alone.
    """

    record: str
    tasks: int
    note: str = ""
    reasons: Mapping[str, Reason] = field(default_factory=dict)
    done: int = 0
    conditions: Sequence[str] = ()
    gone: int = 0


def check(
    files: Sequence[str],
    form: str | None,
    shell: tuple[str, ...],
    setup: str | None,
    settings: PoolSettings,
    *,
    as_json: bool = False,
) -> ExitCode:
    """Print the mistakes in task files on stderr; if there are none, what a run would do. The record is only read.

    as_json: print both as one JSON object on stdout. UsageError when the record cannot be used.
    """
    remarks: list[str] = []
    problems = AllProblems([shown(from_system(path)) for path in files])
    known = None if settings.policy.unknown_is_done else ()
    gc.disable()  # it would scan a million tasks again and again, none of which is garbage
    tasks = load(
        files,
        form,
        known=known,
        tell=remarks.append,
        shell=shell,
        setup=setup,
        execution=settings.execution,
        problems=problems,
    )
    if not problems.count:
        check_times(tasks, settings)
    found = None if problems.count else shape(tasks)
    rerun = _compared(tasks, settings) if found and tasks and settings.record not in ("", MEMORY) else None
    if as_json:
        print(json.dumps(_data(problems, found, remarks, rerun)))
    elif found is None:
        for line in problems.lines():
            print(printable(line), file=sys.stderr)
    elif not settings.quiet:
        print(*map(printable, [*_described(found), *remarks, *(_planned(rerun) if rerun else ())]), sep="\n")
    return ExitCode.USAGE if problems.count else ExitCode.DONE


def _data(problems: AllProblems, found: Shape | None, remarks: list[str], rerun: Rerun | None) -> dict[str, object]:
    """Return the result for programs. The text of a mistake does not repeat its place."""
    mistakes = [
        {
            "file": error.source or None,
            "line": error.line or None,
            "text": str(error).removeprefix(f"{error.source}:{error.line}: "),
        }
        for error in problems.first()
    ]
    described: dict[str, object] | None = None
    if found is not None:
        largest = {key: {"request": n, "task": name} for key, (n, name) in found.largest.items()}
        described = {**asdict(found), "largest": largest}
    planned: dict[str, object] | None = None
    if rerun is not None:
        groups = grouped(rerun.reasons, len(rerun.reasons))
        planned = {
            "record": rerun.record,
            "note": rerun.note or None,
            "done": rerun.done,
            "conditions": list(rerun.conditions),
            "would_run": [{"reason": reason.value, "tasks": names} for reason, _, names in groups],
            "gone": rerun.gone,
        }
    return {
        "mistakes": mistakes,
        "more_mistakes": problems.count - len(mistakes),
        "remarks": remarks,
        "shape": described,
        "rerun": planned,
    }


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


def _compared(tasks: Sequence[Task], settings: PoolSettings) -> Rerun:
    """Return what a run would skip and run according to its record."""
    from dwork.record import conditions
    from dwork.record.compare import compare
    from dwork.record.locks import InUse
    from dwork.record.opening import look

    record, n = shown(from_system(settings.record)), sum([task.command is not None for task in tasks])
    if settings.fresh and os.path.lexists(settings.record):
        return Rerun(record, n, f"--fresh: {record} would be renamed to {record}.1, and all tasks would run")
    try:
        archive = look(settings.record)
    except InUse as error:
        return Rerun(record, n, f"{str(error).partition(';')[0]}: what another run would run depends on how that ends")
    if archive is None:
        return Rerun(record, n, f"there is no record {record} yet: all tasks would run")
    with archive:
        plan, recorded = compare(archive.connection, archive.path, tasks, conditions.here(settings.execution))
    removed = {*plan.removed}
    gone = sum([entry.id in removed and entry.task.command is not None for entry in recorded])
    found = reasons(plan, recorded, first_missing)
    return Rerun(record, plan.done + len(found), "", found, plan.done, plan.conditions, gone)


def _planned(rerun: Rerun) -> list[str]:
    """Return in words what would run and why."""
    if rerun.note:
        return [rerun.note]
    n = len(rerun.reasons)
    text = f"{rerun.done:,} of {counted(rerun.tasks, 'task')} done and would not run, according to {rerun.record}"
    lines = [f"{text}; {n:,} would run:" if n else f"{text}; nothing is left to do (--fresh starts over)"]
    if rerun.conditions:
        lines.append(f"  all tasks, since {', '.join(rerun.conditions)} changed since the last run")
    groups = grouped(rerun.reasons, _NAMES)
    width = max([len(f"{n:,}") for _, n, _ in groups], default=0)
    for reason, n, names in groups:
        more = ", ..." if n > len(names) else ""
        lines.append(f"  {n:>{width},} {reason.value}: {', '.join(map(shown, names))}{more}")
    if rerun.gone:
        lines.append(f"{counted(rerun.gone, 'task')} of the record would not run: no file has them any more")
    return lines
