"""Give back a task unfinished; it runs again after all DEP tasks.

Only the worker that has stolen it can: --host, by default this host.

\b
Examples:
  dquery transfer solve-7
  dquery transfer solve-7 mesh-fine    run it after mesh-fine
"""

from __future__ import annotations

import click

from dwork.dquery._completion import tasks, workers
from dwork.dquery._output import say, say_json
from dwork.dquery._session import HubChoice, json_option, name


@click.command(help=__doc__)
@click.argument("task", type=name, shell_complete=tasks("assigned"))
@click.argument("deps", metavar="[DEP]...", nargs=-1, type=name, shell_complete=tasks())
@click.option("--host", metavar="HOST", type=name, shell_complete=workers, help="The worker that has stolen it.")
@json_option
@click.pass_obj
def command(session: HubChoice, task: str, deps: tuple[str, ...], host: str | None, as_json: bool) -> None:
    with session.client(host) as client:
        client.transfer(task, deps)
    if as_json:
        say_json({"transferred": [task], "after": deps})
    else:
        say(f"Gave back {task}" + (f", to run after {', '.join(deps)}" if deps else ""))
