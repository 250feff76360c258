"""Print the remaining tasks as a task file.

It has all tasks that are not done, which come after one another as before. A comment above each task that has begun, or
that will not run as it is, gives the reason. --format jsonl has no comments, but holds what a line cannot:
variables or a command of several lines. Barriers are written as such where possible; otherwise a task that runs nothing
may take the place of one. With a running hub, the tasks that are running count as remaining.

\b
Examples:
  dquery rest -f tasks.txt.db > rest.txt
  dquery rest -f tasks.txt.db --format jsonl > rest.jsonl
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import click

from dwork.core.errors import UsageError
from dwork.core.rows import TaskDetails, TaskRow
from dwork.core.shell import Shell
from dwork.core.task import EndWarning, Options, State, Task, worded
from dwork.core.text import counted, shown
from dwork.dquery._output import say_exactly
from dwork.dquery._session import HubChoice
from dwork.dquery._source import file_option, source
from dwork.dquery._words import ending

if TYPE_CHECKING:
    from dwork.client.client import Client
    from dwork.record.reading import Archive

_LEFT = tuple(state.value for state in State if state is not State.DONE)


@dataclass(slots=True)
class _Rest:
    """What is left of a run.

    tasks: the remaining tasks and all joins, in the order of ids. rows: the tasks as `list` has them, by name. held:
    attempt and worker of those that a worker held when the run was killed, by name.
    """

    tasks: Sequence[Task]
    rows: dict[str, TaskRow]
    held: dict[str, tuple[int, str]] = field(default_factory=dict)


@click.command(help=__doc__)
@click.option("--format", "form", type=click.Choice(("lines", "jsonl")), help="Output format. Default lines.")
@click.option("--json", "as_json", is_flag=True, help="Same as --format jsonl.")
@file_option
@click.pass_obj
def command(session: HubChoice, form: str | None, as_json: bool, file: str | None) -> None:
    from dwork.taskfile import writing

    if as_json and form == "lines":
        raise UsageError("--json and --format lines contradict each other; drop one")
    is_lines = not as_json and form != "jsonl"
    with source(session, file) as tasks:
        rest = _of_hub(cast("Client", tasks)) if file is None else _of_record(cast("Archive", tasks))
    try:
        if is_lines:
            remarks = {name: text for name, row in rest.rows.items() if (text := _remark(row, rest.held.get(name)))}
            lines = writing.as_lines(rest.tasks, remarks, _heading(rest.rows.values(), file))
        else:
            lines = writing.as_objects(rest.tasks)
    except writing.Unwritable as error:
        raise UsageError(f"{error}" + ("; use --format jsonl" if is_lines else "")) from None
    for line in lines:
        say_exactly(line)


def _of_record(archive: Archive) -> _Rest:
    from dwork.record import past
    from dwork.record.trouble import reading

    with reading(archive.path):
        entries = past.recorded(archive.connection)
    rows = {row["name"]: row for row in archive.tasks(_LEFT)}
    held = {e.task.name: (e.attempt, e.holder or "") for e in entries if e.state is State.ASSIGNED}
    left = [e.task for e in entries if not e.removed and (e.task.command is None or e.task.name in rows)]
    return _Rest(left, rows, held)


def _of_hub(client: Client) -> _Rest:
    """Query the hub once per task, which takes a while when many are left."""
    rows = {row["name"]: row for row in client.tasks(_LEFT)}
    found: dict[int, Task] = {}
    asked = set(rows)
    wanted = list(rows)
    while wanted:
        row = client.task(wanted.pop(), whole=True)
        if row is None or row["state"] == State.DONE.value:  # it was done in the meantime
            continue
        found[row["id"]] = _task(row)
        for each in row["predecessors"]["first"]:
            if each["join"] and each["name"] not in asked:
                asked.add(each["name"])
                wanted.append(each["name"])
    names = {task.name for task in found.values()}
    return _Rest([found[id] for id in sorted(found)], {name: row for name, row in rows.items() if name in names})


def _task(row: TaskDetails) -> Task:
    asked: dict[str, Any] = {**row["options"]}
    asked["env"] = tuple((name, value) for name, value in asked.get("env", ()))
    asked["creates"] = tuple(asked.get("creates", ()))
    if "warn" in asked:
        asked["warn"] = EndWarning(*asked["warn"])
    if "shell" in asked:
        asked["shell"] = Shell(tuple(asked["shell"]), tuple(asked.pop("setup")))
    options = Options(**asked)
    command = tuple(row["arguments"]) if row["arguments"] else row["command"]
    before = row["predecessors"]["first"]
    after, after_any = (tuple(each["name"] for each in before if each["after_any"] is kind) for kind in (False, True))
    return Task(row["name"], command, after, options, after_any=after_any)


def _heading(rows: Iterable[TaskRow], file: str | None) -> str:
    states = Counter(row["state"] for row in rows)
    of = "" if file is None else f" of {shown(file)}"
    if not states:
        return f"# nothing is left{of}"
    counts = ", ".join(f"{states[state]:,} {worded(state)}" for state in _LEFT if states[state])
    return f"# {counted(states.total(), 'task')} left{of}: {counts}"


def _remark(row: TaskRow, held: tuple[int, str] | None) -> str:
    state, attempt, reason = row["state"], row["attempt"], row["reason"] or ""
    if held:
        return f"attempt {held[0]} was held by {held[1]} when the run was killed"
    if state == "assigned":
        return f"running: attempt {attempt} on {row['worker']}"
    if state in ("failed", "cancelled"):
        how = f": {ending(row)}" if state == "failed" else f" {reason}".rstrip()
        return f"{state}{how}" + (f" (attempt {attempt})" if attempt else "")
    if state == "skipped":
        return f"skipped {reason}".rstrip()
    if row["held"]:
        return "held"
    return f"to be retried (attempt {attempt} was the last)" if attempt else ""
