"""Runs tasks as child processes: starts, watches, ends them, and catches what they print.

Each task is a session of its own, so that ending it ends its children too, and a signal to the worker's process
group (mpirun sends some) does not reach it. It is started with posix_spawn, which is vfork underneath: several times
quicker than fork from a process that holds an MPI library, and safe where fork is not (InfiniBand memory).

What a task leaves behind in the background may go on until the worker leaves; then it is ended.

A worker that runs several tasks gives each CPUs of its own (`allocation`): a child has those that the thread may use
which starts it, so this one is bound for that moment. With --enforce-memory each task that asks for memory is started
in a control group of its own (`memory_cgroups`) or, where there can be none, watched (`memory_poll`).
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
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from dwork.core.argv import SHELL, arguments, as_path
from dwork.core.messages import DEFAULT_EXECUTION, Execution
from dwork.core.resources import ONE_CORE, Resources
from dwork.core.task import TIMED_OUT, Assigned, Result
from dwork.core.text import printable, size
from dwork.host import cgroups, cores, gpus
from dwork.host.capacity import Equipment
from dwork.runner import memory_poll
from dwork.runner.allocation import Allocation, Share
from dwork.runner.capture import Capture, Captured, Sink
from dwork.runner.environment import of_tasks
from dwork.runner.guard import MARK, Guard, children, end
from dwork.runner.memory_cgroups import MemoryGroups
from dwork.runner.oom import Oom

#: Seconds between two looks at what running tasks have printed.
LOOK: Final = 1.0
#: Seconds between two looks at how much memory they use.
WEIGH: Final = 1.0
#: What tells libraries how many threads to start.
THREADS: Final = "OMP_NUM_THREADS"
#: A name longer than this many bytes is not told to the task: one environment variable holds 128 KiB.
LONGEST_NAME: Final = 100_000
#: Exit status of a task that ran out of time and yet ended well, as timeout(1) gives it.
OUT_OF_TIME: Final = 124
NOT_STARTED, NOT_FOUND = 126, 127
#: That of one whose output could not be kept, though it ended well: EX_IOERR of sysexits.h.
NOT_KEPT: Final = 74
#: Descriptors for all but the output of tasks, and those of one slot: two pipes, and their files.
OTHERS, EACH = 128, 4


@dataclass(slots=True)
class _Child:
    assigned: Assigned
    started: float
    captured: Captured  # what it prints
    deadline: float | None  # when to end it
    ended_for: str = ""  # why dwork ends it
    kill_at: float | None = None  # when to stop being polite
    is_watched: bool = False  # how much memory it uses


class Runner:
    """The processes of one worker. `now` is in seconds since the epoch everywhere.

    sink: see capture. grace: seconds between TERM and KILL. slots: how many tasks run at a time. spared: a child of
    this process that is no task's, and lives on.
    """

    def __init__(
        self,
        location: str,
        sink: Sink,
        *,
        grace: float = 5.0,
        slots: int = 1,
        equipment: Equipment | None = None,
        spared: int = 0,
    ) -> None:
        self.capture = Capture(sink)
        self._grace = grace
        self._slots = slots
        self._spared = spared
        self._equipment = equipment or Equipment()
        self._children: dict[int, _Child] = {}
        self._pids: dict[int, int] = {}
        self.long: dict[int, Captured] = {}  # of ended tasks, what went through the sink: it may be wanted again
        _have_descriptors(OTHERS + EACH * slots)
        self._null = os.open(os.devnull, os.O_RDONLY)
        self.directory = tempfile.mkdtemp(prefix="dwork-")  # for this worker's own files; nobody else can look into it
        self._guard = Guard(grace, self.directory)
        self._oom = Oom()
        self._groups = MemoryGroups("")
        self._own = {"DWORK_WORKER": location, MARK: self._guard.mark}
        self._wide = os.sched_getaffinity(0) | cores.reachable()
        os.sched_setaffinity(0, self._wide)  # what a launcher has bound us to is not for our tasks
        self.configure(DEFAULT_EXECUTION, {})
        self.deadline = float("inf")  # when poll has something to do though nothing ends
        self.passes_on = False  # whether somebody wants to see output before its task ends
        self._end_at = float("inf")  # when to end the next task
        self._look_at = float("inf")  # when to look what has been printed
        self._weigh_at = float("inf")  # when to see how much memory is used
        _close_on_exec()

    def configure(self, execution: Execution, way: dict[str, str]) -> None:
        """How to run tasks from now on; way: variables that tell them how to reach the hub."""
        equipment = self._equipment
        is_pinned = self._slots > 1 if execution.pin is None else execution.pin
        can_pin = is_pinned and len(equipment.cpus) >= max(equipment.cores, self._slots)
        if not self._children:  # a Welcome may come twice, and who runs then keeps what he has
            self._seats = Allocation(equipment.cpus if can_pin else (), equipment.gpus.ids)
        self._enforces_memory = execution.enforce_memory
        if execution.enforce_memory and not self._groups:
            self._groups = MemoryGroups(cgroups.own())
        self._environment = {**of_tasks(os.environ, execution), **self._own, **way}
        self._may_set_threads = THREADS not in self._environment
        self._environment.update(self._means(ONE_CORE, ()))

    def _means(self, asked: Resources, gpus_given: Sequence[str]) -> dict[str, str]:
        """Variables that tell a task what it has."""
        means = {"DWORK_CORES": str(asked.cores), "DWORK_GPUS": str(asked.gpus), "DWORK_MEMORY": str(asked.memory)}
        if self._may_set_threads and (self._slots > 1 or asked.cores > 1):  # else it has all that its worker has
            means[THREADS] = str(asked.cores)
        return {**means, **gpus.environment(os.environ, self._equipment.gpus, gpus_given)}

    # -- starting ----------------------------------------------------------------------------------------------

    def start(self, assigned: Assigned, now: float) -> Result | None:
        """Start a task; the result, when it has ended already, since there is nothing to run or it cannot start."""
        words = arguments(assigned.command)
        if not words:
            return Result(assigned.id, assigned.attempt, 0, 0, now)
        asked = assigned.options.asks
        seat = self._seats.take(assigned.id, asked.cores, asked.gpus) if self._seats else Share()
        environment = self._environment_of(assigned, asked, seat)
        try:
            captured = self.capture.begin()
        except OSError as error:
            self._seats.give_back(assigned.id)
            reason = ValueError(f"there is no pipe for what it prints: {error.strerror}")
            return _not_started(assigned, words[0], reason, now)
        is_held = bool(self._enforces_memory and asked.memory)
        group = self._groups.open(assigned.id, asked.memory) if is_held and self._groups else ""
        self._oom.raise_score()
        try:
            if seat.cpus:
                os.sched_setaffinity(0, seat.cpus)
            pid = self._spawn(words, environment, captured.ends, assigned.options.cwd, group)
        except (OSError, ValueError) as error:
            self.capture.drop(captured)
            self._seats.give_back(assigned.id)
            self._groups.close(assigned.id)
            return _not_started(assigned, words[0], error, now)
        finally:
            if seat.cpus:
                os.sched_setaffinity(0, self._wide)
            self._oom.lower_score()
        self.capture.started(captured, now)
        timeout = assigned.options.timeout
        deadline = None if timeout is None else now + timeout
        self._children[pid] = _Child(assigned, now, captured, deadline, is_watched=is_held and not group)
        self._pids[assigned.id] = pid
        if deadline is not None:
            self._end_at = min(self._end_at, deadline)
        if self.passes_on and self._look_at == float("inf"):
            self._look_at = now + LOOK
        if is_held and not group and self._weigh_at == float("inf"):
            self._weigh_at = now + WEIGH
        self._set_deadline()
        return None

    def _set_deadline(self) -> None:
        self.deadline = min(self._end_at, self._look_at, self._weigh_at)

    def _environment_of(self, assigned: Assigned, asked: Resources, seat: Share) -> dict[str, str]:
        environment = self._environment
        environment["DWORK_TASK_ID"] = str(assigned.id)
        environment["DWORK_ATTEMPT"] = str(assigned.attempt)
        environment["DWORK_TASK_NAME"] = assigned.name if len(assigned.name) <= LONGEST_NAME else ""
        if asked is ONE_CORE and not assigned.options.env:
            return environment
        return {**environment, **self._means(asked, seat.gpus), **dict(assigned.options.env)}

    def _spawn(
        self, words: tuple[str, ...], environment: dict[str, str], ends: tuple[int, int], cwd: str | None, group: str
    ) -> int:
        if cwd is not None:  # posix_spawn cannot change directory, a shell can
            if not os.path.isdir(cwd):
                raise NotADirectoryError(errno.ENOTDIR, "no such directory", cwd)
            words = (SHELL, "-c", 'cd -- "$1" && shift && exec "$@"', SHELL, as_path(cwd), *words)
        if group:
            words = (SHELL, "-c", 'echo $$ > "$1" && shift && exec "$@"', SHELL, group, *words)
        program = words[0]
        if environment is not self._environment and "/" not in program:  # its own PATH decides
            program = _found(program, environment.get("PATH", os.defpath))
        out, err = ends
        actions = (
            (os.POSIX_SPAWN_DUP2, self._null, 0),
            (os.POSIX_SPAWN_DUP2, out, 1),
            (os.POSIX_SPAWN_DUP2, err, 2),
        )
        # Python ignores these two; a pipeline in a task must not.
        defaults = (signal.SIGPIPE, signal.SIGXFSZ)
        try:
            return os.posix_spawnp(
                program, words, environment, file_actions=actions, setsid=True, setsigmask=(), setsigdef=defaults
            )
        except OSError as error:
            if error.errno != errno.ENOEXEC:
                raise
        # A script without a first line that names its interpreter, as a shell would run it: the file that was found.
        words = (SHELL, as_path(program) if "/" in program else _found(program, None), *words[1:])
        return os.posix_spawnp(
            SHELL, words, environment, file_actions=actions, setsid=True, setsigmask=(), setsigdef=defaults
        )

    # -- ending ------------------------------------------------------------------------------------------------

    def poll(self, now: float) -> list[tuple[Assigned, Result]]:
        """The tasks that have ended; ends those whose time is up, and reads what they all print."""
        results = []
        while self._children:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
            if not pid:
                break
            child = self._children.pop(pid, None)
            if child is not None:  # else: something that a task left behind
                del self._pids[child.assigned.id]
                self._seats.give_back(child.assigned.id)
                results.append((child.assigned, self._result(pid, child, status, usage, now)))
                self._groups.close(child.assigned.id)
        self.capture.look(now)
        if now >= self.deadline:
            if now >= self._end_at:
                self._enforce(now)
            if now >= self._look_at:
                self._pass_on(now)
            if now >= self._weigh_at:
                self._weigh(now)
            self._set_deadline()
        return results

    def kill(self, task: int, now: float, reason: str) -> None:
        """End a task: TERM now, KILL when that has not ended it after the grace period."""
        pid = self._pids.get(task)
        if pid is None or self._children[pid].kill_at is not None:
            return
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            return  # it has ended by itself, and `poll` will tell how
        child = self._children[pid]
        child.ended_for = reason
        child.kill_at = now + self._grace
        child.deadline = child.kill_at
        self._end_at = min(self._end_at, child.kill_at)
        self._set_deadline()
        _signal_group(pid, signal.SIGTERM)
        _signal_group(pid, signal.SIGCONT)

    def _enforce(self, now: float) -> None:
        for pid, child in self._children.items():
            if child.deadline is not None and now >= child.deadline:
                if child.kill_at is None:
                    self.kill(child.assigned.id, now, f"{TIMED_OUT} after {child.assigned.options.timeout:g} s")
                else:
                    _signal_group(pid, signal.SIGKILL)
                    child.deadline = None
        self._end_at = min(
            (c.deadline for c in self._children.values() if c.deadline is not None), default=float("inf")
        )

    def _weigh(self, now: float) -> None:
        """End the tasks that use more memory than they have asked for: at once, since they may go on taking more."""
        limits = {pid: c.assigned.options.memory for pid, c in self._children.items() if c.is_watched}
        for pid, used in memory_poll.over(limits).items():
            child = self._children[pid]
            if not child.ended_for:
                child.ended_for = f"out of memory: it used {size(used)}, and asked for {size(limits[pid])}"
            _signal_group(pid, signal.SIGKILL)
        self._weigh_at = now + WEIGH if limits else float("inf")

    def close(self) -> None:
        """End all that still runs, background processes of ended tasks included, and wait until it has."""
        give_up = time.monotonic() + self._grace
        number = signal.SIGTERM
        spared = {self._guard.pid, self._spared}
        while left := [pid for pid in children() if pid not in spared]:
            if time.monotonic() >= give_up:
                number = signal.SIGKILL
            spared.update(end(left, number))
            end(left, signal.SIGCONT)
            time.sleep(0.01)
            self.capture.look(math.inf)  # what has a last word must not wait for us
            _reap()
        self._guard.close()
        shutil.rmtree(self.directory, ignore_errors=True)
        self._oom.close()
        self._groups.close_all()
        self.capture.close()
        for captured in (*[child.captured for child in self._children.values()], *self.long.values()):
            captured.close()
        os.close(self._null)

    # -- results -----------------------------------------------------------------------------------------------

    def _result(self, pid: int, child: _Child, status: int, usage: object, now: float) -> Result:
        code = os.waitstatus_to_exitcode(status)
        number = -code if code < 0 else 0
        exit_status = 128 + number if number else code
        if child.ended_for and exit_status == 0:  # it was ended all the same, and may not have done what it should
            exit_status = OUT_OF_TIME
        if number == signal.SIGKILL and not child.ended_for:
            child.ended_for = self._shortage(child.assigned)
        elif child.ended_for:
            _signal_group(pid, signal.SIGKILL)  # what ignored TERM while its leader did not
        stdout, stderr = self.capture.end(child.assigned.id, child.captured)
        if sent := child.captured.sent:
            self.long[child.assigned.id] = child.captured
        if child.captured.trouble:
            exit_status = exit_status or NOT_KEPT
            child.ended_for = child.ended_for or f"what it printed cannot be kept: {child.captured.trouble}"
        return Result(
            child.assigned.id, child.assigned.attempt, exit_status, number, child.started, now - child.started,
            usage.ru_utime, usage.ru_stime, usage.ru_maxrss * 1024, child.ended_for, stdout, stderr, sent,  # type: ignore[attr-defined]
        )  # fmt: skip

    def _shortage(self, assigned: Assigned) -> str:
        """Why it was killed, when that was for memory; else empty."""
        events = self._groups.events(assigned.id)
        if events is not None and events.get("oom_kill") and events.get("oom"):
            return f"out of memory: it needed more than the {size(assigned.options.memory)} that it asked for"
        has_struck = self._oom.has_struck() if events is None else events.get("oom_kill")
        return "out of memory: the system has ended it" if has_struck else ""

    def rewind(self) -> None:
        """Of what runs, too, all output is to go through the sink once more."""
        for child in self._children.values():
            child.captured.rewind()

    def _pass_on(self, now: float) -> None:
        """Pass on what has been printed by tasks that run for some time."""
        for child in self._children.values():
            if now >= child.started + LOOK:
                self.capture.pass_on(child.assigned.id, child.captured)
        self._look_at = now + LOOK if self._children else float("inf")


def _have_descriptors(n: int) -> None:
    """As far as that is allowed."""
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


def _found(program: str, path: str | None) -> str:
    """The file that a name without a slash stands for; path: where to look, by default in the PATH of the worker."""
    found = shutil.which(program, path=path)
    if found is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), program)
    return as_path(found)


def _not_started(assigned: Assigned, program: str, error: OSError | ValueError, now: float) -> Result:
    exit_status = NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_STARTED
    if isinstance(error, OSError):
        text = f"cannot start {error.filename or program}: {error.strerror}"
    else:
        text = f"cannot be started: {error}"
    return Result(assigned.id, assigned.attempt, exit_status, 0, now, error=printable(text))


def _close_on_exec() -> None:
    """Let no descriptor of an MPI library leak into a task: a launcher waits for all holders of its pipes."""
    for entry in os.listdir("/proc/self/fd"):
        fd = int(entry)
        if fd > 2:
            try:
                os.set_inheritable(fd, False)
            except OSError:  # the listing's own
                pass
