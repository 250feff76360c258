"""One run of a pool: the hub with all that listens to it, its workers, and what signals mean."""

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
from dwork.host.cores import share, slots
from dwork.host.signals import ENDS, Signals, end_of_job
from dwork.host.walltime import Walltime
from dwork.hub.feasibility import Feasibility
from dwork.hub.hub import DOUBT, Hub, Policy
from dwork.output.joblog import Joblog
from dwork.output.printer import Printer
from dwork.output.relay import Relay
from dwork.output.summary import Report
from dwork.pool.local_worker import local_worker, private_directory
from dwork.progress.choice import choose
from dwork.progress.listener import Progress
from dwork.progress.standing import standing
from dwork.record import resume
from dwork.record.resume import Plan
from dwork.server.absence import Absence
from dwork.server.hub_loop import HubLoop, Listener
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
_LEAVE_FOR: Final = {signal.SIGINT, signal.SIGHUP}
#: A terminal and mpirun may both pass on the same Ctrl-C: the same signal twice within so many seconds is one.
_ONE_SIGNAL: Final = 0.2
#: Seconds for which a pool outside a batch job waits after its last task for a signal that was meant for all.
_MOMENT: Final = 0.05
#: Seconds that ranks may take to come over ZeroMQ; who is not there by then is dead.
_COME: Final = 60.0


