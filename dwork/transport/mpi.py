"""The transport over MPI: rank 0 is the hub, the other ranks are workers. The only module that imports mpi4py.

MPI offers no way to sleep until a message arrives: a blocking receive keeps a core busy under every MPI (measured: 98
to 100 %). So MPI is polled, with naps between: short ones right after a frame, since the next is often on its way,
longer ones later. There is never a poll without a nap: spinning takes the core that a task could use. When a node has
many more ranks than cores, polling alone would keep all cores busy, so all ranks but the hub nap longer by that ratio.

Ranks can die. Where MPI reports it (ULFM), `lost` returns the dead rank; elsewhere the hub notices that a rank is
silent, and calls `drop`. A silent rank may only have been suspended: nothing is sent to it until a frame of it arrives.
A rank that is still silent when the ranks part counts as dead. With a dead rank no rank enters MPI_Finalize, which
would wait for the dead one: the ranks part as usual, and then end without it.
"""

from __future__ import annotations

import math
import os
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from dwork.core.errors import TransportError, UsageError
from dwork.host.local_ranks import place
from dwork.host.start_watchdog import limited
from dwork.transport import HUB, Peer

if TYPE_CHECKING:
    from mpi4py import MPI

#: (n, seconds): the nap from the n-th after a frame on; HURRIED when the next frame is waited for, RELAXED when not.
HURRIED = ((0, 0.00005), (12, 0.00025), (400, 0.0005), (1500, 0.001), (4500, 0.01))
RELAXED = ((0, 0.00005), (12, 0.001), (3500, 0.01))
#: Seconds that MPI_Init may take unless $DWORK_START_TIMEOUT is set: thousands of ranks may start minutes apart.
START_TIMEOUT = 600.0
#: The nap while the ranks part at the end.
PARTING = 0.001
#: The longest nap of ranks that crowd their node.
CROWDED = 0.05
#: Seconds that a hub waits for ranks to part: when it has lost some or the launcher reports a death, and when it knows
#: of none. Not all launchers report it, and the silence of a rank without work is not noticed.
PATIENCE = 10.0
SILENCE = 60.0
#: Seconds that a hub waits when only ranks that were silent before are missing.
LATE = 2.0
#: A worker waits until frames of this size have left, so that a long output does not pile up in memory.
LARGE = 64 * 1024
#: Seconds that it waits for that: the hub may be dead, which not every MPI reports. The longest pause between two looks
#: that counts as waiting: in a longer one this process was suspended.
STALL, PAUSE = 120.0, 1.0
#: The most frames that one `receive` returns, so that no peer keeps the others waiting.
AT_ONCE = 256

#: Tags: of frames, of the message with which an end parts, of a worker's message that it has parted, and of what the
#: hub shares with all ranks at the start.
TAG, LAST, GONE, SHARED = 0, 1, 2, 3

#: The variables in which launchers put the number of processes that they have started, and the rank of this one.
SIZES = (
    "OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MPI_LOCALNRANKS", "SLURM_STEP_NUM_TASKS", "MV2_COMM_WORLD_SIZE", "PALS_SIZE",
    "ALPS_APP_PE_COUNT", "JSM_NAMESPACE_SIZE", "FLUX_JOB_SIZE",
)  # fmt: skip
RANKS = (
    "OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK", "MV2_COMM_WORLD_RANK", "PALS_RANKID", "ALPS_APP_PE",
    "JSM_NAMESPACE_RANK", "FLUX_TASK_RANK",
)  # fmt: skip

#: What to do when the launcher and the MPI library do not match.
_USE = (
    "the launcher belongs to another MPI. Use that library's own mpirun, or srun --mpi=pmi2 (MPICH) or pmix "
    "(Open MPI). Nothing was run"
)


