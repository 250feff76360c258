"""One run of a pool: the hub with its listeners, its workers, and the handling of signals."""

from __future__ import annotations

import contextlib
import gc
import math
import os
import select
import shlex
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from dwork.cli.exit_code import verdict
from dwork.cli.program import ExitCode, say
from dwork.connection.file import is_only
from dwork.core.errors import StoreError, UsageError
from dwork.core.messages import DEFAULT_EXECUTION, Execution, Exit, Move, Welcome
from dwork.core.min_time import UNKNOWN, MinTime
from dwork.core.task import State, Task
from dwork.core.text import counted, shown, signal_name
from dwork.host import launcher
from dwork.host.batch_job import job
from dwork.host.cores import share
from dwork.host.signals import ENDS, Signals, end_of_job
from dwork.host.slots import slots
from dwork.host.walltime import Walltime
from dwork.hub.feasibility import Feasibility
from dwork.hub.hub import DOUBT, Hub, Policy
from dwork.output.joblog import Joblog
from dwork.output.notices import Notices
from dwork.output.printer import Printer
from dwork.output.relay import Relay
from dwork.output.totals import Totals
from dwork.pool.local_worker import local_worker, private_directory
from dwork.progress.choice import choose
from dwork.progress.listener import Progress
from dwork.progress.standing import standing
from dwork.record import resume
from dwork.record.resume import Plan
from dwork.server.hub_loop import HubLoop, Listener
from dwork.server.no_workers import Absence
from dwork.server.overview import NoRecord, Overview
from dwork.server.rank_arrivals import RankArrivals
from dwork.transport import Transport
from dwork.transport.mpi import Mpi
from dwork.transport.waiting import clock
from dwork.transport.wire import encode

if TYPE_CHECKING:
    from dwork.connection.bridge import Bridge
    from dwork.connection.endpoint import Endpoint
    from dwork.record.store import Store

_CAUGHT: Final = (*ENDS, signal.SIGCHLD)
_INTERRUPTS: Final = {signal.SIGINT, signal.SIGHUP}
#: A terminal and mpirun may both deliver one Ctrl-C: the same signal twice within this many seconds counts once.
_ONE_SIGNAL: Final = 0.2
#: Seconds after its last task for which a pool outside a batch job waits for a signal sent to all processes.
_SIGNAL_DELAY: Final = 0.05
#: Seconds that ranks may take to connect over ZeroMQ; a rank that has not by then is dead.
_ARRIVAL_TIMEOUT: Final = 60.0


@dataclass(frozen=True, slots=True)
class Settings:
    """The options of a pool that do not concern single tasks.

    endpoint: where the hub listens besides MPI, and who may connect. record: the file of the record, empty for none.
    logs: the directory of log files, empty for none. joblog: a file with GNU parallel's columns, empty for none.
    max_output: bytes to keep and print of each stream of an attempt; 0: all. transport: mpi or zmq, for the ranks.
    execution: how tasks are run. slots: tasks that each rank runs at a time, N or auto; None: one or, without ranks,
    one per core. gpus: those of each node, as for gpus.share. walltime: seconds until the job ends; None: ask the batch
    system. drain_before: seconds before the end of the job at which running tasks are ended. min_time: the least time
    of a task that does not set it. progress: one of progress.choice.WAYS.
    """

    endpoint: Endpoint
    keep_order: bool = False
    quiet: bool = False
    record: str = ""
    fresh: bool = False
    logs: str = ""
    joblog: str = ""
    max_output: int = 0
    transport: str = "mpi"
    execution: Execution = DEFAULT_EXECUTION
    slots: str | None = None
    gpus: str | None = None
    walltime: float | None = None
    drain_before: float = 60.0
    min_time: MinTime = UNKNOWN
    progress: str = "auto"


def run(tasks: Sequence[Task], policy: Policy, settings: Settings, ranks: Mpi | None, relay: Relay) -> int:
    """Run the tasks to their end and return the pool's exit code. ranks: None, or of size 1, to run them here.

    relay: carries all output; until the caller closes it, signals do not end the process.
    """
    relay.start()
    signals = relay.catch(_CAUGHT)
    with contextlib.ExitStack() as stack:
        run = _Run(policy, settings, ranks, signals, stack, relay)
        run.load(tasks)
        if run.hub.over:
            return run.finish_early()
        run.start()
        try:
            while not run.hub.over:
                run.loop.turn()
                if refusal := run.check_feasibility():
                    raise UsageError(refusal)
                run.handle_signals(signals.take())
                run.check_walltime()
                run.check_absence()
                run.show()
                if not run.hub.over:
                    run.loop.sleep(signals.descriptor, run.next)
        except (StoreError, UsageError) as error:
            run.loop.abandon()
            run.dismiss_workers()
            run.conclude(ExitCode.STOPPED if isinstance(error, StoreError) else ExitCode.USAGE)
            raise
        code = run.conclude(run.leave_ranks(run.end()))
        signals.take()  # signals up to here were for the run
        return code


