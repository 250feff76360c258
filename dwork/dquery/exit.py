"""Report that worker HOST, by default this host, is gone.

The tasks that it has stolen and not completed become ready again.

\b
Examples:
  dquery exit node17:4711
"""

from __future__ import annotations

import click

from dwork.core.errors import GraphError
from dwork.dquery._completion import workers
from dwork.dquery._output import say, say_json
from dwork.dquery._session import HubChoice, json_option, name


@click.command(help=__doc__)
@click.argument("host", required=False, type=name, shell_complete=workers)
@json_option
@click.pass_obj
def command(session: HubChoice, host: str | None, as_json: bool) -> None:
    with session.client(host) as client:
        known = client.exit_worker()
    if as_json:
        say_json({"host": client.location, "known": known})
    elif known:
        say(f"{client.location} is gone; its tasks are ready again")
    if not known:
        raise GraphError(f"the hub does not know worker {client.location!r}; it knows a worker after its first steal")
