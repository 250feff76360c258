"""Watch a run: totals and rates, workers, what runs, and what failed, on the whole screen.

q quits, / filters, Enter opens a task, ? tells all keys; the run goes on. It lives through a hub that goes away, and
shows the one that goes on with its tasks. For scripts there is dquery status, with --json and --wait.

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
    help="How often to ask the hub. Default 1.",
)
@click.pass_obj
def command(session: HubChoice, interval: float) -> None:
    if not (os.isatty(0) and all(map(can_redraw, (1, 2)))):  # Textual draws on standard error
        raise UsageError("watch needs a terminal; dquery status tells how far the run is, also with --json and --wait")
    client = session.connect()  # not closed: that would wait for an answer that somebody still waits for
    with session.timed():
        row = client.watch()
    from dwork.dquery._watch.screen import show

    show(client, row, interval)
