"""One run of a pool: the hub with all that listens to it, its workers, and what signals mean."""

from __future__ import annotations

import contextlib
import gc
import math
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from dwork import launcher
from dwork.attendance import NoRecord
from dwork.connection import Connection, is_only
from dwork.cores import share, slots
from dwork.errors import StoreError
from dwork.hub import Hub, Policy
from dwork.joblog import Joblog
from dwork.loop import clock
from dwork.loop.hub import HubLoop, Listener
from dwork.messages import NO_WISHES, Move, Welcome, Wishes
from dwork.printer import Printer
from dwork.program import ExitCode, say
from dwork.record import resume
from dwork.record.resume import Plan
from dwork.report import Report
from dwork.shown import counted, shown
from dwork.signals import Signals
from dwork.task import State, Task
from dwork.transport import Transport
from dwork.transport.mpi import Mpi
from dwork.walltime import Walltime
from dwork.wire import encode

if TYPE_CHECKING:
    from dwork.bridge import Bridge
    from dwork.door import Door
    from dwork.record.store import Store

#: USR1 is what MPICH sends when a rank has died; it must not end rank 0 as well.
_CAUGHT: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD, signal.SIGUSR1)
_LEAVE_FOR: Final = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
#: A terminal and mpirun may both pass on the same Ctrl-C: the same signal twice within so many seconds is one.
_ONE_SIGNAL: Final = 0.2
#: Seconds that the local worker may take to leave.
_LEAVE: Final = 10.0


@dataclass(frozen=True, slots=True)
class Settings:
    """The options of a pool that are not about single tasks.

    door: where and for whom the hub listens besides MPI. record: the file to keep, empty for none; logs: the directory
    of log files, empty for none; joblog: a file for GNU parallel's columns, or empty. max_output: bytes that are kept
    and printed of each stream of an attempt; 0 for all. transport: mpi or zmq, of the ranks. wishes: for
    the environment of tasks. slots: how many tasks each rank runs at a time, N or auto; None: one, and
    without ranks as many as there are cores. walltime: seconds until the job ends; None: ask the batch system.
    drain_before: seconds before that when what runs is ended. min_time: seconds that a task takes at the least which
    does not say itself.
    """

    door: Door
    keep_order: bool = False
    quiet: bool = False
    record: str = ""
    fresh: bool = False
    logs: str = ""
    joblog: str = ""
    max_output: int = 0
    transport: str = "mpi"
    wishes: Wishes = NO_WISHES
    slots: str | None = None
    walltime: float | None = None
    drain_before: float = 60.0
    min_time: float = 0.0


def run(tasks: Sequence[Task], policy: Policy, settings: Settings, ranks: Mpi | None) -> int:
    """Run the tasks to their end and return the pool's exit code. ranks: None, or of size 1, to run them here."""
    with contextlib.ExitStack() as stack:
        signals = stack.enter_context(Signals(_CAUGHT))
        run = _Run(policy, settings, ranks, stack)
        run.load(tasks)
        if run.hub.over:
            return run.nothing()
        run.begin()
        try:
            while not run.hub.over:
                run.loop.turn()
                run.heed(signals.take())
                run.mind_the_time()
                if not run.hub.over:
                    run.loop.sleep(signals.descriptor, run.walltime.next)
        except StoreError:
            run.loop.abandon()
            raise
        return run.end()


