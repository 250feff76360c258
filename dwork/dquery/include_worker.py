"""Give excluded workers tasks again.

A pool excludes a worker on which tasks fail that succeed elsewhere; dquery workers shows why.

WORKER is a name as in `dquery workers`, such as node17:3, or a glob, such as 'node17:*'.

\b
Examples:
  dquery include-worker node17:3
  dquery include-worker 'node17:*'
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
    with session.client() as client:
        n = client.include_workers(*workers)
    if as_json:
        say_json({"included": n})
    else:
        say(f"{counted(n, 'worker')} may get tasks again")
