"""The processes of tasks: starts, watches and ends them, and captures their output. It knows nothing of results.

This is the whole interface, so that all this may move to a process of its own:

- `configure(environment, ...)`, before the first task and whenever the hub changes how tasks run;
- `start(Start, now)`, `kill(task, now, cause, reason)`, and `signal(task, number)`;
- `rewind()`, after which all output is sent again;
- `postpone(seconds)` when this process stood still;
- `poll(now)` returns an `Exited` for each process that has ended. Call it when SIGCHLD arrives, when
  `capture.descriptor` is readable (unless `capture.rests`), and at `deadline`;
- the sink (see `capture`) takes output that is too long for Exited, or that is passed on while its task runs; `long`
  has that of ended tasks until somebody takes it;
- `close()` ends everything that still runs.

`Start` and `Exited` are plain values. Only the fds of `capture` and what is in `long` could not be sent as they are.

Each task has its own session, so that ending it ends its children too, and signals to the worker's process group
(mpirun sends some) do not reach it. What a task leaves behind when it ends has SETTLE seconds to end by itself, since
a `tee` at the end of a script needs a moment; what is still there is reported, and ended (`left_behind`) then or when
the worker leaves.

A process that waits in the kernel, as for a file system that does not answer, cannot be killed. Some seconds after KILL
it is returned as if it had ended, and nothing waits for it any more.

A process inherits the CPUs and the directory of the thread that starts it, so this thread has them meanwhile (`spawn`).
"""

from __future__ import annotations

import errno
import math
import os
import resource
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from dwork.core.cause import Cause
from dwork.core.messages import Leftovers
from dwork.core.text import from_system, user_bytes
from dwork.host import cores, descriptors
from dwork.host.processes import UNKILLABLE, cannot_be_killed
from dwork.runner import reasons
from dwork.runner.capture import Capture, Captured, Sink
from dwork.runner.guard import MARK, Guard, children, end
from dwork.runner.left_behind import LeftBehind, Owner
from dwork.runner.memory import Memory
from dwork.runner.peak import Peaks
from dwork.runner.spawn import spawn

#: Seconds from the start of a task until its output is passed on, and at least from one time to the next.
LOOK: Final = 1.0
#: Seconds after which to look for processes that a running task has left behind: the guard must know them.
ORPHANS: Final = 2.0
#: Seconds that the processes that a task has left behind have to end by themselves.
SETTLE: Final = 0.1
_MARK: Final = user_bytes(MARK)
#: Descriptors for everything but the output of tasks, and for that of one slot: three pipes, and two files.
OTHERS, FILES, EACH = 128, 2, 5
#: Descriptors that another task must leave free, beside those of the files.
RESERVE: Final = 16


class Start(NamedTuple):
    """What to start for a task.

    variables: added to the environment of all. cpus: to bind it to; empty: all. timeout: seconds. memory: the bytes to
    which it is held; 0: no limit. log: the descriptor to which its setup block prints; 0: it has none. grace: seconds
    between TERM and KILL; None: as for all.
    """

    task: int
    words: tuple[bytes, ...]
    variables: Mapping[bytes, bytes]
    cwd: bytes | None = None
    cpus: tuple[int, ...] = ()
    timeout: float | None = None
    memory: int = 0
    log: int = 0
    grace: float | None = None


class Exited(NamedTuple):
    """How a process ended, and its output.

    code: its exit status, or minus the signal that ended it. user, system: seconds. max_rss: bytes; 0: unknown. cause:
    why dwork ended it, or that it was killed for memory; reason: the same in words. sent: as in Captured. trouble: why
    not all output could be stored. left: number of processes that it has left behind. setup: the position of the
    command of its setup block at which it ended; None: it got past the block, or has none. is_stuck: it has not ended,
    but cannot be killed.
    """

    task: int
    code: int
    started: float
    ended: float
    user: float
    system: float
    max_rss: int
    cause: Cause
    reason: str
    stdout: bytes
    stderr: bytes
    sent: tuple[int, ...]
    trouble: str
    left: int
    setup: int | None = None
    is_stuck: bool = False


