"""dwork-pool: run task files on all ranks of an MPI job, or on this machine alone.

Rank 0 is the hub, the others are workers; they get by with few imports, since a thousand of them start at once. MPI is
brought up before anything can go wrong, so that whatever rank 0 finds (a typo, a bad file) it can send the others home.
"""

from __future__ import annotations

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
#: A rank says something every so many seconds, at the least.
BEAT = 15.0
#: Seconds of silence after which a rank takes the hub for dead.
HUB_TIMEOUT = 120.0
#: Asked for these, only rank 0 answers.
_QUESTIONS = {"-h", "--help", "--version"}
#: Asked for this, all ranks say what they see, and none runs anything.
DOCTOR = "--doctor"


def main(typed: str = "dwork-pool") -> None:
    """The console script, and `python -m dwork.pool`. typed: what people type to start it."""
    first = mpi.rank_hint() in (None, 0)
    if first:
        signals.hold()
    else:  # mpirun passes signals on to all ranks; rank 0 knows what they mean
        signals.ignore()
    hold_streams()
    world: MPI.Intracomm | None = None
    trouble: UsageError | None = None
    launched = mpi.launched()[0]
    if launcher.tells_deaths():
        # Also of ranks that end as they should, and at times when nobody listens: before the run, and after it.
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    if launched and _QUESTIONS & set(sys.argv[1:]):  # answered without MPI; and then by no rank with it
        if not first:
            leave(ExitCode.DONE)
        trouble = UsageError(f"{' and '.join(_QUESTIONS)} do not go with task files")
    elif launched:
        try:
            world = mpi.start()
        except UsageError as error:
            if not first:  # rank 0 says it; a failure here could end the job before
                leave(ExitCode.DONE)
            trouble = error
    if world is not None and world.rank > 0:
        if DOCTOR in sys.argv[1:]:
            _be_examined(world)
        _be_worker(world)
    from dwork.pool import command

    command.main(world, trouble, typed)


def _be_worker(world: MPI.Intracomm) -> NoReturn:
    from dwork.host.capacity import of_rank
    from dwork.worker.worker import OVER_TCP, Worker, WorkerPolicy
    from dwork.worker_loop import work

    transport = mpi.Mpi(world)
    location = f"{socket.gethostname()}:{world.rank}"
    slots, equipment = of_rank(sys.argv[1:])

    def tell(text: str) -> None:
        say(PROGRAM, text)

    def body() -> int:
        worker = Worker(location, slots, WorkerPolicy(beat=BEAT), equipment.has)
        moved = work(worker, transport, tell, equipment, is_rank=True, hub_timeout=HUB_TIMEOUT)
        if moved is not None:
            from dwork.connection.file import reach
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

    transport = mpi.Mpi(world)
    _end(
        transport,
        guarded(f"{PROGRAM}: rank {world.rank}", lambda: be_examined(transport, world.rank, HUB_TIMEOUT)),
    )


def _end(transport: mpi.Mpi, code: int) -> NoReturn:
    """Part from the hub, if it is still there."""
    if code == ExitCode.BUG:
        transport.abort(code)
    if code != ExitCode.DONE:  # the hub or the launcher is gone: there is nobody to part from, and MPI_Abort may hang
        leave(code, at_once=True)
    try:
        transport.close()
    except TransportError:  # the hub has died meanwhile
        leave(code, at_once=True)
    leave(code, at_once=not transport.is_whole)


if __name__ == "__main__":
    main()
