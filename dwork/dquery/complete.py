"""Report the end of a task that HOST, by default this host, has stolen.

With an --exit-status other than 0 the task has failed: it is retried if it has retries left; otherwise the tasks that
come after it are skipped.

\b
Examples:
  dquery complete solve-7
  dquery complete solve-7 --exit-status 3     it has failed
"""

from __future__ import annotations

import click

from dwork.dquery._completion import tasks, workers
from dwork.dquery._output import say, say_json
from dwork.dquery._session import HubChoice, json_option, name


@click.command(help=__doc__)
@click.argument("task", type=name, shell_complete=tasks("assigned"))
@click.argument("host", required=False, type=name, shell_complete=workers)
@click.option("--exit-status", type=click.IntRange(0, 255), default=0, metavar="N", help="Its exit status. Default 0.")
@json_option
@click.pass_obj
def command(session: HubChoice, task: str, host: str | None, exit_status: int, as_json: bool) -> None:
    with session.client(host) as client:
        client.complete(task, exit_status)
    if as_json:
        say_json({"completed": [task], "exit_status": exit_status})
    elif exit_status:
        say(f"Completed {task}: it failed with exit status {exit_status}")
    else:
        say(f"Completed {task}")