class _Run:
    def __init__(self, policy: Policy, settings: Settings, ranks: Mpi | None, stack: contextlib.ExitStack) -> None:
        self._settings = settings
        self._stack = stack
        self._ranks = ranks if ranks is not None and ranks.peers else None
        is_mpi = self._ranks is not None and settings.transport == "mpi"
        transports: list[Transport] = [self._ranks] if self._ranks is not None and is_mpi else []
        self._bridge: Bridge | None = None
        self._local = ""
        self._spare = self._local_slots()
        if self._spare:
            self._local = stack.enter_context(_private_directory())
        welcome: dict[str, Any] = {
            "output": True,
            "limit": settings.max_output,
            "beat": policy.beat,
            "wishes": settings.wishes,
        }
        if settings.door.public or self._local:
            from dwork.bridge import Bridge  # no zmq where nobody asks for it

            local = f"ipc://{self._local}/hub" if self._local else ""
            self._bridge = Bridge(replace(settings.door, local=local), clock(), self._tell_always)
            stack.callback(self._bridge.close)
            transports.append(self._bridge.router)
            self.hub = Hub(policy, self._bridge.welcome(**welcome))
            if self._ranks is not None and not is_mpi:
                move = encode(Move(self._bridge.connection.to_json()))
                for rank in self._ranks.peers:
                    self._ranks.send(rank, move)
        else:
            self.hub = Hub(policy, Welcome(**welcome))
        self._printer = Printer(sys.stdout.buffer, sys.stderr.buffer, keep_order=settings.keep_order)
        self._report = Report(self._tell, quiet=settings.quiet)
        listeners: list[Listener] = [self._printer, self._report]
        self._store: Store | None = None
        self._outcome = "it broke off"
        if settings.record:
            from dwork.inquiry import Inquiries
            from dwork.record.opening import open_store  # no sqlite where nobody asks for it

            number, now = self.hub.graph.number, clock()
            self._store = open_store(settings.record, settings.logs, number, now, self._tell, fresh=settings.fresh)
            stack.callback(self._close_record)
            listeners.insert(0, self._store)  # before anybody is told
        self.loop = HubLoop(self.hub, transports, listeners)
        if self._store is not None:
            self.loop.keep(self._store.idle, Inquiries(self.hub, self._store, clock).answer)
        else:
            self.loop.keep(lambda: False, NoRecord(self.hub, clock).answer)
        self.walltime = Walltime(settings.walltime, clock())
        stack.callback(self.walltime.close)
        self._tell_end()
        self._worker: subprocess.Popen[bytes] | None = None
        self._interrupted = 0
        self._last: dict[int, float] = {}  # when each signal came last

    def _local_slots(self) -> int:
        """How many tasks run beside the hub: with ranks, what it leaves of its own share when slots were asked for."""
        wanted = self._settings.slots
        if self._ranks is None:
            return share() if wanted is None else slots(wanted)
        return 0 if wanted is None else slots(wanted) - 1

    @staticmethod
    def _tell_always(text: str) -> None:
        say("dwork", text)

    def _tell(self, text: str) -> None:
        if not self._settings.quiet:
            say("dwork", text)

    def _close_record(self) -> None:
        assert self._store is not None
        self._store.close(clock(), self._outcome)

    def load(self, tasks: Sequence[Task]) -> None:
        """Put the tasks of the files into the graph, and say what of them is done before."""
        gc.disable()
        plan = self._store.resume(tasks, clock()) if self._store else resume.plan(tasks)
        self.loop.carry_out(self.hub.restore(plan.entries, clock(), next_id=plan.next_id))
        gc.freeze()  # a million tasks would be looked through again and again, and none is garbage
        gc.enable()
        if self._settings.joblog:
            log = Joblog(self._settings.joblog, self._command, again=plan.known)
            self._stack.callback(log.close)
            self.loop.listen(log)
        if plan.known:
            self._tell(_resumed(plan, sum(self.hub.graph.counts.values()), self._settings.record))

    def _command(self, id: int) -> str:
        node = self.hub.graph.find(id)
        command = node.task.command if node is not None else None
        return shlex.join(command) if isinstance(command, tuple) else command or ""

    def begin(self) -> None:
        """Say what is going to happen, and see to it that there is somebody to do it."""
        n = self.hub.graph.active
        if self._local:
            self._worker = self._stack.enter_context(_local_worker(self._local_connection(), self._spare))
        if self._ranks is None:
            where = f"on {counted(self._spare, 'core')} of this machine"
        else:
            where = f"on {counted(len(self._ranks.peers), 'worker rank')}"
            if self._spare:
                where += f" and {counted(self._spare, 'core')} beside the hub"
        hint = ""
        if self._bridge is not None and self._bridge.path:
            only = "" if is_only(self._bridge.path) else f"--connection {shlex.quote(self._bridge.path)} "
            hint = f"; to look in: dquery {only}status"
        if self._ranks is not None and (how := launcher.advice()):
            self._tell(f"a rank that dies will end this run; {how} lets the others go on")
        self._tell(f"{counted(n, 'task')} {where}{hint}")

    def _local_connection(self) -> Connection:
        """For the worker of our own; it is told over a pipe, so the keys are in no file."""
        assert self._bridge is not None
        return replace(self._bridge.connection, addresses=(f"ipc://{self._local}/hub",))

    def mind_the_time(self) -> None:
        """See whether the job ends at another time than was thought."""
        is_time = clock() >= self.walltime.next or self.walltime.is_asking
        if is_time and self.walltime.poll(clock()):
            self._tell_end()

    def _tell_end(self) -> None:
        end = self.walltime.end
        if end < math.inf:
            settings = self._settings
            self.loop.carry_out(self.hub.expect_end(end, settings.drain_before, settings.min_time, clock()))
            at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(end))
            self._tell(f"the job ends at {at}; {settings.drain_before:g} s before that running tasks are ended")

    def heed(self, numbers: set[int]) -> None:
        """Act on signals and on what went wrong meanwhile."""
        now = clock()
        fresh = {n for n in numbers & _LEAVE_FOR if now - self._last.get(n, -1.0) > _ONE_SIGNAL}
        if fresh:
            self._last.update(dict.fromkeys(fresh, now))
            self._interrupted += 2 if signal.SIGTERM in fresh else 1
            names = {signal.SIGTERM: "SIGTERM", signal.SIGHUP: "SIGHUP"}
            reason = next((name for number, name in names.items() if number in fresh), "interrupted")
            if self._interrupted < 2:
                self._stop(f"{reason} (once more: end running tasks)", running=False)
            elif not self.hub.cancelling:
                self._stop(reason, running=True)
        if signal.SIGUSR1 in numbers and self._ranks is not None and launcher.tells_deaths():
            self.hub.doubt(now)  # perhaps it is not meant for us
        elif signal.SIGUSR1 in numbers and not self.hub.stopping:
            self._stop("SIGUSR1", running=False)
        if self._printer.broken and not self.hub.stopping:
            self._interrupted = 1
            self._stop(self._printer.broken, running=False)
        if signal.SIGCHLD in numbers and self._worker is not None and self._worker.poll() is not None:
            self._lose_worker(self._worker.returncode)

    def _stop(self, reason: str, *, running: bool) -> None:
        self.loop.carry_out(self.hub.stop(clock(), reason, running=running))

    def _lose_worker(self, code: int) -> None:
        how = f"was ended by signal {-code}" if code < 0 else f"has ended with exit status {code}"
        if self._ranks is None:  # nobody else is there
            self._interrupted = 1
            self._stop(f"the worker process {how}", running=False)
        for worker in list(self.hub.workers.values()):
            if worker.location.endswith(f":{self._worker.pid if self._worker else ''}"):
                self.loop.carry_out(self.hub.lose(worker.peer, clock(), how))
        self._worker = None

    def nothing(self) -> int:
        """All was done before."""
        self._outcome = "all was done before"
        return ExitCode.DONE

    def _miss_ranks(self) -> None:
        """Ranks that talk over ZeroMQ, and are gone, are dead for MPI as well."""
        if self._ranks is not None and self._settings.transport == "zmq":
            there = {location.rpartition(":")[2] for location in self.hub.workers}
            for rank in self._ranks.peers:
                if str(rank) not in there:
                    self._ranks.drop(rank)

    def end(self) -> int:
        """Send the workers home, sum up, and return the exit code."""
        self.loop.dismiss()
        self._miss_ranks()
        self._printer.close()
        counts = self.hub.graph.counts
        self._outcome = self.hub.stopping or ("done" if counts[State.DONE] == sum(counts.values()) else "some failed")
        lines = self._report.summary(counts)
        for line in lines[:-1] if self._settings.quiet else lines:  # what failed is told in any case
            say("dwork", line)
        if (self._interrupted or self.hub.is_drained) and self.hub.graph.active + counts[State.CANCELLED]:
            return ExitCode.STOPPED
        bad = counts[State.FAILED] + counts[State.SKIPPED] + counts[State.CANCELLED] + self.hub.graph.active
        if not bad and self._printer.broken:
            where = f"; it is in {shown(self._settings.logs)}" if self._settings.logs else ""
            say("dwork", f"all is done, but not all output of tasks could be written{where}")
        return ExitCode.FAILED if bad or self._printer.broken else ExitCode.DONE


def _resumed(plan: Plan, total: int, record: str) -> str:
    text = f"{plan.done:,} of {total:,} done before"
    if plan.failed:
        text += f"; {plan.failed:,} failed will be tried again"
    if plan.done == total:
        text += f", as {shown(record)} says: nothing is left to do (--fresh starts over)"
    return text


@contextlib.contextmanager
def _private_directory() -> Iterator[str]:
    """A directory for a socket, whose whole path may have no more than some hundred characters."""
    base = tempfile.gettempdir()
    directory = tempfile.mkdtemp(prefix="dwork-", dir=base if len(base) < 70 else "/tmp")
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextlib.contextmanager
def _local_worker(connection: Connection, slots: int) -> Iterator[subprocess.Popen[bytes]]:
    """A worker process of our own. It ends when its standard input does, so it cannot outlive us."""
    command = [sys.executable, "-m", "dwork.kworker", "--connection", "-", "--slots", str(slots), "--until-eof"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
    assert process.stdin is not None
    process.stdin.write(f"{connection.to_json()}\n".encode())
    process.stdin.flush()
    try:
        yield process
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_LEAVE)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(_LEAVE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
