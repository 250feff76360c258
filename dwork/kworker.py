"""kworker: a worker over ZeroMQ, for the hub of a pool or a dhub, ours or the C++ one."""

from __future__ import annotations

import math
import os
import socket
import sys
from collections.abc import Callable

import click

from dwork import __version__
from dwork.connection import Connection, reach
from dwork.loop.worker import work
from dwork.options import DURATION, connection_options
from dwork.program import ExitCode, click_main, leave, say
from dwork.transport.zmq import Dealer
from dwork.worker import OVER_TCP, Worker


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@connection_options
@click.option("--slots", type=click.IntRange(1, 65536), default=1, show_default=True, help="Tasks to run at a time.")
@click.option(
    "--hub-timeout",
    type=click.FloatRange(1.0),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="Give up when the hub has not answered for so long.",
)
@click.option(
    "--idle-timeout", type=DURATION, metavar="TIME", help="Leave when there was nothing to do for so long, as 10m."
)
@click.option("--until-eof", is_flag=True, help="End the tasks and leave when standard input ends.")
@click.version_option(__version__)  # fmt: skip
def command(
    which: Callable[[], Connection], slots: int, hub_timeout: float, idle_timeout: float | None, until_eof: bool
) -> int:
    """Run tasks of a hub, until all are finished.

    Ctrl-C or SIGTERM: finish what runs, give back the rest, and leave. Twice: end what runs, too. The output of tasks
    goes to a hub that keeps or prints it (a pool, a dhub with -f); that of another dhub is printed here.

    \b
    Examples:
      kworker                                 help the only hub of yours that is known here
      kworker --job 4711 --slots 8            that of a batch job, eight tasks at a time
      kworker -s tcp://node17:6125 --insecure one without keys
    """
    connection = which()
    transport = Dealer(reach(connection, hub_timeout), keys=connection.keys, patience=hub_timeout)
    worker = Worker(f"{socket.gethostname()}:{os.getpid()}", slots, OVER_TCP)
    try:
        work(
            worker,
            transport,
            lambda text: say("kworker", text),
            hub_timeout=hub_timeout,
            idle_timeout=math.inf if idle_timeout is None else idle_timeout,
            until_eof=sys.stdin.fileno() if until_eof else None,
        )
    finally:
        transport.close()
    return ExitCode.DONE


def main() -> None:
    """The console script."""
    leave(click_main("kworker", command))


if __name__ == "__main__":
    main()
