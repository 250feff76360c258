"""The transport over MPI: rank 0 is the hub, the other ranks are workers. The only module that imports mpi4py.

MPI cannot be slept on: a blocking receive keeps a core busy under every MPI (measured: 98 to 100 %). So it is looked
at, with naps between: short ones at first after a frame, since the next is often on its way, longer ones later. No
look is made without a nap: spinning takes the core that a task could have. Where ranks are many times as many as cores
their looks alone would keep all cores busy, so all but the hub nap as many times as long.

Ranks can die. Where MPI tells of it (ULFM), so does `lost`; elsewhere the hub finds one silent, and says so with
`drop`. A silent one may only have been stopped: nothing is sent to it until a frame of it arrives. One that is silent
still when the ranks part counts as dead. Once there are dead ones nobody enters MPI_Finalize, which would wait for
them: the ranks part as usual, and then end without it.
"""

from __future__ import annotations

import math
import os
import time
import warnings
from collections import deque
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from dwork.core.errors import TransportError, UsageError
from dwork.host.local_ranks import place
from dwork.transport import HUB, Peer

if TYPE_CHECKING:
    from mpi4py import MPI

#: Naps in seconds, the n-th after a frame and on: when somebody waits for what may come, and when all have work.
HURRIED = ((0, 0.00005), (12, 0.00025), (400, 0.0005), (1500, 0.001), (4500, 0.01))
RELAXED = ((0, 0.00005), (12, 0.001), (3500, 0.01))
#: The nap while the ranks part at the end.
PARTING = 0.001
#: The longest nap of ranks that crowd their node.
CROWDED = 0.05
#: Seconds that a hub waits for ranks to part, when it has lost some, and when it knows of no death. A launcher that
#: lets others live on may tell of none, and whoever has nothing to do any more is not missed.
PATIENCE = 10.0
SILENCE = 60.0
#: Seconds that it waits for those alone that were silent before.
LATE = 2.0
#: A worker waits until frames of this size have left, so that a long output does not pile up in memory.
LARGE = 64 * 1024
#: Frames that one `receive` returns at the most, so that no peer keeps the others waiting.
AT_ONCE = 256

#: Tags: of frames, of the empty message with which an end parts, and of a worker's word that it has parted.
TAG, LAST, GONE = 0, 1, 2

#: Where launchers say how many processes they have started, and which one this is.
SIZES = (
    "OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MPI_LOCALNRANKS", "SLURM_STEP_NUM_TASKS", "MV2_COMM_WORLD_SIZE", "PALS_SIZE",
    "ALPS_APP_PE_COUNT", "JSM_NAMESPACE_SIZE", "FLUX_JOB_SIZE",
)  # fmt: skip
RANKS = (
    "OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK", "MV2_COMM_WORLD_RANK", "PALS_RANKID", "ALPS_APP_PE",
    "JSM_NAMESPACE_RANK", "FLUX_TASK_RANK",
)  # fmt: skip

#: What to do when they do not.
_USE = (
    "the launcher belongs to another MPI. Use that library's own mpirun, or srun --mpi=pmi2 (MPICH) or pmix "
    "(Open MPI). Nothing was run"
)


def launched() -> tuple[int, str]:
    """How many processes the launcher says it has started, and the variable that says so; (0, "") without one.

    SLURM_NTASKS must not be asked: it is set in a batch script, where one process is right.
    """
    best = (0, "")
    for name in SIZES:
        value = os.environ.get(name, "")
        if value.isdecimal() and int(value) > best[0]:
            best = (int(value), f"{name}={value}")
    if not best[0] and any(name in os.environ for name in RANKS):
        return (1, next(name for name in RANKS if name in os.environ))
    return best


def rank_hint() -> int | None:
    """Which rank this process is, if the launcher says so; good for messages before MPI is up, not for more."""
    names = (*RANKS, "SLURM_PROCID") if "SLURM_STEP_NUM_TASKS" in os.environ else RANKS
    return next((int(os.environ[name]) for name in names if os.environ.get(name, "").isdecimal()), None)


