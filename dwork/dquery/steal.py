"""Steal ready tasks as worker HOST, by default this host.

Run them, and report each with complete. Exit status: 0 when a task was stolen, 4 when none is ready now, 3 when all are
finished and a worker can leave; with -q, 1 instead of 3 and 4.

\b
Examples:
  dquery steal -n 8 --json
  x=$(dquery steal --sh) && eval "$x" && sh -c "$command" && dquery complete "$task"
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence

import click

from dwork.core.argv import arguments, as_path
from dwork.core.errors import AllDone
from dwork.core.task import Assigned, Command
from dwork.dquery._completion import workers
from dwork.dquery._output import say, say_exactly, say_json
from dwork.dquery._session import HubChoice, name
from dwork.runner.created import NOT_CREATED

NO_TASK, FINISHED, NOT_NOW = 1, 3, 4


def _line(command: Command) -> str:
    if isinstance(command, str):
        return command
    return shlex.join(command or ())


def _script(task: Assigned) -> str:
    """Return the shell script that runs a task: its command, in its directory, with its variables."""
    script, shell = _line(task.command), task.options.shell
    if shell is not None:
        script = shlex.join(arguments(task.command, shell, directly=False, marked=False))
    if task.options.env:
        variables = shlex.join(f"{name}={value}" for name, value in task.options.env)
        script = f"env {variables} sh -c {shlex.quote(script)}"
    if task.options.creates:
        script = f"(\n{script}\n) && {_check(task.options.creates)}"
    if task.options.cwd is not None:
        script = f"cd -- {shlex.quote(as_path(task.options.cwd))} || exit\n{script}"
    return script


def _check(creates: Sequence[str]) -> str:
    """Return a shell command that fails, as a worker does, unless all these files exist."""
    tests = " && ".join(f"test -e {shlex.quote(as_path(name))}" for name in creates)
    return f"{{ {tests} || {{ echo 'it exited with 0, but did not create its files' >&2; exit {NOT_CREATED}; }}; }}"


def _for_people(task: Assigned) -> str:
    number = f"#{task.id} " if task.attempt else ""  # the original hub has no numbers
    return f"{number}{task.name}" if task.command == task.name else f"{number}{task.name}: {_line(task.command)}"


def _for_shells(task: Assigned) -> str:
    values = {"id": str(task.id), "attempt": str(task.attempt), "task": task.name, "command": _script(task)}
    return "\n".join(f"{name}={shlex.quote(value)}" for name, value in values.items())


def _as_data(task: Assigned) -> dict[str, object]:
    options = task.options
    return {
        "id": task.id,
        "attempt": task.attempt,
        "name": task.name,
        "command": task.command,
        "origin": task.origin,
        "cores": options.cores,
        "memory": options.memory,
        "gpus": options.gpus,
        "timeout": options.timeout,
        "grace": options.grace,
        "warn": None if options.warn is None else str(options.warn),
        "cwd": options.cwd,
        "env": dict(options.env),
        "shell": None if options.shell is None else options.shell.words,
        "setup": () if options.shell is None else options.shell.setup,
        "creates": list(options.creates),
    }


def _print(tasks: Sequence[Assigned], finished: bool, form: str) -> None:
    if form == "json":
        say_json({"tasks": [_as_data(task) for task in tasks], "finished": finished})
    elif not tasks and form != "sh":
        say("No task" if form == "quiet" else "All tasks are finished." if finished else "No task is ready.")
    for task in tasks if form != "json" else ():
        if form == "quiet":
            say_exactly(task.name)
        elif form == "sh":
            say_exactly(_for_shells(task))
        else:
            say(_for_people(task))


@click.command(help=__doc__)
@click.argument("host", required=False, type=name, shell_complete=workers)
@click.option("-n", "n", type=click.IntRange(1, 2**31 - 1), default=1, metavar="N", help="Steal at most N tasks.")
@click.option(
    "--wait", type=click.FloatRange(min=0), default=0.0, metavar="SECONDS", help="Wait up to this long for a task."
)
@click.option("-q", "form", flag_value="quiet", help="Print only names, one per line, or: No task.")
@click.option("--sh", "form", flag_value="sh", help="Print assignments to task and command for a shell's eval.")
@click.option("--json", "form", flag_value="json", help="Print JSON.")
@click.pass_obj
def command(session: HubChoice, host: str | None, n: int, wait: float, form: str | None) -> int:
    if form == "sh" and n > 1:
        raise click.UsageError("Give -n or --sh, not both: the shell variables hold one task.")
    tasks: list[Assigned] = []
    finished = False
    with session.client(host) as client:
        try:
            tasks = client.steal(n, wait)
        except AllDone:
            finished = True
    _print(tasks, finished, form or "people")
    if tasks:
        return 0
    return NO_TASK if form == "quiet" else FINISHED if finished else NOT_NOW
