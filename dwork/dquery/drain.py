"""Let a pool come to an end: nothing more is started, and what is left is for the next run.

What runs may end by itself; --now ends it (SIGTERM, then SIGKILL), and the next run runs it again. --wait returns when
nothing runs any more. The pool then exits with 3, if anything is left.

\b
Examples:
  dquery drain                what runs may end
  dquery drain --now --wait   end it, and return when that is done
"""

from __future__ import annotations

import time

import click

from dwork.core.errors import TransportError
from dwork.core.text import counted
from dwork.dquery._output import say, say_json
from dwork.dquery._session import HubChoice, json_option

#: Seconds between two looks whether something still runs.
PAUSE = 0.5


@click.command(help=__doc__)
@click.option("--now", is_flag=True, help="End what runs, too.")
@click.option("--wait", is_flag=True, help="Return when nothing runs any more.")
@json_option
@click.pass_obj
def command(session: HubChoice, now: bool, wait: bool, as_json: bool) -> None:
    running = 0
    with session.client() as client:
        client.drain(now=now)
        try:
            while running := client.status().counts.get("assigned", 0):
                if not wait:
                    break
                time.sleep(PAUSE)
        except TransportError:  # it has come to its end, and is gone
            running = 0
    if as_json:
        say_json({"drained": True, "running": running})
    else:
        say(f"Nothing more is started; {counted(running, 'task')} in workers' hands")
