"""Watch a run on the whole screen: totals and rates, workers, running tasks and failed tasks.

q quits, / filters, Enter opens a task, ? shows all keys; the run continues. While no run is known it waits for one.
When the hub goes away, the screen stays, and shows the next run that continues with the same tasks. For scripts use
dquery status with --json or --wait.

\b
Examples:
  dquery watch
  dquery watch --interval 5
"""

from __future__ import annotations

import os
import shlex
import time
from typing import TYPE_CHECKING

import click

from dwork.core.errors import UsageError
from dwork.core.text import shown
from dwork.dquery._output import note
from dwork.dquery._session import HubChoice
from dwork.progress.terminal import can_redraw

if TYPE_CHECKING:
    from dwork.client.client import Client


#: Seconds between two searches for a run.
LOOK = 1.0


@click.command(help=__doc__)
@click.option(
    "--interval",
    metavar="SECONDS",
    type=click.FloatRange(min=0.1, max=3600),
    default=1.0,
    help="Query the hub every SECONDS. Default 1.",
)
@click.pass_obj
def command(session: HubChoice, interval: float) -> None:
    if not (os.isatty(0) and all(map(can_redraw, (1, 2)))):  # Textual draws on standard error
        raise UsageError("watch needs a terminal; use dquery status, also with --json and --wait")
    client = _first(session)  # not closed: close() would block while a thread waits for an answer
    with session.timed():
        row = client.watch()
    from dwork.dquery._watch.screen import show

    show(client, row, interval)


def _first(session: HubChoice) -> Client:
    """Return a client of the run, and wait for one when none is known."""
    from dwork.connection.choice import NoRun
    from dwork.connection.directory import last_record

    is_waiting = False
    while True:
        try:
            return session.connect()
        except NoRun as error:
            if not is_waiting:
                record = last_record()
                last = f"; dquery status -f {shlex.quote(record)} shows the last one" if record else ""
                where = f" in {shown(error.place)}" if error.place else ""
                note(f"dquery: no run is known{where} yet: waiting for one, Ctrl-C quits{last}")
            is_waiting = True
            time.sleep(LOOK)
