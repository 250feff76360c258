"""The processes of tasks: starts, watches and ends them, and captures their output. It knows nothing of results.

Each task has its own session, so that ending it ends its children too, and signals to the worker's process group
(mpirun sends some) do not reach it. Background processes that a task leaves behind may run until the worker leaves,
which ends them.

A process inherits the CPUs of the thread that starts it, so this thread is bound to them while it starts the process.

What goes in (`Start`) and what comes out (`Exited`) are plain values, so all this may move to another process.
"""

from __future__ import annotations

import math
import os
import resource
import shutil
import signal
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from dwork.core.cause import Cause
from dwork.core.text import from_system, user_bytes
from dwork.host import cores
from dwork.runner import reasons
from dwork.runner.capture import Capture, Captured, Sink
from dwork.runner.guard import MARK, Guard, children, end
from dwork.runner.memory import Memory
from dwork.runner.peak import Peaks
from dwork.runner.spawn import spawn

#: Seconds between two checks of the output of running tasks.
LOOK: Final = 1.0
#: Descriptors for everything but the output of tasks, and for the output of one slot: two pipes, and their files.
OTHERS, EACH = 128, 4


class Start(NamedTuple):
    """What to start for a task.

    variables: added to the environment of all. cpus: to bind it to; empty: all. timeout: seconds. memory: the bytes to
    which it is held; 0: no limit.
    """

    task: int
    words: tuple[bytes, ...]
    variables: Mapping[bytes, bytes]
    cwd: bytes | None = None
    cpus: tuple[int, ...] = ()
    timeout: float | None = None
    memory: int = 0


class Exited(NamedTuple):
    """How a process ended, and its output.

    code: its exit status, or minus the signal that ended it. user, system: seconds. max_rss: bytes; 0: unknown. cause:
    why dwork ended it, or that it was killed for memory; reason: the same in words. sent: as in Captured. trouble: why
    not all output could be stored.
    """

    task: int
    code: int
    started: float
    user: float
    system: float
    max_rss: int
    cause: Cause
    reason: str
    stdout: bytes
    stderr: bytes
    sent: tuple[int, ...]
    trouble: str


@dataclass(slots=True)
class _Process:
    task: int
    started: float
    captured: Captured  # its output
    timeout: float | None
    deadline: float | None  # when to end it
    cause: Cause = Cause.ITSELF  # why dwork ended it
    reason: str = ""  # the same in words
    kill_at: float | None = None  # when to send KILL after TERM


