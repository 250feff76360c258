"""dwork-pool: run task files on all ranks of an MPI job, or on this machine alone.

Rank 0 is the hub, the others are workers, which import little because a thousand of them start at once. MPI is started
before anything can fail, so that rank 0 can dismiss the other ranks after any error (a typo, a bad file).
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from typing import TYPE_CHECKING, NoReturn

from dwork.cli.program import ExitCode, guarded, hold_streams, leave, say
from dwork.core.errors import TransportError, UsageError
from dwork.host import launcher, signals
from dwork.transport import mpi

if TYPE_CHECKING:
    from mpi4py import MPI

PROGRAM = "dwork"
#: Seconds between two messages of a rank to the hub, at most.
BEAT = 15.0
#: Seconds of silence after which a rank considers the hub dead.
HUB_TIMEOUT = 120.0
#: With these options rank 0 prints its answer, and no other rank does anything.
_INFO_OPTIONS = {"-h", "--help", "--version", "--check", "--dry-run"}
#: With this option all ranks report what they see, and none runs tasks.
DOCTOR = "--doctor"


def main(typed: str = "dwork-pool") -> None:
    """Run the console script, or `python -m dwork.pool`. typed: the command that users type to start it."""
    first = mpi.rank_hint() in (None, 0)
    if first:
        signals.hold()
    else:  # mpirun forwards signals to all ranks; rank 0 handles them
        signals.ignore()
    hold_streams()
    world: MPI.Intracomm | None = None
    trouble: UsageError | None = None
    launched = mpi.launched()[0]
    if launcher.tells_deaths(os.environ):
        # The launcher also signals normal ends of ranks, and does so before and after the run, when nothing handles it.
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    if launched and _INFO_OPTIONS & set(sys.argv[1:]):  # answered without MPI, so no rank may start MPI
        if not first:
            leave(ExitCode.DONE)
        trouble = UsageError(f"{', '.join(sorted(_INFO_OPTIONS))} cannot be combined with task files; drop one")
    elif launched:
        try:
            world = mpi.start()
        except UsageError as error:
            if not first:  # rank 0 reports it; a failure here could end the job first
                leave(ExitCode.DONE)
            trouble = error
    if world is not None and world.rank > 0:
        if DOCTOR in sys.argv[1:]:
            _be_examined(world)
        _be_worker(world)
    from dwork.pool import command

    command.main(world, trouble, typed)


def _connected(world: MPI.Intracomm) -> mpi.Mpi:
    """Return the transport of a worker rank, which then has the environment of the job script."""
    transport = mpi.Mpi(world)
    if launcher.forgets_environment(os.environ):
        from dwork.runner.job_environment import adopt

        try:
            adopt(transport.shared())
        except TransportError as error:
            say(f"{PROGRAM}: rank {world.rank}", str(error))
            leave(ExitCode.FAILED, at_once=True)
    return transport


def _be_worker(world: MPI.Intracomm) -> NoReturn:
    from dwork.host.capacity import of_rank
    from dwork.worker.worker import OVER_TCP, Worker, WorkerPolicy
    from dwork.worker_loop import work

    transport = _connected(world)
    location = f"{socket.gethostname()}:{world.rank}"
    slots, equipment = of_rank(sys.argv[1:])

    def tell(text: str) -> None:
        say(PROGRAM, text)

    def body() -> int:
        worker = Worker(location, slots, WorkerPolicy(beat=BEAT), equipment.has)
        moved = work(worker, transport, tell, equipment, is_rank=True, hub_timeout=HUB_TIMEOUT)
        if moved is not None:
            from dwork.connection.reach import reach
            from dwork.transport.zmq import Dealer

            dealer = Dealer(reach(moved, HUB_TIMEOUT), keys=moved.keys, patience=HUB_TIMEOUT)
            try:
                worker = Worker(location, slots, OVER_TCP, equipment.has)
                work(worker, dealer, tell, equipment, is_rank=True, hub_timeout=HUB_TIMEOUT)
            finally:
                dealer.close()
        return ExitCode.DONE

    _end(transport, guarded(f"{PROGRAM}: rank {world.rank}", body))


def _be_examined(world: MPI.Intracomm) -> NoReturn:
    from dwork.doctor.visit import be_examined

    transport = _connected(world)
    _end(
        transport,
        guarded(f"{PROGRAM}: rank {world.rank}", lambda: be_examined(transport, world.rank, HUB_TIMEOUT)),
    )


def _end(transport: mpi.Mpi, code: int) -> NoReturn:
    """Disconnect from the hub, if it is still there, and end the process."""
    if code == ExitCode.BUG:
        transport.abort(code)
    if code != ExitCode.DONE:  # the hub or the launcher is gone, and MPI_Abort may hang
        leave(code, at_once=True)
    try:
        transport.close()
    except TransportError:  # the hub has died in the meantime
        leave(code, at_once=True)
    leave(code, at_once=not transport.is_whole)


if __name__ == "__main__":
    main()
