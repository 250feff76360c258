"""One run of a pool, from its task files to its exit code: load, start, loop, end."""

from __future__ import annotations

import contextlib
import gc
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace

from dwork.cli.program import ExitCode
from dwork.connection.choice import is_only
from dwork.core.errors import StoreError, UsageError
from dwork.core.task import State, Task
from dwork.core.text import counted, shown
from dwork.host import launcher
from dwork.host.signals import Signals
from dwork.output.joblog import Joblog
from dwork.output.printer import Printer
from dwork.output.relay import Relay
from dwork.pool.console import Console
from dwork.pool.interrupts import CAUGHT, Interrupts
from dwork.pool.job_end import JobEnd
from dwork.pool.local_worker import LocalWorker
from dwork.pool.missing_workers import MissingWorkers
from dwork.pool.next_steps import next_steps
from dwork.pool.ranks import Ranks
from dwork.pool.settings import PoolSettings
from dwork.record import conditions, resume
from dwork.record.resume import Plan
from dwork.server.assemble import Server
from dwork.transport.mpi import Mpi
from dwork.transport.waiting import clock


def run(tasks: Sequence[Task], settings: PoolSettings, mpi: Mpi | None, relay: Relay) -> int:
    """Run the tasks to their end and return the pool's exit code. mpi: None, or of size 1, to run them here.

    relay: carries all output; until the caller closes it, signals do not end the process.
    """
    relay.start()
    signals = relay.catch(CAUGHT)
    with contextlib.ExitStack() as stack:
        run = _Run(settings, Ranks(mpi), signals, relay, stack)
        run.load(tasks)
        if run.hub.over:
            return run.finish_early()
        missing = run.start()
        try:
            run.loop(missing)
        except (StoreError, UsageError) as error:
            run.abandon(ExitCode.STOPPED if isinstance(error, StoreError) else ExitCode.USAGE)
            raise
        code = run.leave_ranks(run.end())
        run.server.conclude(code)
        signals.take()  # signals up to here were for the run
        return code


