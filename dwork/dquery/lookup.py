"""Print the state and the worker of a task.

TASK is a name or a number such as '#12'.

\b
Examples:
  dquery lookup solve-7
  dquery lookup '#12' --json
"""

from __future__ import annotations

import click

from dwork.core.errors import GraphError
from dwork.dquery._completion import tasks
from dwork.dquery._output import say, say_json
from dwork.dquery._session import HubChoice, json_option, name


@click.command(help=__doc__)
@click.argument("task", type=name, shell_complete=tasks())
@json_option
@click.pass_obj
def command(session: HubChoice, task: str, as_json: bool) -> None:
    with session.client() as client:
        found = client.lookup(task)
    if found is None:
        raise GraphError(f"there is no task {task!r}")
    if as_json:
        say_json({"name": found.name, "state": found.state.value, "id": found.id, "location": found.location})
    else:
        number = "" if found.id is None or task.startswith("#") else f"#{found.id} "
        say(f"{number}{task}: {found.state.value}" + (f" ({found.location})" if found.location else ""))