class Processes:
    """The processes of one worker. `now` is in seconds since the epoch everywhere.

    sink: see capture. grace: seconds between TERM and KILL. slots: number of tasks that run at a time. spared: the pid
    of a child of this process that is not a task and is not ended; 0: none.
    """

    def __init__(self, sink: Sink, grace: float, slots: int, spared: int) -> None:
        self.capture = Capture(sink)
        self.long: dict[
            int, Captured
        ] = {}  # of ended tasks: output that went through the sink, which may need it again
        self.deadline = float("inf")  # when `poll` has something to do even if no process ends
        self._grace = grace
        self._running: dict[int, _Process] = {}  # by pid
        self._pids: dict[int, int] = {}  # by task
        _have_descriptors(OTHERS + EACH * slots)
        self._null = os.open(os.devnull, os.O_RDONLY)
        self.directory = tempfile.mkdtemp(prefix="dwork-")  # for this worker's own files; private to this user
        self._guard = Guard(grace, self.directory)
        self._spared = {self._guard.pid, spared}
        self._memory = Memory()
        self._peaks = Peaks()
        self._environment: dict[bytes, bytes] = {}
        self._path = os.environb.get(b"PATH")
        self._wide = os.sched_getaffinity(0) | cores.reachable()
        os.sched_setaffinity(0, self._wide)  # the launcher's binding must not limit our tasks
        self._end_at = float("inf")  # when to end the next process
        self._pass_on_at = float("inf")  # when to pass on output of running processes
        _close_on_exec()

    def configure(self, environment: Mapping[bytes, bytes], *, enforce_memory: bool) -> None:
        """Set the environment of all processes that start from now on."""
        self._environment = {**environment, user_bytes(MARK): user_bytes(self._guard.mark)}
        if enforce_memory:
            self._memory.enforce()

    # -- starting ----------------------------------------------------------------------------------------------

    def start(self, what: Start, now: float) -> None:
        """Start a process; OSError or ValueError when that is not possible."""
        try:
            captured = self.capture.begin()
        except OSError as error:
            raise ValueError(f"no pipe for its output: {error.strerror}") from None
        group = self._memory.begin(what.task, what.memory)
        try:
            pid = self._spawn(what, captured.ends, group)
        except (OSError, ValueError):
            self.capture.drop(captured)
            self._memory.end(what.task)
            raise
        self.capture.started(captured, now)
        self._memory.started(what.task, pid, group, now)
        deadline = None if what.timeout is None else now + what.timeout
        self._running[pid] = _Process(what.task, now, captured, what.timeout, deadline)
        self._pids[what.task] = pid
        if deadline is not None:
            self._end_at = min(self._end_at, deadline)
        if self.capture.passes_on and self._pass_on_at == float("inf"):
            self._pass_on_at = now + LOOK
        self._set_deadline()

    def _spawn(self, what: Start, ends: tuple[int, int], group: str) -> int:
        environment = {**self._environment, **what.variables}
        own_path = environment.get(b"PATH") != self._path
        in_group = user_bytes(from_system(group))
        self._memory.oom.raise_score()
        try:
            if what.cpus:
                os.sched_setaffinity(0, what.cpus)
            return spawn(what.words, environment, (self._null, *ends), what.cwd, in_group, own_path=own_path)
        finally:
            if what.cpus:
                os.sched_setaffinity(0, self._wide)
            self._memory.oom.lower_score()

    def _set_deadline(self) -> None:
        self.deadline = min(self._end_at, self._pass_on_at, self._memory.next_check)

    # -- watching ----------------------------------------------------------------------------------------------

    def poll(self, now: float) -> list[Exited]:
        """Return the processes that have ended. Also end those that ran out of time or memory, and read output."""
        ended = []
        while self._running:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
            if not pid:
                break
            process = self._running.pop(pid, None)
            if process is not None:  # else: a process that a task left behind
                del self._pids[process.task]
                ended.append(self._ended(pid, process, os.waitstatus_to_exitcode(status), usage))
        self.capture.look(now)
        if now >= self.deadline:
            if now >= self._end_at:
                self._end_overdue(now)
            if now >= self._pass_on_at:
                self._pass_on(now)
            if now >= self._memory.next_check:
                self._end_too_big(now)
            self._set_deadline()
        return ended

    def _ended(self, pid: int, process: _Process, code: int, usage: resource.struct_rusage) -> Exited:
        task, captured, cause, reason = process.task, process.captured, process.cause, process.reason
        if cause is not Cause.ITSELF:
            _signal_group(pid, signal.SIGKILL)  # children that ignored TERM although their leader did not
        elif code == -signal.SIGKILL and (shortage := self._memory.shortage(task)):
            cause, reason = Cause.MEMORY, shortage
        self._memory.end(task)
        stdout, stderr = self.capture.end(task, captured)
        sent = captured.sent
        if sent:
            self.long[task] = captured
        max_rss = self._peaks.known(usage.ru_maxrss * 1024)
        return Exited(
            task, code, process.started, usage.ru_utime, usage.ru_stime, max_rss, cause, reason, stdout, stderr, sent,
            captured.trouble,
        )  # fmt: skip

    def _pass_on(self, now: float) -> None:
        """Pass on the output of processes that have run for some time."""
        for process in self._running.values():
            if now >= process.started + LOOK:
                self.capture.pass_on(process.task, process.captured)
        self._pass_on_at = now + LOOK if self._running else float("inf")

    def rewind(self) -> None:
        """Send all output of running processes through the sink again."""
        for process in self._running.values():
            process.captured.rewind()

    # -- ending ------------------------------------------------------------------------------------------------

    def kill(self, task: int, now: float, cause: Cause, reason: str) -> None:
        """End the process of a task: send TERM now, and KILL if it still runs after the grace period."""
        pid = self._pids.get(task)
        if pid is None or self._running[pid].kill_at is not None:
            return
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            return  # it has ended by itself, which `poll` will return
        process = self._running[pid]
        process.cause, process.reason = cause, reason
        process.deadline = process.kill_at = now + self._grace
        self._end_at = min(self._end_at, process.kill_at)
        self._set_deadline()
        _signal_group(pid, signal.SIGTERM)
        _signal_group(pid, signal.SIGCONT)

    def _end_overdue(self, now: float) -> None:
        for pid, process in self._running.items():
            if process.deadline is not None and now >= process.deadline:
                if process.kill_at is None:
                    self.kill(process.task, now, Cause.TIMEOUT, reasons.out_of_time(process.timeout or 0.0))
                else:
                    _signal_group(pid, signal.SIGKILL)
                    process.deadline = None
        self._end_at = min((p.deadline for p in self._running.values() if p.deadline is not None), default=float("inf"))

    def _end_too_big(self, now: float) -> None:
        """End tasks that use more memory than they requested: at once, since they may continue to take more."""
        for task, reason in self._memory.over(now).items():
            pid = self._pids[task]
            process = self._running[pid]
            if process.cause is Cause.ITSELF:
                process.cause, process.reason = Cause.MEMORY, reason
            _signal_group(pid, signal.SIGKILL)

    def close(self) -> None:
        """End all processes that still run, including those left behind by ended ones, and wait for their ends."""
        give_up = time.monotonic() + self._grace
        number = signal.SIGTERM
        spared = set(self._spared)
        while left := [pid for pid in children() if pid not in spared]:
            if time.monotonic() >= give_up:
                number = signal.SIGKILL
            spared.update(end(left, number))
            end(left, signal.SIGCONT)
            time.sleep(0.01)
            self.capture.look(math.inf)  # a process that still prints must not block
            _reap()
        self._guard.close()
        shutil.rmtree(self.directory, ignore_errors=True)
        self._memory.close()
        self.capture.close()
        for captured in (*[process.captured for process in self._running.values()], *self.long.values()):
            captured.close()
        os.close(self._null)


def _have_descriptors(n: int) -> None:
    """Raise the limit of open descriptors to n, as far as allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < n:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(n, hard), hard))


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def _signal_group(pid: int, number: signal.Signals) -> None:
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):
        pass


def _close_on_exec() -> None:
    """Keep descriptors of an MPI library out of tasks: a launcher waits for all holders of its pipes."""
    for entry in os.listdir("/proc/self/fd"):
        fd = int(entry)
        if fd > 2:
            try:
                os.set_inheritable(fd, False)
            except OSError:  # the descriptor of the listing itself
                pass