class _Run:
    def __init__(
        self, settings: PoolSettings, ranks: Ranks, signals: Signals, relay: Relay, stack: contextlib.ExitStack
    ) -> None:
        self._settings = settings
        self._ranks = ranks
        self._signals = signals
        self._stack = stack
        self._console = console = Console(relay, settings.progress, quiet=settings.quiet)
        stack.callback(console.close)
        self._local = LocalWorker(settings, stack, has_ranks=bool(ranks))
        self._printer = Printer(console.streams, keep_order=settings.keep_order)
        self.server = Server(
            replace(settings, endpoint=replace(settings.endpoint, local=self._local.address)),
            signals,
            stack,
            say=console.say,
            tell=console.tell,
            ranks=ranks.transports(settings.transport),
            printer=self._printer,
            face=console.face,
        )
        self.hub = self.server.hub
        self._loop = self.server.loop
        self._job_end = JobEnd(settings, self._loop, console.tell)
        stack.callback(self._job_end.close)
        self._interrupts = Interrupts(self._loop, signals, has_ranks=bool(ranks))

    def load(self, tasks: Sequence[Task]) -> None:
        """Put the tasks of the files into the graph, and print how many are already done."""
        store, settings = self.server.store, self._settings
        gc.disable()
        if store is not None:
            plan = store.resume(tasks, clock(), conditions.here(settings.execution))
        else:
            plan = resume.plan(tasks)
        self._printer.expect(tasks)
        self._loop.carry_out(self.hub.restore(plan.entries, clock(), next_id=plan.next_id))
        gc.freeze()  # it would scan a million tasks again and again, none of which is garbage
        gc.enable()
        if settings.joblog:
            log = Joblog(settings.joblog, self._command, again=plan.known, before=lambda: self._console.make_room(1))
            self._stack.callback(log.close)
            self._loop.listen(log)
        if plan.conditions:
            self._console.tell(f"{', '.join(plan.conditions)} changed since the last run: all tasks run again")
        if plan.known:
            self._console.tell(_resumed(plan, self.hub.graph.counts, settings.record))

    def _command(self, id: int) -> str:
        node = self.hub.graph.find(id)
        command = node.task.command if node is not None else None
        return shlex.join(command) if isinstance(command, tuple) else command or ""

    def start(self) -> MissingWorkers:
        """Start the workers that the pool runs itself, and print what is going to run where."""
        bridge, ranks, local = self.server.bridge, self._ranks, self._local
        if bridge is not None and self._settings.transport == "zmq":
            ranks.move_to_zmq(bridge.connection, self._loop)
        missing = MissingWorkers(self._settings, self._loop, ranks, local, self._interrupts, self._console)
        if bridge is not None and local.slots:
            local.start(bridge.connection)
        store = self.server.store
        if store is not None and store.was_killed and ranks and (how := launcher.advice()):
            self._console.tell(
                f"the previous run was killed; if a rank died: start with {how}, and the other ranks continue"
            )
        self._console.tell(f"{counted(self.hub.graph.active, 'task')} {self._where()}{self._hint()}")
        self.server.progress.begin(clock())
        return missing

    def _where(self) -> str:
        cores = counted(self._local.slots, "core")
        if not self._ranks:
            return f"on {cores} of this machine"
        ranks = f"on {counted(len(self._ranks), 'worker rank')}"
        return f"{ranks} and {cores} beside the hub" if self._local.slots else ranks

    def _hint(self) -> str:
        path = self.server.bridge.path if self.server.bridge is not None else ""
        only = "" if not path or is_only(path) else f"--connection {shlex.quote(path)} "
        return f"; to inspect it: dquery {only}status" if path else ""

    def loop(self, missing: MissingWorkers) -> None:
        """Run the hub until all tasks have ended; UsageError when no worker can ever run some task."""
        progress = self.server.progress
        while not self.hub.over:
            self._job_end.check()
            self._loop.turn()
            missing.check_feasibility()
            self._handle_signals()
            missing.check()
            progress.look(clock())
            self._console.restore()
            if not self.hub.over:
                until = self._job_end.sleep(min(missing.next, progress.next))
                self._loop.sleep(self._signals.descriptor, until)

    def _handle_signals(self) -> None:
        """Act on signals and on failures since the last call."""
        numbers = self._signals.take()
        self._interrupts.handle(numbers)
        if self._printer.broken and not self._interrupts.is_stopped:
            self._interrupts.stop(self._printer.broken)
        self._local.check(numbers, self._loop, self._interrupts)

    def finish_early(self) -> int:
        """End a run with nothing to run: all tasks were already done, or the remaining ones have failed."""
        counts = self.hub.graph.counts
        if counts[State.DONE] == sum(counts.values()):
            self.server.outcome = "all tasks were already done"
            return ExitCode.DONE
        code = self.end()
        self.server.conclude(code)
        return code

    def abandon(self, code: int) -> None:
        """End a run that cannot continue; running tasks are killed."""
        self._loop.abandon()
        self._dismiss_workers()
        self.server.conclude(code)

    def end(self) -> int:
        """Dismiss the workers, print the summary, and return the exit code."""
        self._dismiss_workers()
        self._local.dismiss(self._loop)
        self._printer.close()
        self.server.outcome = self._interrupts.outcome
        counts, failures = self.hub.graph.counts, self.server.failures
        for line in failures.summary(counts[State.FAILED]):
            self._console.say(line)
        if left_behind := self.server.totals.left_behind:
            self._console.say(left_behind)
        for line in [self.server.totals.summary(counts), *next_steps(self._settings, counts, failures.example)]:
            self._console.tell(line)
        code = self._interrupts.verdict
        if code is ExitCode.DONE and self._printer.broken:
            self._console.say(unwritten(self._settings.logs))
            return ExitCode.FAILED
        return code

    def _dismiss_workers(self) -> None:
        self._console.close()
        self._ranks.bury_missing(self.hub.workers, self._turn)
        self._loop.dismiss()

    def _turn(self, until: float) -> bool:
        """Run the hub once more, before the dismissal of its workers; return whether there is time for another turn."""
        if self._interrupts.is_urgent:
            return False
        self._loop.turn()
        self._loop.sleep(self._signals.descriptor, until)
        self._handle_signals()
        return True

    def leave_ranks(self, code: int) -> int:
        """Disconnect the ranks, and return the exit code, which changes if the batch system was ending the job."""
        self._ranks.send_home(self._interrupts.is_death_reported)
        if not self._interrupts.wait_for_end_of_job():
            return code
        self.server.outcome = self._interrupts.outcome
        self._console.say(self.server.totals.summary(self.hub.graph.counts))
        return self._interrupts.verdict


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
    if plan.repeats:
        text += f"; {plan.repeats:,} done will be run again, since lines with the same command are gone from the file"
    if len(plan.missing) == 1:
        text += f"; {shown(plan.missing[0])} is gone: its task runs again"
    elif plan.missing:
        text += f"; {len(plan.missing):,} tasks whose files are gone run again"
    if plan.done == total:
        text += f", according to {shown(record)}: nothing is left to do (--fresh starts over)"
    return text
