"""dhub: a stand-alone hub. dquery and dwork.Client add tasks, kworkers run them; they may connect in any order."""

from __future__ import annotations

import contextlib
import os
import socket
from typing import Any

import click

from dwork.cli.exit_code import verdict
from dwork.cli.options import endpoint_options, execution_options, max_output_option, policy_options
from dwork.cli.program import ExitCode, click_main, leave, say
from dwork.cli.shell_completion import directories, files
from dwork.connection.address import DEFAULT_PORT
from dwork.connection.endpoint import Endpoint
from dwork.core.task import worded
from dwork.core.text import NO_TEXT, UserText, from_system
from dwork.core.version import __version__
from dwork.host.signals import ENDS, Signals
from dwork.hub.hub import Hub
from dwork.output.relay import Relay
from dwork.record.opening import MEMORY, places
from dwork.server.assemble import Server, ServerSettings
from dwork.transport.waiting import clock


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "-p",
    "--port",
    type=click.IntRange(1, 65535),
    metavar="PORT",
    help=f"Port to listen on.  [default: that of its last run with -f FILE; {DEFAULT_PORT}; or any free port]",
)
@endpoint_options
@click.option(
    "-f",
    "--file",
    "record",
    metavar="FILE",
    shell_complete=files,
    default=MEMORY,
    help="Keep the record in FILE, and continue from it after a restart.  [default: in memory]",
)
@click.option(
    "--logs",
    metavar="DIRECTORY",
    shell_complete=directories,
    help="Store the output of tasks in DIRECTORY.  [default: the name of FILE with .logs in place of .db; "
    "without FILE, kworker prints the output]",
)
@click.option("--no-logs", is_flag=True, help="Do not store the output of tasks; kworker prints it.")
@execution_options
@max_output_option
@policy_options
@click.option("-q", "--quiet", is_flag=True, help="Print only errors.")
@click.version_option(__version__)  # fmt: skip
def command(**options: Any) -> int:
    """Serve a graph of tasks to workers until Ctrl-C or SIGTERM.

    Workers then leave. With -f they stay instead: they keep their tasks and wait a minute for the hub to come back.

    \b
    Examples:
      dhub &                                  for users who can read its connection file in ~/.dwork
      dhub --insecure &                       for everyone on this machine, and for C++ peers
      dhub -f run.db &                        tasks and results survive a crash of the hub
      dquery create 'echo hello'              add a task
      kworker                                 run it
    """

    settings = _settings(**options)

    def tell(text: str) -> None:
        if not settings.quiet:
            say("dhub", text)

    with Relay(), contextlib.ExitStack() as stack:
        signals = stack.enter_context(Signals(ENDS, is_last=True))
        server = Server(settings, signals, stack, say=lambda text: say("dhub", text), tell=tell)
        server.outcome = "stopped"
        hub, loop, store, bridge = server.hub, server.loop, server.store, server.bridge
        assert store is not None and bridge is not None
        loop.carry_out(hub.restore(store.recover(clock()), clock(), store.slots(), store.next_id()))
        tell(f"listening on {bridge.server}" + _recovered(hub))
        while not signals.take():
            loop.turn()
            if hub.over:
                loop.conclude(verdict(hub.graph.counts, is_stopped=hub.stop.for_later))
            loop.sleep(signals.descriptor)
        server.conclude(verdict(hub.graph.counts, is_stopped=True))
        if settings.record == MEMORY:
            loop.dismiss()
    return ExitCode.DONE


def _settings(
    *, port: int | None, bind: str | None, insecure: bool, record: str, logs: str | None, no_logs: bool, **others: Any
) -> ServerSettings:
    """Return the settings that these options mean. others: named like their fields."""
    tasks = NO_TEXT if record == MEMORY else from_system(os.path.abspath(record))
    keep = UserText(tasks and f"{socket.gethostname()}:{port or DEFAULT_PORT}:{tasks}")
    endpoint = Endpoint(bind=bind, port=port, insecure=insecure, tasks=tasks, keep=keep, record=tasks)
    file, directory = places(record, logs, no_logs)
    return ServerSettings(endpoint=endpoint, record=file, logs=directory, **others)


def _recovered(hub: Hub) -> str:
    counts = {state: n for state, n in hub.graph.counts.items() if n}
    return f"; {', '.join(f'{n:,} {worded(state.value)}' for state, n in counts.items())}" if counts else ""


def main(typed: str = "dhub") -> None:
    """Run the console script. typed: the command that users type to start it."""
    leave(click_main("dhub", command, typed=typed))


if __name__ == "__main__":
    main()