@dataclass(slots=True)
class _Process:
    task: int
    started: float
    captured: Captured  # its output
    owner: Owner  # for what it leaves behind
    pass_on_at: float  # from when on more of its output may be passed on
    timeout: float | None
    grace: float  # seconds between TERM and KILL
    deadline: float | None  # when to end it
    cause: Cause = Cause.ITSELF  # why dwork ended it
    reason: str = ""  # the same in words
    kill_at: float | None = None  # when to send KILL, or when it was sent
    is_killed: bool = False  # KILL was sent


class _Ended(NamedTuple):
    """A process that has ended, while it is found out what it has left behind."""

    process: _Process
    code: int
    usage: resource.struct_rusage
    at: float


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
        descriptors.have(OTHERS + EACH * slots)
        self._limit = descriptors.limit()
        self._null = os.open(os.devnull, os.O_RDONLY)
        self.directory = tempfile.mkdtemp(prefix="dwork-")  # for this worker's own files; private to this user
        self._guard = Guard(grace, self.directory)
        self._spared = {self._guard.pid, spared}
        self._memory = Memory()
        self._settling: list[_Ended] = []
        self._stuck: list[Exited] = []  # processes that cannot be killed, until `poll` returns them
        self._left = LeftBehind(grace, self._spared, self._guard)
        self._leftovers = Leftovers.KEEP
        self._peaks = Peaks()
        self._environment: dict[bytes, bytes] = {}
        self._path = os.environb.get(b"PATH")
        self._wide = os.sched_getaffinity(0) | cores.reachable()
        os.sched_setaffinity(0, self._wide)  # the launcher's binding must not limit our tasks
        self._end_at = float("inf")  # when to end the next process
        self._pass_on_at = float("inf")  # when to pass on output that has waited
        self._look_at = float("inf")  # when to look for what running tasks have left behind
        _close_on_exec()

    def configure(
        self,
        environment: Mapping[bytes, bytes],
        *,
        enforce_memory: bool = False,
        leftovers: Leftovers = Leftovers.KEEP,
    ) -> None:
        """Set the environment of all processes that start from now on, and what happens to what they leave behind."""
        self._leftovers = leftovers
        self._environment = {**environment, _MARK: user_bytes(self._guard.mark)}
        if enforce_memory:
            self._memory.enforce()

    # -- starting ----------------------------------------------------------------------------------------------

    def start(self, what: Start, now: float) -> None:
        """Start a process; OSError or ValueError when that is not possible."""
        captured = self.capture.begin(has_setup=bool(what.log))
        group = self._memory.begin(what.task, what.memory)
        try:
            self._keep_descriptors(max(*captured.fds, *captured.ends))
            environment = {**self._environment, **what.variables}
            pid = self._spawn(what, environment, captured.ends, group)
        except (OSError, ValueError):
            self.capture.drop(captured)
            self._memory.end(what.task)
            raise
        self.capture.started(captured, now)
        self._memory.started(what.task, pid, group, now)
        deadline = None if what.timeout is None else now + what.timeout
        owner = self._left.started(pid, environment)
        grace = self._grace if what.grace is None else what.grace
        self._running[pid] = _Process(what.task, now, captured, owner, now + LOOK, what.timeout, grace, deadline)
        self._pids[what.task] = pid
        self._guard.note(pid)
        self._look_at = min(self._look_at, now + ORPHANS)
        if deadline is not None:
            self._end_at = min(self._end_at, deadline)
        self._set_deadline()

    def _keep_descriptors(self, newest: int) -> None:
        """Raise OSError when a second task would leave too few descriptors; newest: the highest one of its pipes.

        A new descriptor gets the lowest free number, so all below it are in use.
        """
        running = len(self._running)
        if running and self._limit - 1 - newest < RESERVE + FILES * (running + 1):
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    def _spawn(self, what: Start, environment: Mapping[bytes, bytes], ends: Sequence[int], group: str) -> int:
        own_path = environment.get(b"PATH") != self._path
        in_group = user_bytes(from_system(group))
        self._memory.oom.raise_score()
        try:
            if what.cpus:
                os.sched_setaffinity(0, what.cpus)
            streams = dict(enumerate((self._null, *ends[:2])))
            if what.log:
                streams[what.log] = ends[2]
            with descriptors.given():
                return spawn(what.words, environment, streams, what.cwd, in_group, own_path=own_path)
        finally:
            if what.cpus:
                os.sched_setaffinity(0, self._wide)
            self._memory.oom.lower_score()

    def _set_deadline(self) -> None:
        settle_at = self._settling[0].at + SETTLE if self._settling else float("inf")
        deadline = min(self._end_at, self._pass_on_at, self._memory.next_check, self._left.deadline, settle_at)
        self.deadline = min(deadline, self._look_at)

    # -- watching ----------------------------------------------------------------------------------------------

    def poll(self, now: float) -> list[Exited]:
        """Return the processes that have ended. Also end those that ran out of time or memory, and read output."""
        self._reap(now)
        ended = self._settled(now) if self._settling else []
        if self.capture.look(now):
            self._pass_on_at = now
            self._set_deadline()
        if now >= self.deadline:
            if now >= self._end_at:
                self._end_overdue(now)
            if now >= self._pass_on_at:
                self._pass_on(now)
            if now >= self._memory.next_check:
                self._end_too_big(now)
            self._set_deadline()
        if self._stuck:
            ended += self._stuck
            self._stuck = []
        return ended

    def _reap(self, now: float) -> None:
        """Note which processes have ended, and which they have left behind."""
        ended: list[int] = []
        is_any = now >= min(self._left.deadline, self._look_at)
        while True:  # also with no task: what tasks have left behind may end later
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if not pid:
                break
            is_any = True
            process = self._running.pop(pid, None)
            if process is None:
                self._left.gone(pid)
                self._spared.discard(pid)  # it was stuck
                continue
            ended.append(pid)
            del self._pids[process.task]
            self._settling.append(_Ended(process, os.waitstatus_to_exitcode(status), usage, now))
            if process.cause is not Cause.ITSELF:
                _signal_group(pid, signal.SIGKILL)  # children that ignored TERM although their leader did not
            elif status == signal.SIGKILL and (shortage := self._memory.shortage(process.task)):
                process.cause, process.reason = Cause.MEMORY, shortage
        if is_any:
            self._left.find(self._running, ended, now)
            self._look_at = now + ORPHANS if self._running else float("inf")
            for pid in ended:
                self._guard.forget(pid)

    def _settled(self, now: float) -> list[Exited]:
        """Return the ended processes of which it is known what they have left behind."""
        settled, waiting = [], []
        for each in self._settling:
            owner = each.process.owner
            left = self._left.of(owner) if self._left else 0
            if left and now < each.at + SETTLE:
                waiting.append(each)
                continue
            if left and self._leftovers is not Leftovers.KEEP:
                self._left.end(owner, now)
            else:
                self._left.keep(owner)
            settled.append(self._exited(each, left))
        self._settling = waiting
        if waiting or self._left.deadline < self.deadline:
            self._set_deadline()
        return settled

    def _exited(self, ended: _Ended, left: int, *, is_stuck: bool = False) -> Exited:
        process, usage = ended.process, ended.usage
        task, captured = process.task, process.captured
        self._memory.end(task)
        stdout, stderr = self.capture.end(task, captured)
        sent = captured.sent
        if sent:
            self.long[task] = captured
        max_rss = self._peaks.known(usage.ru_maxrss * 1024)
        return Exited(
            task, ended.code, process.started, ended.at, usage.ru_utime, usage.ru_stime, max_rss, process.cause,
            process.reason, stdout, stderr, sent, captured.trouble, left,
            None if captured.setup is None else captured.setup.position, is_stuck,
        )  # fmt: skip

    def _pass_on(self, now: float) -> None:
        """Pass on the output of processes that have run for some time: of each at once, but once in LOOK seconds."""
        self._pass_on_at = float("inf")
        for process in self._running.values() if self.capture.passes_on else ():
            if process.captured.has_more:
                if now >= process.pass_on_at:
                    self.capture.pass_on(process.task, process.captured)
                    process.pass_on_at = now + LOOK
                else:
                    self._pass_on_at = min(self._pass_on_at, process.pass_on_at)

    def rewind(self) -> None:
        """Send all output of running processes through the sink again."""
        for process in self._all():
            process.captured.rewind()
            process.pass_on_at = 0.0
        self._pass_on_at = 0.0
        self._set_deadline()

    def _all(self) -> Iterator[_Process]:
        """Yield the processes that have not been returned as ended."""
        yield from self._running.values()
        for each in self._settling:
            yield each.process

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
        process.deadline = process.kill_at = now + process.grace
        self._end_at = min(self._end_at, process.kill_at)
        self._set_deadline()
        _signal_group(pid, signal.SIGTERM)
        _signal_group(pid, signal.SIGCONT)

    def signal(self, task: int, number: int) -> None:
        """Send a signal to the process group of a task."""
        if task in self._pids:
            _signal_group(self._pids[task], number)

    def _end_overdue(self, now: float) -> None:
        for pid, process in list(self._running.items()):
            if process.deadline is None or now < process.deadline:
                continue
            if process.kill_at is None:
                self.kill(process.task, now, Cause.TIMEOUT, reasons.out_of_time(process.timeout or 0.0))
            elif not process.is_killed:
                self._kill_for_good(pid, process, now)
            elif cannot_be_killed(pid, now - process.kill_at):
                self._give_up(pid, process, now)
            else:
                process.deadline = now + 1.0
        self._end_at = min((p.deadline for p in self._running.values() if p.deadline is not None), default=float("inf"))

    def postpone(self, seconds: float) -> None:
        """End processes later, since this process and they stood still for some seconds."""
        for process in self._running.values():
            if process.deadline is not None:
                process.deadline += seconds
            if process.kill_at is not None:
                process.kill_at += seconds
        self._end_at += seconds
        self._left.postpone(seconds)
        self._set_deadline()

    def _kill_for_good(self, pid: int, process: _Process, now: float) -> None:
        """Send KILL, and check some seconds later whether it has ended."""
        process.is_killed, process.kill_at, process.deadline = True, now, now + UNKILLABLE
        if not _signal_group(pid, signal.SIGKILL):  # it runs as another user (sudo), and goes on
            process.deadline = None

    def _give_up(self, pid: int, process: _Process, now: float) -> None:
        """Let `poll` return a process that cannot be killed as if it had ended."""
        self._spared.add(pid)
        del self._running[pid], self._pids[process.task]
        self._left.keep(process.owner)
        process.reason = reasons.cannot_be_killed(process.reason, pid)
        unused = resource.struct_rusage([0] * 16)
        self._stuck.append(self._exited(_Ended(process, -signal.SIGKILL, unused, now), 0, is_stuck=True))

    def _end_too_big(self, now: float) -> None:
        """End tasks that use more memory than they requested: at once, since they may continue to take more."""
        for task, reason in self._memory.over(now).items():
            pid = self._pids[task]
            process = self._running[pid]
            if process.cause is Cause.ITSELF:
                process.cause, process.reason = Cause.MEMORY, reason
            if not process.is_killed:
                self._kill_for_good(pid, process, now)
                self._end_at = min(self._end_at, process.deadline or math.inf)

    def close(self) -> None:
        """End all processes that still run, including those left behind by ended ones, and wait for their ends.

        Those that cannot be killed stay.
        """
        kill_at = time.monotonic() + self._grace
        number = signal.SIGTERM
        spared = set(self._spared)
        while left := [pid for pid in children() if pid not in spared]:
            killed_for = time.monotonic() - kill_at
            if killed_for >= 0.0:
                number = signal.SIGKILL
            if all(cannot_be_killed(pid, killed_for) for pid in left):
                break
            spared.update(end(left, number))
            end(left, signal.SIGCONT)
            time.sleep(0.01)
            self.capture.look(math.inf)  # a process that still prints must not block
            _reap()
        self._guard.close()
        shutil.rmtree(self.directory, ignore_errors=True)
        self._memory.close()
        self.capture.close()
        self._left.close()
        for captured in (*[process.captured for process in self._all()], *self.long.values()):
            captured.close()
        os.close(self._null)


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def _signal_group(pid: int, number: int) -> bool:
    """Signal a group of processes; return whether this was allowed for any of them."""
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError) as error:
        return isinstance(error, ProcessLookupError)
    return True


def _close_on_exec() -> None:
    """Keep descriptors of an MPI library out of tasks: a launcher waits for all holders of its pipes."""
    for entry in os.listdir("/proc/self/fd"):
        fd = int(entry)
        if fd > 2:
            try:
                os.set_inheritable(fd, False)
            except OSError:  # the descriptor of the listing itself
                pass
