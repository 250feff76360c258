"""Tell how many tasks are in which state."""

from __future__ import annotations

import click

from dwork.dquery._output import say, say_json
from dwork.dquery._session import Session, json_option


@click.command(help=__doc__)
@json_option
@click.pass_obj
def command(session: Session, as_json: bool) -> None:
    with session.client() as client:
        status = client.status()
    if as_json:
        say_json({"text": status.text, "active": status.active, "ready": status.ready, "counts": dict(status.counts)})
        return
    say(status.text)
    width = max((len(str(n)) for n in status.counts.values()), default=0)
    for state, n in status.counts.items():
        say(f"{n:{width}} {state}")