class _Run:
    def __init__(
        self,
        policy: Policy,
        settings: Settings,
        ranks: Mpi | None,
        signals: Signals,
        stack: contextlib.ExitStack,
        relay: Relay,
    ) -> None:
        self._settings = settings
        self._signals = signals
        self._stack = stack
        self._screen, face = choose(settings.progress, self._print, relay.err)
        stack.callback(self._screen.close)
        self._store: Store | None = None
        self._outcome, self._is_closed = "aborted", False
        if settings.record:  # before clients can find this run: it may have to wait for an earlier one
            self._store = self._open_record()
            stack.callback(self._close_record)
        self._ranks = ranks if ranks is not None and ranks.peers else None
        is_mpi = self._ranks is not None and settings.transport == "mpi"
        transports: list[Transport] = [self._ranks] if self._ranks is not None and is_mpi else []
        self._bridge: Bridge | None = None
        self._local = ""
        self._spare = self._local_slots()
        if self._spare:
            self._local = stack.enter_context(private_directory())
        welcome: dict[str, Any] = {
            "output": True,
            "limit": settings.max_output,
            "beat": policy.beat,
            "execution": settings.execution,
        }
        if settings.endpoint.public or self._local:
            from dwork.connection.bridge import Bridge  # import zmq only when it is needed

            local = f"ipc://{self._local}/hub" if self._local else ""
            self._bridge = Bridge(replace(settings.endpoint, local=local), clock(), self._print_always)
            stack.callback(self._bridge.close)
            stack.callback(self._close_record)  # clients that find the bridge gone read the record
            transports.append(self._bridge.router)
            self.hub = Hub(policy, self._bridge.welcome(**welcome))
        else:
            self.hub = Hub(policy, Welcome(**welcome))
        streams = map(self._screen.above, (relay.stream(1), relay.stream(2)))
        self._printer = Printer(*streams, keep_order=settings.keep_order)
        self._totals = Totals()
        self.progress = Progress(face, lambda now: standing(self.hub, self._totals, now))
        listeners: list[Listener] = [self._printer, Notices(self._print), self._totals, self.progress]
        if self._store is not None:
            listeners.insert(0, self._store)  # events must be stored before they are shown
        self.loop = HubLoop(self.hub, transports, listeners, self._print_always)
        if self._store is not None:
            from dwork.server.queries import Inquiries

            overview = Overview(self.hub, self._totals, settings.endpoint.tasks, clock, self._store.since)
            self.loop.keep(self._store.idle, Inquiries(self.hub, self._store, overview).answer)
        else:
            overview = Overview(self.hub, self._totals, settings.endpoint.tasks, clock)
            self.loop.keep(lambda: False, NoRecord(overview).answer)
        self.loop.listen(overview)
        self.walltime = Walltime(settings.walltime, clock())
        stack.callback(self.walltime.close)
        self._expect_end()
        self._arrivals: RankArrivals | None = None  # of ranks that communicate over ZeroMQ
        self._worker: subprocess.Popen[bytes] | None = None
        self.feasibility = Feasibility(())
        self._absence = Absence((), policy.silence, clock())
        self._next_check = math.inf  # when to check again whether workers can still come
        self._waiting_for = ""  # the last notice about what the run waits for
        self._interrupted = 0
        #: A signal that usually reports the death of a rank, not the end of the job.
        self._death_signals = {signal.SIGUSR1} if self._ranks is not None and launcher.tells_deaths() else set()
        self._last: dict[int, float] = {}  # when each signal came last

    def _local_slots(self) -> int:
        """Return how many tasks run beside the hub: with ranks, its slots but one, if slots are set at all."""
        wanted = self._settings.slots
        if self._ranks is None:
            return share() if wanted is None else slots(wanted)
        return 0 if wanted is None else slots(wanted) - 1

    def _print_always(self, text: str) -> None:
        self._screen.hide()
        say("dwork", text)

    def _print(self, text: str) -> None:
        if not self._settings.quiet:
            self._print_always(text)

    def _open_record(self) -> Store:
        from dwork.record.opening import open_store  # import sqlite only when it is needed
        from dwork.record.waiting import Wait

        settings = self._settings
        wait = Wait(lambda seconds: self._signals.pause(seconds, ENDS), self._print_always)
        return open_store(
            settings.record,
            settings.logs,
            lambda name: self.hub.graph.number(name),
            clock(),
            self._print,
            fresh=settings.fresh,
            wait=wait,
        )

    def _close_record(self) -> None:
        if self._store is not None and not self._is_closed:
            self._is_closed = True
            self._store.close(clock(), self._outcome)

    def load(self, tasks: Sequence[Task]) -> None:
        """Put the tasks of the files into the graph, and print how many are already done."""
        gc.disable()
        plan = self._store.resume(tasks, clock()) if self._store else resume.plan(tasks)
        self.loop.carry_out(self.hub.restore(plan.entries, clock(), next_id=plan.next_id))
        gc.freeze()  # it would scan a million tasks again and again, none of which is garbage
        gc.enable()
        self.feasibility = Feasibility(self.hub.graph.names.values())
        if self._settings.joblog:
            log = Joblog(self._settings.joblog, self._command, again=plan.known, before=self._screen.hide)
            self._stack.callback(log.close)
            self.loop.listen(log)
        if plan.known:
            self._print(_resumed(plan, self.hub.graph.counts, self._settings.record))

    def _command(self, id: int) -> str:
        node = self.hub.graph.find(id)
        command = node.task.command if node is not None else None
        return shlex.join(command) if isinstance(command, tuple) else command or ""

    def start(self) -> None:
        """Start the workers that the pool runs itself, and print what is going to run where."""
        n = self.hub.graph.active
        ranks = map(str, self._ranks.peers) if self._ranks is not None else ()
        self._absence = Absence(ranks, self.hub.policy.silence, clock())
        self.loop.listen(self._absence)
        if self._ranks is not None and self._settings.transport == "zmq":
            self._arrivals = self._move_to_zmq(self._ranks)
        if self.feasibility.is_needed and not self.hub.policy.elastic:
            self.feasibility.begin(clock())
            self.loop.carry_out(self.hub.open(clock(), is_open=False))
        if self._local:
            self._worker = self._stack.enter_context(self._local_worker())
        if self._ranks is None:
            where = f"on {counted(self._spare, 'core')} of this machine"
        else:
            where = f"on {counted(len(self._ranks.peers), 'worker rank')}"
            if self._spare:
                where += f" and {counted(self._spare, 'core')} beside the hub"
        hint = ""
        if self._bridge is not None and self._bridge.path:
            only = "" if is_only(self._bridge.path) else f"--connection {shlex.quote(self._bridge.path)} "
            hint = f"; to inspect it: dquery {only}status"
        was_killed = self._store is not None and self._store.was_killed
        if was_killed and self._ranks is not None and (how := launcher.advice()):
            self._print(f"the previous run was killed; if a rank died: start with {how}, and the other ranks continue")
        self._print(f"{counted(n, 'task')} {where}{hint}")
        self.progress.begin(clock())

    def _move_to_zmq(self, ranks: Mpi) -> RankArrivals:
        """Make the ranks communicate over ZeroMQ; they do not use MPI again until they are dismissed."""
        assert self._bridge is not None
        move = encode(Move(self._bridge.connection.to_json()))
        for rank in ranks.peers:
            ranks.send(rank, move)
        ranks.flush(_ARRIVAL_TIMEOUT)
        arrivals = RankArrivals(map(str, ranks.peers), clock() + _ARRIVAL_TIMEOUT)
        self.loop.listen(arrivals)
        return arrivals

    def check_feasibility(self) -> str:
        """Open the hub once all expected workers are there; return the refusal if none can ever run some task."""
        if not self.feasibility.is_on:
            return ""
        n = (len(self._ranks.peers) if self._ranks is not None else 0) + bool(self._local)
        workers = self.hub.workers.values()
        if not self.feasibility.ends(len(workers), n, clock()):
            return ""
        if refusal := self.feasibility.refusal(workers):
            return refusal
        self.loop.carry_out(self.hub.open(clock()))
        return ""

    def _local_worker(self) -> contextlib.AbstractContextManager[subprocess.Popen[bytes]]:
        # The worker leaves when its standard input ends, and not after silence: both processes may have been stopped.
        options = ["--slots", str(self._spare), "--hub-timeout", "1e6"]
        if self._ranks is not None:  # the hub uses one core
            options += ["--cores", str(max(self._spare, share() - 1))]
        if self._settings.gpus is not None:
            options += ["--gpus", self._settings.gpus]
        assert self._bridge is not None
        connection = replace(self._bridge.connection, addresses=(f"ipc://{self._local}/hub",))
        return local_worker(connection, options)

    def show(self) -> None:
        """Show the progress below the printed output, when it is due."""
        self.progress.look(clock())
        self._screen.restore()

    def check_walltime(self) -> None:
        """Check whether the end of the job has changed."""
        is_time = clock() >= self.walltime.next or self.walltime.is_asking
        if is_time and self.walltime.poll(clock()):
            self._expect_end()

    def _expect_end(self) -> None:
        end = self.walltime.end
        if end < math.inf:
            settings = self._settings
            self.loop.carry_out(self.hub.expect_end(end, settings.drain_before, settings.min_time, clock()))
            at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(end))
            self._print(f"the job ends at {at}; running tasks are ended {settings.drain_before:g} s before")

    @property
    def next(self) -> float:
        """The time of the next check, even if nothing happens until then."""
        return min(self.walltime.next, self.feasibility.until, self.progress.next, self._next_check)

    def check_absence(self) -> None:
        """Stop when no worker can run the remaining tasks; print a notice once while waiting for one that can."""
        self._next_check = math.inf
        if self.hub.stopping or self.hub.over or self.feasibility.is_on:
            return
        stops, waits = self._all_held() if self.hub.waits_for_release else self._without_workers()
        if stops:
            self._give_up(stops)
        elif waits != self._waiting_for:
            self._waiting_for = waits
            if waits:
                self._print(waits)

    def _all_held(self) -> tuple[str, str]:
        """All remaining tasks are held: return the reason to stop, or else a notice that the run waits."""
        if self._settings.endpoint.public:
            return "", "all remaining tasks are held; waiting for `dquery release`"
        return (
            "all remaining tasks are held; run again without --no-bridge, so that `dquery release` can start them",
            "",
        )

    def _without_workers(self) -> tuple[str, str]:
        """Return the reason to stop without workers, or a notice about the wait for one; both empty if one is there."""
        dead = [str(rank) for rank in self._ranks.dead] if self._ranks is not None else []
        until = math.inf if self._worker else self._absence.until(self.hub.workers.values(), dead)
        if until == math.inf:
            return "", ""
        if clock() < until:
            self._next_check = until
            return "", self._absence.text
        if self._settings.endpoint.public and self.hub.policy.elastic:
            return "", "no worker is left; waiting for others to join"
        return "no worker is left" + (" (--elastic waits for others)" if self._settings.endpoint.public else ""), ""

    def _give_up(self, reason: str) -> None:
        if self._settings.quiet:  # a stop needs its reason even with --quiet
            self._print_always(reason)
        self._stop(reason, running=False)

    def handle_signals(self, numbers: set[int]) -> None:
        """Act on signals and on failures since the last call."""
        now = clock()
        if numbers & self._death_signals:
            self.hub.suspect_deaths(now)
        numbers = numbers - self._death_signals
        fresh = {n for n in numbers & _INTERRUPTS if now - self._last.get(n, -1.0) > _ONE_SIGNAL}
        if number := end_of_job(numbers):
            self._interrupted = 2
            self._end_of_job(number)
        elif fresh:
            self._last.update(dict.fromkeys(fresh, now))
            self._interrupted += 1
            reason = "SIGHUP" if signal.SIGHUP in fresh else "interrupted"
            if self._interrupted < 2:
                self._stop(f"{reason} (repeat to end running tasks)", running=False)
            elif not self.hub.cancelling:
                self._stop(reason, running=True)
        if self._printer.broken and not self.hub.stopping:
            self._interrupted = 1
            self._stop(self._printer.broken, running=False)
        if signal.SIGCHLD in numbers and self._worker is not None and self._worker.poll() is not None:
            self._lose_worker(self._worker.returncode)

    def _end_of_job(self, number: int) -> None:
        """Handle a signal that ends the job. Recent ends of tasks are in doubt only if tasks may have received it."""
        name = signal.Signals(number).name
        if number == signal.SIGTERM and not job() and launcher.ends_ranks_alone(os.environ):
            if not self.hub.cancelling:
                self._stop(name, running=True)
        elif not self.hub.in_doubt:
            self.loop.carry_out(self.hub.end_of_job(clock(), name))

    def _stop(self, reason: str, *, running: bool) -> None:
        self.loop.carry_out(self.hub.stop(clock(), reason, running=running))

    def _lose_worker(self, code: int) -> None:
        how = f"was ended by {signal_name(-code)}" if code < 0 else f"ended with exit status {code}"
        if self._ranks is None:  # there is no other worker
            self._interrupted = 1
            self._stop(f"the worker process {how}", running=False)
        for peer in self._local_peers():
            self.loop.carry_out(self.hub.lose({peer: ()}, clock(), how))
        self._worker = None

    def _local_peers(self) -> list[Any]:
        """Return the peer of the pool's own worker process; none before it has connected."""
        location = f"{socket.gethostname()}:{self._worker.pid}" if self._worker else ""
        return [worker.peer for worker in self.hub.workers.values() if worker.location == location]

    def finish_early(self) -> int:
        """End a run with nothing to run: all tasks were already done, or the remaining ones have failed."""
        counts = self.hub.graph.counts
        if counts[State.DONE] < sum(counts.values()):
            return self.conclude(self.end())
        self._outcome = "all tasks were already done"
        return ExitCode.DONE

    def dismiss_workers(self) -> None:
        """Dismiss the workers. Ranks that were to communicate over ZeroMQ, and are gone, are dead for MPI as well."""
        self._screen.close()
        if self._ranks is not None and self._arrivals is not None:
            while self._interrupted < 2 and self._arrivals.awaits(self.hub.workers, clock()):
                self.loop.turn()
                self.loop.sleep(self._signals.descriptor, self._arrivals.until)
                self.handle_signals(self._signals.take())
            there = self._arrivals.alive(self.hub.workers)
            for rank in self._ranks.peers:
                if str(rank) not in there:
                    self._ranks.bury(rank)  # it does not use MPI, so it cannot come back there
        self.loop.dismiss()

    def end(self) -> int:
        """Dismiss the workers, print the summary, and return the exit code."""
        self.dismiss_workers()
        if self._worker is not None and self._worker.stdin is not None and not self._local_peers():
            self._worker.stdin.close()  # it had not connected, so only this dismisses it
        self._printer.close()
        counts = self.hub.graph.counts
        self._outcome = self.hub.stopping or ("done" if counts[State.DONE] == sum(counts.values()) else "some failed")
        lines = self._totals.summary(counts)
        for line in lines[:-1] if self._settings.quiet else lines:  # failures are printed in any case
            say("dwork", line)
        code = verdict(counts, is_stopped=bool(self._interrupted) or self.hub.is_drained)
        if code is ExitCode.DONE and self._printer.broken:
            say("dwork", unwritten(self._settings.logs))
            return ExitCode.FAILED
        return code

    def leave_ranks(self, code: int) -> int:
        """Disconnect the ranks, and check whether the batch system was ending the job: then the last ends are in doubt.

        Outside a job hardly anything signals tasks before the pool, so a short wait is enough.
        """
        if self._ranks is not None:
            send_home(self._ranks)
        until = self.hub.last_end + (DOUBT if job() else _SIGNAL_DELAY)
        while not (number := end_of_job(self._signals.take() - self._death_signals)) and (left := until - clock()) > 0:
            select.select([self._signals.descriptor], (), (), left)
        if not number or self.hub.in_doubt:
            return code
        self._end_of_job(number)
        if not self.hub.in_doubt:
            return code
        counts = self.hub.graph.counts
        self._outcome = self.hub.stopping
        say("dwork", self._totals.summary(counts)[-1])
        return verdict(counts, is_stopped=True)

    def conclude(self, code: int) -> int:
        """Send the exit code of the run to the clients that wait for it, and return it."""
        self.loop.conclude(code, self._bridge.router if self._bridge is not None else None)
        return code


def send_home(ranks: Mpi) -> None:
    """Dismiss all ranks and disconnect from them; a second dismissal does no harm."""
    farewell = encode(Exit())
    for rank in ranks.peers:
        ranks.send(rank, farewell)
    ranks.part(farewell)


def unwritten(logs: str) -> str:
    """Return the message for a run whose tasks are all done, but whose output could not be written completely."""
    where = f"; all of it is in {shown(logs)}" if logs else ""
    return f"all tasks are done, but some of their output could not be written{where}"


def _resumed(plan: Plan, counts: Mapping[State, int], record: str) -> str:
    total = sum(counts.values())
    text = f"{plan.done:,} of {total:,} already done"
    if plan.failed:
        text += f"; {plan.failed:,} failed will be retried"
    if lost := plan.lost - counts[State.FAILED]:  # those have been lost too often
        text += f"; {lost:,} lost will be retried last"
    if plan.done == total:
        text += f", according to {shown(record)}: nothing is left to do (--fresh starts over)"
    return text
