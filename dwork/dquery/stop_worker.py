"""Stop workers: they finish their running tasks and give back the rest.

WORKER is a name as in `dquery workers`, such as node17:3, or a glob, such as 'node17:*'.

\b
Examples:
  dquery stop-worker node17:3
  dquery stop-worker 'node17:*'
"""

from __future__ import annotations

import click

from dwork.core.text import counted
from dwork.dquery._completion import workers
from dwork.dquery._output import say, say_json
from dwork.dquery._session import HubChoice, json_option, name


@click.command(help=__doc__)
@click.argument("workers", metavar="WORKER...", nargs=-1, required=True, type=name, shell_complete=workers)
@json_option
@click.pass_obj
def command(session: HubChoice, workers: tuple[str, ...], as_json: bool) -> None:
    with session.changing_client() as client:
        n = client.stop_workers(*workers)
    if as_json:
        say_json({"told": n})
    else:
        say(f"Stopping {counted(n, 'worker')}")
