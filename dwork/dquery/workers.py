"""List the workers: slots, tasks held, tasks ended, tasks per second, time since they were last heard, and name.

\b
Examples:
  dquery workers
  dquery workers --json
"""

from __future__ import annotations

import click

from dwork.core.text import counted, duration, shown
from dwork.dquery._output import say, say_json
from dwork.dquery._session import HubChoice, json_option


@click.command(help=__doc__)
@json_option
@click.pass_obj
def command(session: HubChoice, as_json: bool) -> None:
    with session.client() as client:
        rows = client.workers()
    if as_json:
        for row in rows:
            say_json(row)
        return
    say(f"{'SLOTS':>5} {'HELD':>6} {'ENDED':>9} {'RATE':>9} {'SILENT':>9} WORKER")
    for row in rows:
        slots = "-" if row["slots"] is None else f"{row['slots']:,}"
        rate = "-" if row["rate"] is None else f"{row['rate']:.1f}/s"
        silent = "-" if row["silent"] is None else duration(row["silent"])
        name = f"{shown(row['location'])}  {row['excluded']}".rstrip()
        say(f"{slots:>5} {row['held']:>6,} {row['ended']:>9,} {rate:>9} {silent:>9} {name}")
    say(counted(len(rows), "worker"))