def launched() -> tuple[int, str]:
    """Return the number of processes that the launcher has started, and the variable that contains it.

    (0, "") without a launcher. SLURM_NTASKS does not count: it is also set in a batch script, where one process is
    right.
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
    """Return this process's rank by the launcher's variables, if set; only for messages before MPI is initialized."""
    names = (*RANKS, "SLURM_PROCID") if "SLURM_STEP_NUM_TASKS" in os.environ else RANKS
    return next((int(os.environ[name]) for name in names if os.environ.get(name, "").isdecimal()), None)


def start() -> MPI.Intracomm:
    """Initialize MPI and return MPI_COMM_WORLD; UsageError without an MPI library, or when it is not the launcher's."""
    n, evidence = launched()
    try:
        import mpi4py

        mpi4py.rc.initialize, mpi4py.rc.finalize = False, True  # check before MPI_Init; finalize at exit as usual
        from mpi4py import MPI

        if n > 1 and _lacks_pmix(MPI.Get_library_version(), os.environ):  # MPI_Init would end the job without a message
            raise UsageError(f"{n} processes ({evidence}) were started through PMIx, which {library()} lacks: {_USE}")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # mpi4py's own check, which misses srun; ours is below
            with _limit():
                MPI.Init_thread(MPI.THREAD_MULTIPLE)
    except (ImportError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UsageError(f"no MPI library: {reason}; pip install mpich, or load your site's MPI module") from None
    if MPI.COMM_WORLD.size == 1 and n > 1:
        raise UsageError(
            f"the launcher has started {n} processes ({evidence}), but each is alone in its MPI world ({library()}): "
            f"{_USE}"
        )
    return MPI.COMM_WORLD


def _limit() -> AbstractContextManager[None]:
    """Return the time limit for MPI_Init. The first two ranks report it, since one of them may be dead."""
    given = os.environ.get("DWORK_START_TIMEOUT", "")
    seconds = float(given) if given.isdecimal() else START_TIMEOUT
    rank = rank_hint() or 0
    line = (
        f"dwork: rank {rank}: MPI_Init has not returned within {seconds:g} s: a rank may have died while it started, "
        "or cannot be reached; nothing was run; run the same command again ($DWORK_START_TIMEOUT sets the limit)"
    )
    return limited(seconds + 2.0 if seconds and rank else seconds, line if rank < 2 else "")


def _lacks_pmix(version: str, environ: Mapping[str, str]) -> bool:
    """Whether this is an MPICH built without PMIx, started by a launcher that offers nothing but PMIx."""
    is_mpich = version.startswith("MPICH Version") and "MPICH configure:" in version
    return is_mpich and "pmix" not in version and "PMIX_RANK" in environ and "PMI_RANK" not in environ


def library() -> str:
    """Return the name and version of the MPI library, as it reports them."""
    from mpi4py import MPI

    first = MPI.Get_library_version().replace("\0", "").split("\n")[0].split(",")[0]
    return " ".join(first.replace("Version:", "").split())[:40]


class Mpi:
    """The end of one rank."""

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
        self._sources: deque[int] = deque([MPI.ANY_SOURCE if self._is_hub else 0])
        self._dead: set[int] = set()
        self._silent: set[int] = set()
        self._had_silent = False  # some rank was silent at some time
        self._stalled: list[tuple[MPI.Request, bytes, int]] = []  # sends to silent ranks; MPI may still read the frames
        self._lost: list[Peer] = []
        self._is_death_reported: Callable[[], bool] = lambda: False
        self._is_closed = False
        self.is_whole = True  # no rank has died; if False, the process must skip Python's clean-up, which finalizes MPI

    @property
    def peers(self) -> list[Peer]:
        """HUB at a worker; at the hub all ranks that are neither silent nor known to be dead."""
        return [rank for rank in self._ranks if rank not in self._dead | self._silent] if self._is_hub else [HUB]

    @property
    def dead(self) -> frozenset[int]:
        """The ranks known, or assumed, to be dead."""
        return frozenset(self._dead)

    def send(self, peer: Peer, frame: bytes) -> None:
        rank: Any = peer if self._is_hub else 0
        if rank in self._dead or rank in self._silent:
            return
        try:
            request = self._comm.Isend([frame, self._mpi.BYTE], rank, TAG)
            if len(frame) >= LARGE and not self._is_hub:
                self._wait(request)  # no deadlock: the hub never waits for a worker
            elif not request.Test():
                self._leaving.append((request, frame, rank))
        except self._mpi.Exception as error:
            self._fails(error)
        self._awake()

    def share(self, frame: bytes) -> None:
        """Send a frame to all ranks, which call `shared` before anything else."""
        for rank in self._ranks:
            try:
                self._leaving.append((self._comm.Isend([frame, self._mpi.BYTE], rank, SHARED), frame, rank))
            except self._mpi.Exception as error:
                self._fails(error)

    def shared(self) -> bytes:
        """Return the frame that the hub shares. TransportError when the hub is gone, or does not send it in time."""
        until = time.monotonic() + START_TIMEOUT
        try:
            while not self._comm.Iprobe(0, SHARED, self._status):
                if time.monotonic() >= until:
                    raise TransportError(f"the hub has sent nothing within {START_TIMEOUT:g} s")
                time.sleep(self._stretched(PARTING))
            frame = bytearray(self._status.Get_count(self._mpi.BYTE))
            self._comm.Recv([frame, self._mpi.BYTE], 0, SHARED)
        except self._mpi.Exception as error:
            self._fails(error)
        return bytes(frame)

    def _wait(self, request: MPI.Request) -> None:
        """Wait until a frame has left. TransportError when the hub does not take it."""
        waited, naps, last = 0.0, 0, time.monotonic()
        while not request.Test():
            naps += 1
            time.sleep(next(nap for n, nap in reversed(HURRIED) if naps > n))
            waited, last = waited + min(time.monotonic() - last, PAUSE), time.monotonic()
            if waited > STALL:
                raise TransportError(f"the hub has not taken a message for {STALL:g} s; running tasks were terminated")

    def flush(self, seconds: float) -> None:
        """Wait at most `seconds` until all sent frames have left: MPI makes progress only when it is called.

        Frames that arrive meanwhile are discarded.
        """
        until = time.monotonic() + seconds
        while self._leaving and time.monotonic() < until:
            self.receive()
            time.sleep(PARTING)

    def receive(self) -> list[tuple[Peer, bytes]]:
        frames: list[tuple[Peer, bytes]] = []
        comm, byte = self._comm, self._mpi.BYTE
        try:
            while self._leaving and self._leaving[0][0].Test():
                self._leaving.popleft()
            while len(frames) < AT_ONCE and self._probe(TAG):
                rank = self._status.Get_source()
                frame = bytearray(self._status.Get_count(byte))
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

    def _probe(self, tag: int) -> bool:
        """Whether a message with this tag has arrived: `_status` describes it. The ranks take turns."""
        for _ in range(len(self._sources)):
            self._sources.rotate(-1)
            if self._comm.Iprobe(self._sources[-1], tag, self._status):
                return True
        return False

    def _awake(self) -> None:
        self._naps = 0

    def _fails(self, error: Any) -> None:
        """Find out which rank is dead after an error of MPI. TransportError when it is the hub."""
        if not self._is_hub:
            raise TransportError(f"the hub is gone: {error.Get_error_string()}") from None
        try:
            self._comm.Ack_failed()
            failed = self._comm.Get_failed()
            ranks = failed.Translate_ranks(range(failed.size), self._comm.Get_group())
        except (self._mpi.Exception, NotImplementedError, AttributeError):
            raise TransportError(f"MPI is broken: {error.Get_error_string()}") from None
        if self._dead.issuperset(ranks):
            # A message of a dead rank that MPI can no longer receive stays the first that it finds from any rank.
            self._sources = deque(rank for rank in self._ranks if rank not in self._dead)
        for rank in ranks:
            if rank not in self._dead:
                self.bury(rank)
                self._lost.append(rank)

    def drop(self, peer: Peer) -> None:
        rank = int(peer)  # type: ignore[call-overload]
        self._had_silent = True
        if rank not in self._dead:
            self._silent.add(rank)
            self._stalled += [entry for entry in self._leaving if entry[2] == rank]
            self._leaving = deque(entry for entry in self._leaving if entry[2] != rank)

    def _hear(self, rank: int) -> None:
        """Resume sending to a silent rank: a frame of it has arrived."""
        self._silent.discard(rank)
        self._leaving += [entry for entry in self._stalled if entry[2] == rank]
        self._stalled = [entry for entry in self._stalled if entry[2] != rank]

    def bury(self, peer: Peer) -> None:
        """Count a rank as dead."""
        rank = int(peer)  # type: ignore[call-overload]
        self.drop(rank)
        self._silent.discard(rank)
        self._dead.add(rank)
        if rank in self._sources:
            self._sources.remove(rank)
        self.is_whole = False

    def lost(self) -> list[Peer]:
        lost, self._lost = self._lost, []
        return lost

    def nap(self, hurry: bool = True) -> float:
        try:
            # Twice: one probe makes MPI process what has arrived, and only the next one finds it.
            if self._probe(TAG) or self._probe(TAG):
                return 0.0
        except self._mpi.Exception as error:
            self._fails(error)
            return 0.0
        self._naps += 1
        return self._stretched(next(nap for n, nap in reversed(HURRIED if hurry else RELAXED) if self._naps > n))

    def _stretched(self, nap: float) -> float:
        return nap if self._crowd == 1 else max(nap, min(nap * self._crowd, CROWDED))

    def part(self, farewell: bytes = b"", is_death_reported: Callable[[], bool] = lambda: False) -> None:
        """Close; when MPI fails, set `is_whole` to False: the process must end without Python's clean-up.

        is_death_reported(): whether the launcher has reported the death of some rank.
        """
        self._is_death_reported = is_death_reported
        try:
            self.close(farewell)
        except TransportError:
            self.is_whole = False

    def close(self, farewell: bytes = b"") -> None:
        """Exchange last messages with the other ranks, then finalize MPI unless some rank is dead.

        The last message is empty when no rank is known to be dead. farewell: a frame for a rank that was silent when
        the others were dismissed, and is heard again meanwhile.

        MPI_Finalize requires that all messages are received, and a process that exits without it ends the whole job. It
        also spins until all ranks have entered it: so each rank waits here, with naps, until the hub parts.
        """
        if self._is_closed:
            return
        self._is_closed = True
        if self._is_hub:  # it waits until each rank has parted or is dead, then tells the living whether any is dead
            self._see_off(LAST, self._ranks, farewell=farewell)
            self._part()
            # A receiver acknowledges this message only while it calls MPI, so not once it is in MPI_Finalize: with 128
            # ranks some waited for ever. So the hub finalizes last, when all ranks have confirmed.
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
        """Send the last message to all living ranks. Issend: it completes when received, not when sent."""
        last = b"\1" if self._dead else b""
        for rank in self._ranks:
            if rank not in self._dead:
                self._leaving.append((self._comm.Issend([last, self._mpi.BYTE], rank, LAST), last, rank))

    def _see_off(self, tag: int, ranks: Iterable[int], until: float = math.inf, farewell: bytes = b"") -> None:
        """Wait until each of these ranks has sent a message with this tag or is dead, and all our sends have left."""
        parted: set[int] = set()
        begin = time.monotonic()
        while time.monotonic() < until:
            silent = set(self._silent)
            self.receive()  # discarded: too late to be answered
            for rank in silent - self._silent - self._dead:
                self.send(rank, farewell)
            try:
                while self._probe(tag):
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
                for rank in awaited:  # a rank that does not part counts as dead
                    self.bury(rank)
                return
            time.sleep(self._stretched(PARTING))

    def _patience(self, awaited: set[int]) -> float:
        """Return the seconds that the hub waits for these ranks to part, and for its sends to leave."""
        if not self._leaving and awaited <= self._silent:
            return LATE
        return PATIENCE if self._dead or self._had_silent or self._is_death_reported() else SILENCE

    def abort(self, status: int) -> None:
        """End all ranks at once with this exit status, after an error that cannot be handled."""
        self._comm.Abort(status)
