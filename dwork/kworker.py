"""kworker: a worker that connects over ZeroMQ to the hub of a pool, a dhub, or the C++ hub."""

from __future__ import annotations

import math
import os
import socket
import sys
import time
from dataclasses import dataclass, replace
from typing import Any, Final

import click

from dwork.cli.ending import Ending, ending
from dwork.cli.hub_option import HubOption, hub_option
from dwork.cli.options import DURATION, MEMORY, SLOTS, gpus_option, job_end_options, smt_option
from dwork.cli.program import ExitCode, click_main, leave, say
from dwork.connection.choice import NoRun, last_ended
from dwork.connection.file import Connection
from dwork.connection.reach import reach
from dwork.core.errors import TransportError
from dwork.core.version import __version__
from dwork.host.capacity import found
from dwork.host.slots import AUTO
from dwork.host.walltime import Walltime
from dwork.output.relay import Relay
from dwork.transport.waiting import clock
from dwork.transport.zmq import Dealer
from dwork.worker.worker import OVER_TCP, Worker
from dwork.worker_loop import work

#: Seconds to try the addresses of a hub before it is searched for again, and between two searches.
_ATTEMPT: Final = 2.0
_LOOK: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """The options, named as on the command line.

    which: how to find the hub. slots: tasks to run at a time, N or auto. cores, memory, gpus: what its tasks may use
    together; None: what there is. smt: whether hardware threads count as cores. hub_timeout: seconds without
    an answer after which to give up. idle_timeout: seconds without work after which to leave; None: never. walltime,
    drain_before: as for a pool. until_eof: leave when standard input ends.
    """

    which: HubOption
    slots: str
    cores: int | None
    memory: int | None
    gpus: str | None
    smt: bool
    hub_timeout: float
    idle_timeout: float | None
    walltime: float | None
    drain_before: float
    until_eof: bool


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@hub_option
@click.option(
    "--slots",
    type=SLOTS,
    metavar="N|auto",
    default="1",
    show_default=True,
    help="Number of tasks to run at a time; auto: one per core.",
)
@click.option(
    "--cores",
    type=click.IntRange(1, 65536),
    metavar="N",
    help="Cores for all its tasks together.  [default: those it may use]",
)
@click.option(
    "--memory",
    type=MEMORY,
    metavar="SIZE",
    help="Memory for all its tasks together, such as 16G.  [default: the job's]",
)
@gpus_option
@smt_option
@click.option(
    "--hub-timeout",
    type=click.FloatRange(1.0),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="Give up when the hub cannot be found, or has not answered, for SECONDS.",
)
@click.option("--idle-timeout", type=DURATION, metavar="TIME", help="Leave after TIME without work, such as 10m.")
@job_end_options
@click.option("--until-eof", is_flag=True, help="End the tasks and leave when standard input ends.")
@click.version_option(__version__)  # fmt: skip
def command(**options: Any) -> int:
    """Run tasks from a hub until all are finished.

    On Ctrl-C or SIGTERM, kworker finishes its running tasks, gives back the rest, and leaves; on a second one it ends
    the running tasks. The output of tasks goes to a hub that stores or prints it (a pool, or dhub with -f); otherwise
    kworker prints it.

    Exit code: 0 when the hub has no more tasks, also if its run ended before the worker started, or when the worker was
    idle or asked to leave; 3 when its own job ends first; 2 when there is no such run, or the hub speaks another
    protocol; 1 when the hub is gone.

    \b
    Examples:
      kworker                                 work for your only hub that is known here
      kworker --job 4711 --slots auto         the hub of a batch job, one task per core of this machine
      kworker -s tcp://node17:6125 --insecure a hub without keys
    """
    return run(WorkerSettings(**options))


def run(settings: WorkerSettings) -> int:
    """Run the worker and return its exit code."""
    found_hub = _find(settings)
    if found_hub is None:
        return ExitCode.DONE
    connection, address = found_hub
    equipment = found(settings.cores, settings.memory, settings.gpus, settings.smt)
    n = equipment.cores if settings.slots == AUTO else int(settings.slots)
    transport = Dealer(address, keys=connection.keys, patience=settings.hub_timeout)
    worker = Worker(f"{socket.gethostname()}:{os.getpid()}", n, OVER_TCP, equipment.has)
    # With --until-eof a pool has started this worker: that pool watches the end of the job and relays the output.
    until_eof = settings.until_eof
    job = None if until_eof else Walltime(settings.walltime, clock(), settings.drain_before)
    relay = Relay()
    if not until_eof:
        relay.start()
    try:
        work(
            worker,
            transport,
            _tell,
            equipment,
            hub_timeout=settings.hub_timeout,
            idle_timeout=math.inf if settings.idle_timeout is None else settings.idle_timeout,
            until_eof=sys.stdin.fileno() if until_eof else None,
            job=job,
            spared=relay.pid,
            hub=f"the hub at {address}",
        )
    except TransportError:
        end = ending(connection)
        if end is None or not end.leaves_nothing:
            raise
        _tell_end(end)
        return ExitCode.DONE
    finally:
        transport.close()
        relay.close()
    return ExitCode.STOPPED if job is not None and clock() >= job.last_call else ExitCode.DONE


def _tell(text: str) -> None:
    say("kworker", text)


def _find(settings: WorkerSettings) -> tuple[Connection, str] | None:
    """Return the connection of the hub and the address that answers; None when its run is over, which is printed.

    The hub may not have started yet, or start again: wait for it. A run that is over and was named by its job or file
    does not come back; another run of this directory, or at this address, might.
    """
    which = settings.which
    if which.file == "-":  # readable once
        which = replace(which, file=which.connection())
    file = which.file if isinstance(which.file, str) else None
    give_up = clock() + settings.hub_timeout
    judged = None  # the last run that has ended so far, which is not over
    is_waiting = False
    while True:
        try:
            connection = which.connection()
            return connection, reach(connection, min(_ATTEMPT, settings.hub_timeout))
        except (NoRun, TransportError) as error:
            is_last = clock() >= give_up
            ended = last_ended(which.server, file, which.job)
            if ended is not None and (is_last or ((file or which.job) and ended != judged)):
                end = ending(ended)
                if end is not None and end.leaves_nothing:
                    _tell_end(end)
                    return None
                judged = judged if end is None else ended  # its record may still be in use
            if is_last:
                raise
            if not is_waiting:
                _tell(f"{error}; waiting up to {settings.hub_timeout:g} s for the hub")
            is_waiting = True
            time.sleep(_LOOK)


def _tell_end(end: Ending) -> None:
    _tell(f"{end.text}: nothing is left to do")


def main(typed: str = "kworker") -> None:
    """Run the console script. typed: the command that users type to start it."""
    leave(click_main("kworker", command, typed=typed))


if __name__ == "__main__":
    main()
