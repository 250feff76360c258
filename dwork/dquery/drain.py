"""Drain a pool: it starts no more tasks, and leaves the rest for the next run.

Running tasks may finish; --now terminates them (SIGTERM, then SIGKILL), and the next run runs them again. --wait
returns when no task is running any more. The pool then exits with 3 if any task is left.

\b
Examples:
  dquery drain                let running tasks finish
  dquery drain --now --wait   terminate them, and return when they have ended
"""

from __future__ import annotations

import time

import click

from dwork.core.errors import TransportError
from dwork.core.text import counted
from dwork.dquery._output import say, say_json
from dwork.dquery._session import HubChoice, json_option

#: Seconds between two checks whether a task is still running.
PAUSE = 0.5


@click.command(help=__doc__)
@click.option("--now", is_flag=True, help="Terminate running tasks, too.")
@click.option("--wait", is_flag=True, help="Return when no task is running any more.")
@json_option
@click.pass_obj
def command(session: HubChoice, now: bool, wait: bool, as_json: bool) -> None:
    running = 0
    with session.changing_client() as client:
        client.drain(now=now)
        try:
            while running := client.status().counts.get("assigned", 0):
                if not wait:
                    break
                time.sleep(PAUSE)
        except TransportError:  # the pool has ended
            running = 0
    if as_json:
        say_json({"drained": True, "running": running})
    else:
        say(f"No more tasks are started; {counted(running, 'task')} held by workers")