def start() -> MPI.Intracomm:
    """Bring MPI up and return its world; UsageError when there is none, or when it is not that of the launcher."""
    n, evidence = launched()
    try:
        import mpi4py

        mpi4py.rc.initialize, mpi4py.rc.finalize = False, True  # to look first, and leave as if we had not
        from mpi4py import MPI

        if n > 1 and _is_strange_to_pmix(MPI.Get_library_version(), os.environ):  # it would end the job with no word
            raise UsageError(f"{n} processes ({evidence}) are started as PMIx does it, which {library()} lacks: {_USE}")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # mpi4py's own check, which misses srun; ours is below
            MPI.Init_thread(MPI.THREAD_MULTIPLE)
    except (ImportError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UsageError(f"no MPI library: {reason}; pip install mpich, or load your site's MPI module") from None
    if MPI.COMM_WORLD.size == 1 and n > 1:
        raise UsageError(
            f"the launcher has started {n} processes ({evidence}), but each is alone in its MPI ({library()}): {_USE}"
        )
    return MPI.COMM_WORLD


def _is_strange_to_pmix(version: str, environ: Mapping[str, str]) -> bool:
    """Whether this is an MPICH that was built without it, and nothing else is there to tell it of the other ranks."""
    is_mpich = version.startswith("MPICH Version") and "MPICH configure:" in version
    return is_mpich and "pmix" not in version and "PMIX_RANK" in environ and "PMI_RANK" not in environ


def library() -> str:
    """What the MPI library calls itself."""
    from mpi4py import MPI

    first = MPI.Get_library_version().replace("\0", "").split("\n")[0].split(",")[0]
    return " ".join(first.replace("Version:", "").split())[:40]


class Mpi:
    """One rank's end."""

    descriptors: tuple[int, ...] = ()

    def __init__(self, comm: MPI.Intracomm) -> None:
        from mpi4py import MPI

        self._mpi: Any = MPI
        self._comm = comm
        self._is_hub = comm.rank == 0
        self._status = MPI.Status()
        self._leaving: deque[tuple[MPI.Request, bytes, int]] = deque()
        self._naps = 0
        self._crowd = 1 if self._is_hub else max(1, place(os.environ).ranks // (os.cpu_count() or 1))
        self.size: int = comm.size
        self._ranks = range(1, comm.size) if self._is_hub else (0,)
        self._source: int = MPI.ANY_SOURCE if self._is_hub else 0
        self._dead: set[int] = set()
        self._silent: set[int] = set()
        self._doubts = False  # there were silent ones
        self._stalled: list[tuple[MPI.Request, bytes, int]] = []  # what these have not received; MPI may still read it
        self._lost: list[Peer] = []
        self._is_closed = False
        self.is_whole = True  # no rank has died; else the process must end without Python's clean-up, which finalizes

    @property
    def peers(self) -> list[Peer]:
        """At the hub: all the workers that are neither silent nor known to be dead."""
        return [rank for rank in self._ranks if rank not in self._dead | self._silent] if self._is_hub else [HUB]

    @property
    def dead(self) -> frozenset[int]:
        """The ranks of which MPI says that they are dead."""
        return frozenset(self._dead)

    def send(self, peer: Peer, frame: bytes) -> None:
        rank: Any = peer if self._is_hub else 0
        if rank in self._dead or rank in self._silent:
            return
        try:
            request = self._comm.Isend([frame, self._mpi.BYTE], rank, TAG)
            if len(frame) >= LARGE and not self._is_hub:
                request.Wait()  # the hub never waits for us in turn, so this ends
            elif not request.Test():
                self._leaving.append((request, frame, rank))
        except self._mpi.Exception as error:
            self._fails(error)
        self._awake()

    def flush(self, seconds: float) -> None:
        """Wait, for so long at the most, until all has left that was sent: MPI moves nothing while nobody calls it.

        What has come meanwhile is gone.
        """
        until = time.monotonic() + seconds
        while self._leaving and time.monotonic() < until:
            self.receive()
            time.sleep(PARTING)

    def receive(self) -> list[tuple[Peer, bytes]]:
        frames: list[tuple[Peer, bytes]] = []
        comm, status, byte = self._comm, self._status, self._mpi.BYTE
        try:
            while self._leaving and self._leaving[0][0].Test():
                self._leaving.popleft()
            while len(frames) < AT_ONCE and comm.Iprobe(self._source, TAG, status):
                rank = status.Get_source()
                frame = bytearray(status.Get_count(byte))
                comm.Recv([frame, byte], rank, TAG)
                if rank in self._silent:
                    self._hear(rank)
                if rank not in self._dead:
                    frames.append((rank if self._is_hub else HUB, bytes(frame)))
        except self._mpi.Exception as error:
            self._fails(error)
        if frames:
            self._awake()
        return frames

    def _awake(self) -> None:
        self._naps = 0

    def _fails(self, error: Any) -> None:
        """MPI says that a rank is dead: find out which. TransportError when it is the hub."""
        if not self._is_hub:
            raise TransportError(f"the hub is gone: {error.Get_error_string()}") from None
        try:
            self._comm.Ack_failed()
            failed = self._comm.Get_failed()
            ranks = failed.Translate_ranks(range(failed.size), self._comm.Get_group())
        except (self._mpi.Exception, NotImplementedError, AttributeError):
            raise TransportError(f"MPI is broken: {error.Get_error_string()}") from None
        for rank in ranks:
            if rank not in self._dead:
                self.bury(rank)
                self._lost.append(rank)

    def drop(self, peer: Peer) -> None:
        rank = int(peer)  # type: ignore[call-overload]
        self._doubts = True
        if rank not in self._dead:
            self._silent.add(rank)
            self._stalled += [entry for entry in self._leaving if entry[2] == rank]
            self._leaving = deque(entry for entry in self._leaving if entry[2] != rank)

    def _hear(self, rank: int) -> None:
        """A silent rank says something."""
        self._silent.discard(rank)
        self._leaving += [entry for entry in self._stalled if entry[2] == rank]
        self._stalled = [entry for entry in self._stalled if entry[2] != rank]

    def bury(self, peer: Peer) -> None:
        """A rank is dead, or as good as that."""
        rank = int(peer)  # type: ignore[call-overload]
        self.drop(rank)
        self._silent.discard(rank)
        self._dead.add(rank)
        self.is_whole = False

    def lost(self) -> list[Peer]:
        lost, self._lost = self._lost, []
        return lost

    def nap(self, hurry: bool = True) -> float:
        try:
            # Twice: a look makes MPI take in what has arrived, and only the next one tells of it.
            if self._comm.Iprobe(self._source, TAG) or self._comm.Iprobe(self._source, TAG):
                return 0.0
        except self._mpi.Exception as error:
            self._fails(error)
            return 0.0
        self._naps += 1
        return self._stretched(next(nap for n, nap in reversed(HURRIED if hurry else RELAXED) if self._naps > n))

    def _stretched(self, nap: float) -> float:
        return nap if self._crowd == 1 else max(nap, min(nap * self._crowd, CROWDED))

    def part(self, farewell: bytes = b"") -> None:
        """As `close`; when MPI is broken the process must end without Python's clean-up (`is_whole`)."""
        try:
            self.close(farewell)
        except TransportError:
            self.is_whole = False

    def close(self, farewell: bytes = b"") -> None:
        """Part from the others, each with a last message, empty if none is known to be dead; leave MPI, unless some is.

        farewell: a frame for a rank that was silent when all others were sent home, and comes back meanwhile.

        MPI_Finalize wants no message left behind, and an MPI that is left without it ends the whole job. It also spins
        until all ranks are there: so one waits here, with naps, until the hub parts.
        """
        if self._is_closed:
            return
        self._is_closed = True
        if self._is_hub:  # when all have parted, or are dead: it tells those who live whether there are dead ones
            self._see_off(LAST, self._ranks, farewell=farewell)
            self._part()
            # That this has arrived is told by whoever receives it, and who finalizes tells nobody anything any more:
            # with 128 ranks some waited for ever. So the hub goes last, when all have said that they know.
            self._see_off(GONE, self._ranks, time.monotonic() + PATIENCE)
        else:
            self._part()
            self._see_off(LAST, self._ranks)
            self._leaving.append((self._comm.Isend([b"", self._mpi.BYTE], 0, GONE), b"", 0))
            self._see_off(GONE, ())
        if self.is_whole:
            self.receive()
            self._mpi.Finalize()
        self._dead.update(self._ranks)  # nothing more is sent

    def _part(self) -> None:
        """Say the last word to all who live. Issend: it is done when it has arrived, not when it has left."""
        last = b"\1" if self._dead else b""
        for rank in self._ranks:
            if rank not in self._dead:
                self._leaving.append((self._comm.Issend([last, self._mpi.BYTE], rank, LAST), last, rank))

    def _see_off(self, tag: int, ranks: Iterable[int], until: float = math.inf, farewell: bytes = b"") -> None:
        """Wait until all of these have said this, and until what was sent has left; or all but the dead have."""
        parted: set[int] = set()
        begin = time.monotonic()
        while time.monotonic() < until:
            silent = set(self._silent)
            self.receive()  # too late to be answered
            for rank in silent - self._silent - self._dead:
                self.send(rank, farewell)
            try:
                while self._comm.Iprobe(self._source, tag, self._status):
                    n, rank = self._status.Get_count(self._mpi.BYTE), self._status.Get_source()
                    self._comm.Recv([bytearray(n), self._mpi.BYTE], rank, tag)
                    parted.add(rank)
                    self._hear(rank)
                    self.is_whole = self.is_whole and not n
            except self._mpi.Exception as error:
                self._fails(error)
            awaited = set(ranks) - parted - self._dead
            if not awaited and not self._leaving:
                return
            if self._is_hub and time.monotonic() > begin + self._patience(awaited):
                for rank in awaited:  # who does not part is dead, too
                    self.bury(rank)
                return
            time.sleep(self._stretched(PARTING))

    def _patience(self, awaited: set[int]) -> float:
        """Seconds that the hub waits for these to part, and for what it has sent to leave."""
        if not self._leaving and awaited <= self._silent:
            return LATE
        return PATIENCE if self._dead or self._doubts else SILENCE

    def abort(self, status: int) -> None:
        """End all ranks at once: something is broken."""
        self._comm.Abort(status)
