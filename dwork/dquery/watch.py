"""Watch a run on the whole screen: totals and rates, workers, running tasks and failed tasks.

q quits, / filters, Enter opens a task, ? shows all keys; the run continues. When the hub goes away, the screen stays,
and shows the next run that continues with the same tasks. For scripts use dquery status with --json or --wait.

\b
Examples:
  dquery watch
  dquery watch --interval 5
"""

from __future__ import annotations

import os

import click

from dwork.core.errors import UsageError
from dwork.dquery._session import HubChoice
from dwork.progress.terminal import can_redraw


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
    client = session.connect()  # not closed: close() would block while a thread waits for an answer
    with session.timed():
        row = client.watch()
    from dwork.dquery._watch.screen import show

    show(client, row, interval)
