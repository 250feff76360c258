"""Add a task, which runs when all DEP tasks are done and all --after-any tasks have ended, well or not.

TASK is its name and, without --command, also its command line for /bin/sh. Adding the same task again is not an error;
adding a different task of the same name is. The options and their values are those of task files.

\b
Examples:
  dquery create 'echo hello'
  dquery create 'echo world' 'echo hello'     run it after that
  dquery create solve-7 mesh --command './solve 7' --cores 4 --timeout 2h
  dquery create report --after-any solve-7    run it even if solve-7 fails
"""

from __future__ import annotations

from typing import Any

import click

from dwork.cli.shell_completion import directories
from dwork.core.text import as_name, from_system
from dwork.dquery._completion import tasks
from dwork.dquery._output import say, say_json
from dwork.dquery._session import HubChoice, json_option, name


def _value(_ctx: click.Context, parameter: click.Parameter, text: str | None) -> Any:
    """Parse an option's value as in a task file."""
    if text is None:
        return None
    from dwork.taskfile.options import value_of

    try:
        return value_of(parameter.opts[0].lstrip("-"), from_system(text))
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _named(_ctx: click.Context, _parameter: click.Parameter, task: str) -> str:
    name(task)  # only checked here: as a command its bytes stay unchanged
    return from_system(task)


def _variables(_ctx: click.Context, _parameter: click.Parameter, texts: tuple[str, ...]) -> dict[str, str] | None:
    variables = {}
    for text in texts:
        variable, equals, value = from_system(text).partition("=")
        if not variable or not equals:
            raise click.BadParameter(f"{text!r} is not a variable; write NAME=VALUE")
        variables[variable] = value
    return variables or None


@click.command(help=__doc__)
@click.argument("task", callback=_named)
@click.argument("deps", metavar="[DEP]...", nargs=-1, type=name, shell_complete=tasks())
@click.option(
    "--after-any",
    multiple=True,
    type=name,
    shell_complete=tasks(),
    metavar="DEP",
    help="Run it when DEP has ended, well or not; repeatable.",
)
@click.option("--command", "line", metavar="LINE", help="The command line, if it is not the name.")
@click.option("--cores", callback=_value, metavar="N", help="Cores that it needs. Default 1.")
@click.option("--memory", callback=_value, metavar="SIZE", help="Memory that it needs: 512M, 2G.")
@click.option("--gpus", callback=_value, metavar="N", help="GPUs that it needs. Default 0.")
@click.option("--timeout", callback=_value, metavar="TIME", help="Terminate it after TIME: 90s, 2h, 1:30:00.")
@click.option("--grace", callback=_value, metavar="TIME", help="Kill it TIME after it was asked to end. Default 5s.")
@click.option("--warn", callback=_value, metavar="SIGNAL@TIME", help="Signal it TIME before the job ends: USR1@5m.")
@click.option("--retries", callback=_value, metavar="N", help="Retry it up to N times. Default the pool's.")
@click.option("--priority", callback=_value, metavar="N", help="Higher runs first. Default 0.")
@click.option("--cwd", callback=_value, metavar="DIRECTORY", shell_complete=directories, help="Its working directory.")
@click.option("--min-time", callback=_value, metavar="TIME", help="Start it only while TIME of walltime is left.")
@click.option("--shell", callback=_value, metavar="SHELL", help="Run it with SHELL: bash, 'bash -e'. Default /bin/sh.")
@click.option(
    "--creates", callback=_value, metavar="FILE,...", help="Fail it when it exits with 0 but one of these is missing."
)
@click.option("--env", multiple=True, callback=_variables, metavar="NAME=VALUE", help="Set a variable; repeatable.")
@json_option
@click.pass_obj
def command(
    session: HubChoice,
    /,
    task: str,
    deps: tuple[str, ...],
    after_any: tuple[str, ...],
    line: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    given = {key: value for key, value in options.items() if value is not None}
    with session.client() as client:
        client.create(as_name(task), task if line is None else from_system(line), deps, after_any=after_any, **given)
    if as_json:
        say_json({"created": [as_name(task)]})
    else:
        say(f"Created {as_name(task)}")
