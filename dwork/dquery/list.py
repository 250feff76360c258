"""List tasks in the order of their numbers, one per line.

The columns are number, state, attempts, exit status or signal, seconds, worker and name; --json prints one object per
line, with more fields. A held task waits for dquery release. In a record that no hub uses, no task is ready or
running: such tasks are waiting. The seconds of a running task are those since its worker got it.

\b
Examples:
  dquery list --state failed --state skipped
  dquery list --name 'solve-*' -f tasks.txt.db
  dquery list --json | jq -r 'select(.exit_status == 3).name'
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator

import click

from dwork.core.rows import TaskRow
from dwork.core.task import RUNNING, State, worded
from dwork.core.text import shown, signal_name
from dwork.dquery._output import say, say_json
from dwork.dquery._session import HubChoice, json_option, name
from dwork.dquery._source import TaskSource, file_option, source

HELD = "held"
#: The states that a held task can have.
_MAY_BE_HELD = (State.WAITING.value, State.READY.value)
_STATES = tuple(worded(state.value) for state in State)
_HEADINGS = ("ID", "STATE", "TRY", "EXIT", "SECONDS", "WORKER", "NAME")


def _line(values: tuple[str, ...]) -> str:
    id, state, attempt, ended, seconds, worker, task = values
    return f"{id:>7} {state:<9} {attempt:>3} {ended:>8} {seconds:>9} {worker:<15} {task}"


def _columns(row: TaskRow) -> tuple[str, ...]:
    status = row["exit_status"]
    return (
        f"#{row['id']}",
        HELD if _is_held(row) else worded(row["state"]),
        str(row["attempt"] or "-"),
        signal_name(row["signal"]) if row["signal"] else "-" if status is None else str(status),
        _seconds(row),
        row["worker"] or "-",
        row["name"],
    )


def _seconds(row: TaskRow) -> str:
    start, end, since = row["started"], row["ended"], row.get("since")
    if since is not None:
        return f"{max(0.0, time.time() - since):.2f}"
    return "-" if start is None or end is None else f"{end - start:.2f}"


def _is_held(row: TaskRow) -> bool:
    return row["held"] and row["state"] in _MAY_BE_HELD


def _chosen(tasks: TaskSource, states: tuple[str, ...], glob: str | None) -> Iterator[TaskRow]:
    if HELD not in states:
        return tasks.tasks(states, glob)
    rows = tasks.tasks(tuple({*states, *_MAY_BE_HELD} - {HELD}), glob)
    return (row for row in rows if _is_held(row) or row["state"] in states)


@click.command(help=__doc__)
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice([*_STATES, HELD, State.ASSIGNED.value]),
    metavar="STATE",
    help=f"List only tasks that are {', '.join(_STATES)} or {HELD}; repeatable.",
)
@click.option("--name", "glob", type=name, metavar="GLOB", help="List only tasks with a matching name: 'solve-*'.")
@file_option
@json_option
@click.pass_obj
def command(session: HubChoice, states: tuple[str, ...], glob: str | None, file: str | None, as_json: bool) -> None:
    states = tuple(State.ASSIGNED.value if state == RUNNING else state for state in states)
    is_terminal = sys.stdout is not None and sys.stdout.isatty()
    columns = shutil.get_terminal_size().columns or 80  # Python 3.10 believes a terminal that reports 0
    width = columns - len(_line(("",) * 7)) if is_terminal else sys.maxsize
    if is_terminal and not as_json:
        say(_line(_HEADINGS))
    with source(session, file) as tasks:
        for row in _chosen(tasks, states, glob):
            if as_json:
                say_json(row)
            else:
                *values, task = _columns(row)
                say(_line((*values, shown(task, max(20, width)))))