@dataclass(frozen=True, slots=True)
class Settings:
    """The options of a pool that are not about single tasks.

    door: where and for whom the hub listens besides MPI. record: the file to keep, empty for none; logs: the directory
    of log files, empty for none; joblog: a file for GNU parallel's columns, or empty. max_output: bytes that are kept
    and printed of each stream of an attempt; 0 for all. transport: mpi or zmq, of the ranks. wishes: for
    the environment of tasks. slots: how many tasks each rank runs at a time, N or auto; None: one, and
    without ranks as many as there are cores. gpus: of each node, as for gpus.share. walltime: seconds until the job
    ends; None: ask the batch system.
    drain_before: seconds before that when what runs is ended. min_time: what a task takes at the least which does
    not say itself. progress: one of progress.choice.WAYS.
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

    relay: what is printed goes through it, and until the caller closes it signals do not end the process.
    """
    relay.start()
    signals = relay.catch(_CAUGHT)
    with contextlib.ExitStack() as stack:
        run = _Run(policy, settings, ranks, signals, stack, relay)
        run.load(tasks)
        if run.hub.over:
            return run.nothing()
        run.begin()
        try:
            while not run.hub.over:
                run.loop.turn()
                if refusal := run.gather():
                    raise UsageError(refusal)
                run.handle_signals(signals.take())
                run.check_walltime()
                run.check_absence()
                run.show()
                if not run.hub.over:
                    run.loop.sleep(signals.descriptor, run.next)
        except (StoreError, UsageError) as error:
            run.loop.abandon()
            run.part()
            run.conclude(ExitCode.STOPPED if isinstance(error, StoreError) else ExitCode.USAGE)
            raise
        code = run.conclude(run.depart(run.end()))
        signals.take()  # what has come up to here was for the run
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
        self._screen, face = choose(settings.progress, self._tell, relay.err)
        stack.callback(self._screen.close)
        self._store: Store | None = None
        self._outcome, self._is_closed = "it broke off", False
        if settings.record:  # before anybody can find this run: it may have to wait for an earlier one
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
            from dwork.connection.bridge import Bridge  # no zmq where nobody asks for it

            local = f"ipc://{self._local}/hub" if self._local else ""
            self._bridge = Bridge(replace(settings.endpoint, local=local), clock(), self._tell_always)
            stack.callback(self._bridge.close)
            stack.callback(self._close_record)  # who finds the bridge gone looks there
            transports.append(self._bridge.router)
            self.hub = Hub(policy, self._bridge.welcome(**welcome))
        else:
            self.hub = Hub(policy, Welcome(**welcome))
        streams = map(self._screen.above, (relay.stream(1), relay.stream(2)))
        self._printer = Printer(*streams, keep_order=settings.keep_order)
        self._report = Report(self._tell, quiet=settings.quiet)
        self.progress = Progress(face, lambda now: standing(self.hub, self._report, now))
        listeners: list[Listener] = [self._printer, self._report, self.progress]
        if self._store is not None:
            listeners.insert(0, self._store)  # before anybody is told
        self.loop = HubLoop(self.hub, transports, listeners, self._tell_always)
        if self._store is not None:
            from dwork.server.queries import Inquiries

            overview = Overview(self.hub, self._report, settings.endpoint.tasks, clock, self._store.since)
            self.loop.keep(self._store.idle, Inquiries(self.hub, self._store, overview).answer)
        else:
            overview = Overview(self.hub, self._report, settings.endpoint.tasks, clock)
            self.loop.keep(lambda: False, NoRecord(overview).answer)
        self.loop.listen(overview)
        self.walltime = Walltime(settings.walltime, clock())
        stack.callback(self.walltime.close)
        self._tell_end()
        self._roll: RankArrivals | None = None  # of ranks that talk over ZeroMQ
        self._worker: subprocess.Popen[bytes] | None = None
        self.feasibility = Feasibility(())
        self._absence = Absence((), policy.silence, clock())
        self._look_again = math.inf  # whether anybody can be expected still
        self._waits = ""  # what people were told that it waits for
        self._interrupted = 0
        #: The signal that most often tells of a rank's death, not of the job's end.
        self._told_deaths = {signal.SIGUSR1} if self._ranks is not None and launcher.tells_deaths() else set()
        self._last: dict[int, float] = {}  # when each signal came last

    def _local_slots(self) -> int:
        """How many tasks run beside the hub: with ranks, what it leaves of its own share when slots were asked for."""
        wanted = self._settings.slots
        if self._ranks is None:
            return share() if wanted is None else slots(wanted)
        return 0 if wanted is None else slots(wanted) - 1

    def _tell_always(self, text: str) -> None:
        self._screen.hide()
        say("dwork", text)

    def _tell(self, text: str) -> None:
        if not self._settings.quiet:
            self._tell_always(text)

    def _open_record(self) -> Store:
        from dwork.record.opening import open_store  # no sqlite where nobody asks for it
        from dwork.record.waiting import Wait

        settings = self._settings
        wait = Wait(lambda seconds: self._signals.pause(seconds, ENDS), self._tell_always)
        return open_store(
            settings.record,
            settings.logs,
            lambda name: self.hub.graph.number(name),
            clock(),
            self._tell,
            fresh=settings.fresh,
            wait=wait,
        )

    def _close_record(self) -> None:
        if self._store is not None and not self._is_closed:
            self._is_closed = True
            self._store.close(clock(), self._outcome)

    def load(self, tasks: Sequence[Task]) -> None:
        """Put the tasks of the files into the graph, and say what of them is done before."""
        gc.disable()
        plan = self._store.resume(tasks, clock()) if self._store else resume.plan(tasks)
        self.loop.carry_out(self.hub.restore(plan.entries, clock(), next_id=plan.next_id))
        gc.freeze()  # a million tasks would be looked through again and again, and none is garbage
        gc.enable()
        self.feasibility = Feasibility(self.hub.graph.names.values())
        if self._settings.joblog:
            log = Joblog(self._settings.joblog, self._command, again=plan.known, before=self._screen.hide)
            self._stack.callback(log.close)
            self.loop.listen(log)
        if plan.known:
            self._tell(_resumed(plan, self.hub.graph.counts, self._settings.record))

    def _command(self, id: int) -> str:
        node = self.hub.graph.find(id)
        command = node.task.command if node is not None else None
        return shlex.join(command) if isinstance(command, tuple) else command or ""

    def begin(self) -> None:
        """Say what is going to happen, and see to it that there is somebody to do it."""
        n = self.hub.graph.active
        ranks = map(str, self._ranks.peers) if self._ranks is not None else ()
        self._absence = Absence(ranks, self.hub.policy.silence, clock())
        self.loop.listen(self._absence)
        if self._ranks is not None and self._settings.transport == "zmq":
            self._roll = self._move(self._ranks)
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
            hint = f"; to look in: dquery {only}status"
        was_killed = self._store is not None and self._store.was_killed
        if was_killed and self._ranks is not None and (how := launcher.advice()):
            self._tell(f"the run before was killed; if that was since a rank died: with {how} the others would go on")
        self._tell(f"{counted(n, 'task')} {where}{hint}")
        self.progress.begin(clock())

    def _move(self, ranks: Mpi) -> RankArrivals:
        """Have the ranks talk over ZeroMQ: they look at MPI no more until they are sent home."""
        assert self._bridge is not None
        move = encode(Move(self._bridge.connection.to_json()))
        for rank in ranks.peers:
            ranks.send(rank, move)
        ranks.flush(_COME)
        roll = RankArrivals(map(str, ranks.peers), clock() + _COME)
        self.loop.listen(roll)
        return roll

    def gather(self) -> str:
        """When workers are waited for, begin as soon as all are there; why not, when none can ever run something."""
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
        # The end of its standard input tells it that we are gone; when both were stopped for long, we are not.
        options = ["--slots", str(self._spare), "--hub-timeout", "1e6"]
        if self._ranks is not None:  # a core is the hub's
            options += ["--cores", str(max(self._spare, share() - 1))]
        if self._settings.gpus is not None:
            options += ["--gpus", self._settings.gpus]
        assert self._bridge is not None
        connection = replace(self._bridge.connection, addresses=(f"ipc://{self._local}/hub",))
        return local_worker(connection, options)

    def show(self) -> None:
        """Show how far it is, if it is time for that, below what has been printed."""
        self.progress.look(clock())
        self._screen.restore()

    def check_walltime(self) -> None:
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

    @property
    def next(self) -> float:
        """When to look again, whatever happens."""
        return min(self.walltime.next, self.feasibility.until, self.progress.next, self._look_again)

    def check_absence(self) -> None:
        """Stop when nobody can do what is left; say it once when it waits for somebody who may."""
        self._look_again = math.inf
        if self.hub.stopping or self.hub.over or self.feasibility.is_on:
            return
        stops, waits = self._held_up() if self.hub.waits_for_release else self._deserted()
        if stops:
            self._give_up(stops)
        elif waits != self._waits:
            self._waits = waits
            if waits:
                self._tell(waits)

    def _held_up(self) -> tuple[str, str]:
        """All that is left is held: why to stop for that, or else that it waits."""
        if self._settings.endpoint.public:
            return "", "what is left is held; it waits for `dquery release`"
        return "what is left is held; run it without --no-bridge, and `dquery release` lets it go on", ""

    def _deserted(self) -> tuple[str, str]:
        """Why to stop when no worker is there, or for whom it waits; both are empty when one is."""
        dead = [str(rank) for rank in self._ranks.dead] if self._ranks is not None else []
        until = math.inf if self._worker else self._absence.until(self.hub.workers.values(), dead)
        if until == math.inf:
            return "", ""
        if clock() < until:
            self._look_again = until
            return "", self._absence.text
        if self._settings.endpoint.public and self.hub.policy.elastic:
            return "", "no worker is left; it waits for others to join"
        return "no worker is left" + (" (--elastic waits for others)" if self._settings.endpoint.public else ""), ""

    def _give_up(self, reason: str) -> None:
        if self._settings.quiet:  # or nobody would know why
            self._tell_always(reason)
        self._stop(reason, running=False)

    def handle_signals(self, numbers: set[int]) -> None:
        """Act on signals and on what went wrong meanwhile."""
        now = clock()
        if numbers & self._told_deaths:
            self.hub.suspect_deaths(now)
        numbers = numbers - self._told_deaths
        fresh = {n for n in numbers & _LEAVE_FOR if now - self._last.get(n, -1.0) > _ONE_SIGNAL}
        if number := end_of_job(numbers):
            self._interrupted = 2
            self._end_of_job(number)
        elif fresh:
            self._last.update(dict.fromkeys(fresh, now))
            self._interrupted += 1
            reason = "SIGHUP" if signal.SIGHUP in fresh else "interrupted"
            if self._interrupted < 2:
                self._stop(f"{reason} (once more: end running tasks)", running=False)
            elif not self.hub.cancelling:
                self._stop(reason, running=True)
        if self._printer.broken and not self.hub.stopping:
            self._interrupted = 1
            self._stop(self._printer.broken, running=False)
        if signal.SIGCHLD in numbers and self._worker is not None and self._worker.poll() is not None:
            self._lose_worker(self._worker.returncode)

    def _end_of_job(self, number: int) -> None:
        """A signal says that the job ends. Only what tasks may have heard as well puts their ends in doubt."""
        name = signal.Signals(number).name
        if number == signal.SIGTERM and not job() and launcher.ends_ranks_alone(os.environ):
            if not self.hub.cancelling:
                self._stop(name, running=True)
        elif not self.hub.in_doubt:
            self.loop.carry_out(self.hub.end_of_job(clock(), name))

    def _stop(self, reason: str, *, running: bool) -> None:
        self.loop.carry_out(self.hub.stop(clock(), reason, running=running))

    def _lose_worker(self, code: int) -> None:
        how = f"was ended by {signal_name(-code)}" if code < 0 else f"has ended with exit status {code}"
        if self._ranks is None:  # nobody else is there
            self._interrupted = 1
            self._stop(f"the worker process {how}", running=False)
        for peer in self._local_peers():
            self.loop.carry_out(self.hub.lose({peer: ()}, clock(), how))
        self._worker = None

    def _local_peers(self) -> list[Any]:
        """The worker process of our own, as the hub knows it; none when it has not come yet."""
        location = f"{socket.gethostname()}:{self._worker.pid}" if self._worker else ""
        return [worker.peer for worker in self.hub.workers.values() if worker.location == location]

    def nothing(self) -> int:
        """Nothing can be run: all was done before, or what is left has failed by now."""
        counts = self.hub.graph.counts
        if counts[State.DONE] < sum(counts.values()):
            return self.conclude(self.end())
        self._outcome = "all was done before"
        return ExitCode.DONE

    def part(self) -> None:
        """Send the workers home. Ranks that talk over ZeroMQ, and are gone, are dead for MPI as well."""
        self._screen.close()
        if self._ranks is not None and self._roll is not None:
            while self._interrupted < 2 and self._roll.awaits(self.hub.workers, clock()):
                self.loop.turn()
                self.loop.sleep(self._signals.descriptor, self._roll.until)
                self.handle_signals(self._signals.take())
            there = self._roll.alive(self.hub.workers)
            for rank in self._ranks.peers:
                if str(rank) not in there:
                    self._ranks.bury(rank)  # it does not look at MPI, so there it cannot come back
        self.loop.dismiss()

    def end(self) -> int:
        """Send the workers home, sum up, and return the exit code."""
        self.part()
        if self._worker is not None and self._worker.stdin is not None and not self._local_peers():
            self._worker.stdin.close()  # it comes too late to be told otherwise
        self._printer.close()
        counts = self.hub.graph.counts
        self._outcome = self.hub.stopping or ("done" if counts[State.DONE] == sum(counts.values()) else "some failed")
        lines = self._report.summary(counts)
        for line in lines[:-1] if self._settings.quiet else lines:  # what failed is told in any case
            say("dwork", line)
        code = verdict(counts, is_stopped=bool(self._interrupted) or self.hub.is_drained)
        if code is ExitCode.DONE and self._printer.broken:
            say("dwork", unwritten(self._settings.logs))
            return ExitCode.FAILED
        return code

    def depart(self, code: int) -> int:
        """Part from the ranks, and see whether the batch system was ending the job: then what ended last is in doubt.

        Outside a job hardly anybody signals tasks before the pool, and a moment is enough.
        """
        if self._ranks is not None:
            send_home(self._ranks)
        until = self.hub.last_end + (DOUBT if job() else _MOMENT)
        while not (number := end_of_job(self._signals.take() - self._told_deaths)) and (left := until - clock()) > 0:
            select.select([self._signals.descriptor], (), (), left)
        if not number or self.hub.in_doubt:
            return code
        self._end_of_job(number)
        if not self.hub.in_doubt:
            return code
        counts = self.hub.graph.counts
        self._outcome = self.hub.stopping
        say("dwork", self._report.summary(counts)[-1])
        return verdict(counts, is_stopped=True)

    def conclude(self, code: int) -> int:
        """Tell those who wait for it how the run ends, and return that."""
        self.loop.conclude(code, self._bridge.router if self._bridge is not None else None)
        return code


def send_home(ranks: Mpi) -> None:
    """Tell all ranks that nothing more comes, and part from them; who has been told already does not mind."""
    farewell = encode(Exit())
    for rank in ranks.peers:
        ranks.send(rank, farewell)
    ranks.part(farewell)


def unwritten(logs: str) -> str:
    """What to say when all is done, and not all that was printed has come to where it should."""
    where = f"; it is in {shown(logs)}" if logs else ""
    return f"all is done, but not all output of tasks could be written{where}"


def _resumed(plan: Plan, counts: Mapping[State, int], record: str) -> str:
    total = sum(counts.values())
    text = f"{plan.done:,} of {total:,} done before"
    if plan.failed:
        text += f"; {plan.failed:,} failed will be tried again"
    if lost := plan.lost - counts[State.FAILED]:  # these have been lost too often
        text += f"; {lost:,} lost will be tried last"
    if plan.done == total:
        text += f", as {shown(record)} says: nothing is left to do (--fresh starts over)"
    return text
