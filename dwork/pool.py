"""dwork-pool: run task files on all ranks of an MPI job, or on this machine alone.

Rank 0 is the hub, the others are workers; they get by with few imports, since a thousand of them start at once. MPI is
brought up before anything can go wrong, so that whatever rank 0 finds (a typo, a bad file) it can send the others home.
"""

from __future__ import annotations

import socket
import sys
from typing import TYPE_CHECKING

from dwork.errors import UsageError
from dwork.program import ExitCode, guarded, leave, say
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


def main() -> None:
    """The console script, and `python -m dwork.pool`."""
    world: MPI.Intracomm | None = None
    trouble: UsageError | None = None
    launched = mpi.launched()[0]
    first = mpi.rank_hint() in (None, 0)
    if launched and _QUESTIONS & set(sys.argv[1:]):  # answered without MPI; and then by no rank with it
        if not first:
            leave(ExitCode.DONE)
        trouble = UsageError(f"{' and '.join(_QUESTIONS)} do not go with task files")
    elif launched:
        try:
            world = mpi.start()
        except UsageError as error:
            if not first:  # rank 0 says it
                leave(ExitCode.USAGE)
            trouble = error
    if world is not None and world.rank > 0:
        _be_worker(world)
    from dwork import poolcommand

    poolcommand.main(world, trouble)


def _be_worker(world: MPI.Intracomm) -> None:
    from dwork.cores import slots_of
    from dwork.loop.worker import work
    from dwork.worker import OVER_TCP, Habits, Worker

    transport = mpi.Mpi(world)
    location = f"{socket.gethostname()}:{world.rank}"
    slots = slots_of(sys.argv[1:])

    def tell(text: str) -> None:
        say(PROGRAM, text)

    def body() -> int:
        worker = Worker(location, slots, Habits(beat=BEAT))
        moved = work(worker, transport, tell, is_rank=True, hub_timeout=HUB_TIMEOUT)
        if moved is not None:
            from dwork.connection import reach
            from dwork.transport.zmq import Dealer

            dealer = Dealer(reach(moved, HUB_TIMEOUT), keys=moved.keys, patience=HUB_TIMEOUT)
            try:
                work(Worker(location, slots, OVER_TCP), dealer, tell, is_rank=True, hub_timeout=HUB_TIMEOUT)
            finally:
                dealer.close()
        return ExitCode.DONE

    code = guarded(f"{PROGRAM}: rank {world.rank}", body)
    if code == ExitCode.BUG:
        transport.abort(code)
    if code != ExitCode.DONE:  # the hub or the launcher is gone: there is nobody to part from, and MPI_Abort may hang
        leave(code, at_once=True)
    transport.close()
    leave(code, at_once=not transport.is_whole)


if __name__ == "__main__":
    main()
