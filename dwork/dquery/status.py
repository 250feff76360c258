"""Tell how many tasks are in which state."""

from __future__ import annotations

from collections.abc import Mapping

import click

from dwork.dquery._output import say, say_json
from dwork.dquery._session import Session, json_option
from dwork.dquery._source import file_option, source
from dwork.shown import counted, shown
from dwork.task import ACTIVE, State


@click.command(help=__doc__)
@file_option
@json_option
@click.pass_obj
def command(session: Session, file: str | None, as_json: bool) -> None:
    counts: Mapping[str, int]
    if file is None:
        with session.client() as client:
            status = client.status()
        text, active, ready, counts = status.text, status.active, status.ready, status.counts
    else:
        with source(session, file) as record:
            found = record.counts()
        counts = {state.value: found.get(state.value, 0) for state in State}
        active, ready = sum(counts[state.value] for state in ACTIVE), 0
        text = f"{shown(file)}: {counted(active, 'task')} of {sum(counts.values()):,} not ended."
    if as_json:
        say_json({"text": text, "active": active, "ready": ready, "counts": dict(counts)})
        return
    say(text)
    width = max((len(str(n)) for n in counts.values()), default=0)
    for state, n in counts.items():
        say(f"{n:{width}} {state}")
