"""Runs tasks as child processes: starts, monitors and ends them, and captures their output.

Each task has its own session, so that ending it ends its children too, and signals to the worker's process group
(mpirun sends some) do not reach it. It is started with posix_spawn, which uses vfork: several times faster than fork
from a process that holds an MPI library, and safe where fork is not (InfiniBand memory).

Background processes that a task leaves behind may run until the worker leaves, which ends them.

A worker that runs several tasks gives each its own CPUs (`allocation`): a child inherits the CPUs of the thread that
starts it, so this thread is bound to them while it starts the child. With --enforce-memory, each task that requests
memory is started in its own control group (`memory_cgroups`) or, where that is not possible, polled (`memory_poll`).
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
from dwork.core.cause import Cause
from dwork.core.messages import DEFAULT_EXECUTION, Execution
from dwork.core.resources import ONE_CORE, Resources
from dwork.core.task import Assigned, Result
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

#: Seconds between two checks of the output of running tasks.
LOOK: Final = 1.0
#: Seconds between two checks of their memory use.
WEIGH: Final = 1.0
#: The variable that sets how many threads libraries start.
THREADS: Final = "OMP_NUM_THREADS"
#: A task name longer than this is not in the task's environment: one variable holds at most 128 KiB.
LONGEST_NAME: Final = 100_000
#: Exit status of a task that dwork ended but that exited with 0, as of timeout(1).
OUT_OF_TIME: Final = 124
NOT_STARTED, NOT_FOUND = 126, 127
#: Exit status of a task that exited with 0 but whose output could not be stored: EX_IOERR of sysexits.h.
NOT_KEPT: Final = 74
#: Descriptors for everything but the output of tasks, and for the output of one slot: two pipes, and their files.
OTHERS, EACH = 128, 4


@dataclass(slots=True)
class _Child:
    assigned: Assigned
    started: float
    captured: Captured  # its output
    deadline: float | None  # when to end it
    cause: Cause = Cause.ITSELF  # why dwork ended it
    reason: str = ""  # the same in words
    kill_at: float | None = None  # when to send KILL after TERM
    is_watched: bool = False  # whether its memory use is polled


class Runner:
    """The processes of one worker. `now` is in seconds since the epoch everywhere.

    sink: see capture. grace: seconds between TERM and KILL. slots: number of tasks that run at a time. spared: the pid
    of a child of this process that is not a task and is not ended; 0: none.
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
        self.long: dict[
            int, Captured
        ] = {}  # of ended tasks: output that went through the sink, which may need it again
        _have_descriptors(OTHERS + EACH * slots)
        self._null = os.open(os.devnull, os.O_RDONLY)
        self.directory = tempfile.mkdtemp(prefix="dwork-")  # for this worker's own files; private to this user
        self._guard = Guard(grace, self.directory)
        self._oom = Oom()
        self._groups = MemoryGroups("")
        self._own = {"DWORK_WORKER": location, MARK: self._guard.mark}
        self._wide = os.sched_getaffinity(0) | cores.reachable()
        os.sched_setaffinity(0, self._wide)  # the launcher's binding must not limit our tasks
        self.configure(DEFAULT_EXECUTION, {})
        self.deadline = float("inf")  # when `poll` has something to do even if no task ends
        self.passes_on = False  # whether to pass on output before its task ends
        self._end_at = float("inf")  # when to end the next task
        self._pass_on_at = float("inf")  # when to pass on output of running tasks
        self._check_memory_at = float("inf")  # when to check memory use
        _close_on_exec()

    def configure(self, execution: Execution, way: dict[str, str]) -> None:
        """Set how to run tasks from now on; way: environment variables with which tasks reach the hub."""
        equipment = self._equipment
        is_pinned = self._slots > 1 if execution.pin is None else execution.pin
        can_pin = is_pinned and len(equipment.cpus) >= max(equipment.cores, self._slots)
        if not self._children:  # a Welcome may come twice; running tasks keep their share
            self._allocation = Allocation(equipment.cpus if can_pin else (), equipment.gpus.ids)
        self._enforces_memory = execution.enforce_memory
        if execution.enforce_memory and not self._groups:
            self._groups = MemoryGroups(cgroups.own())
        self._environment = {**of_tasks(os.environ, execution), **self._own, **way}
        self._may_set_threads = THREADS not in self._environment
        self._environment.update(self._resource_variables(ONE_CORE, ()))

    def _resource_variables(self, asked: Resources, gpus_given: Sequence[str]) -> dict[str, str]:
        """Return the environment variables that describe the resources of a task."""
        variables = {"DWORK_CORES": str(asked.cores), "DWORK_GPUS": str(asked.gpus), "DWORK_MEMORY": str(asked.memory)}
        if self._may_set_threads and (self._slots > 1 or asked.cores > 1):  # else it has all cores of its worker
            variables[THREADS] = str(asked.cores)
        return {**variables, **gpus.environment(os.environ, self._equipment.gpus, gpus_given)}

    # -- starting ----------------------------------------------------------------------------------------------

    def start(self, assigned: Assigned, now: float) -> Result | None:
        """Start a task. Return a result only if it has ended already: it has nothing to run, or cannot start."""
        words = arguments(assigned.command)
        if not words:
            return Result(assigned.id, assigned.attempt, 0, 0, now)
        asked = assigned.options.asks
        share = self._allocation.take(assigned.id, asked.cores, asked.gpus) if self._allocation else Share()
        environment = self._environment_of(assigned, asked, share)
        try:
            captured = self.capture.begin()
        except OSError as error:
            self._allocation.give_back(assigned.id)
            reason = ValueError(f"no pipe for its output: {error.strerror}")
            return _not_started(assigned, words[0], reason, now)
        is_held = bool(self._enforces_memory and asked.memory)
        group = self._groups.open(assigned.id, asked.memory) if is_held and self._groups else ""
        self._oom.raise_score()
        try:
            if share.cpus:
                os.sched_setaffinity(0, share.cpus)
            pid = self._spawn(words, environment, captured.ends, assigned.options.cwd, group)
        except (OSError, ValueError) as error:
            self.capture.drop(captured)
            self._allocation.give_back(assigned.id)
            self._groups.close(assigned.id)
            return _not_started(assigned, words[0], error, now)
        finally:
            if share.cpus:
                os.sched_setaffinity(0, self._wide)
            self._oom.lower_score()
        self.capture.started(captured, now)
        timeout = assigned.options.timeout
        deadline = None if timeout is None else now + timeout
        self._children[pid] = _Child(assigned, now, captured, deadline, is_watched=is_held and not group)
        self._pids[assigned.id] = pid
        if deadline is not None:
            self._end_at = min(self._end_at, deadline)
        if self.passes_on and self._pass_on_at == float("inf"):
            self._pass_on_at = now + LOOK
        if is_held and not group and self._check_memory_at == float("inf"):
            self._check_memory_at = now + WEIGH
        self._set_deadline()
        return None

    def _set_deadline(self) -> None:
        self.deadline = min(self._end_at, self._pass_on_at, self._check_memory_at)

    def _environment_of(self, assigned: Assigned, asked: Resources, share: Share) -> dict[str, str]:
        environment = self._environment
        environment["DWORK_TASK_ID"] = str(assigned.id)
        environment["DWORK_ATTEMPT"] = str(assigned.attempt)
        environment["DWORK_TASK_NAME"] = assigned.name if len(assigned.name) <= LONGEST_NAME else ""
        if asked is ONE_CORE and not assigned.options.env:
            return environment
        return {**environment, **self._resource_variables(asked, share.gpus), **dict(assigned.options.env)}

    def _spawn(
        self, words: tuple[str, ...], environment: dict[str, str], ends: tuple[int, int], cwd: str | None, group: str
    ) -> int:
        if cwd is not None:  # posix_spawn cannot change the directory, but a shell can
            if not os.path.isdir(cwd):
                raise NotADirectoryError(errno.ENOTDIR, "no such directory", cwd)
            words = (SHELL, "-c", 'cd -- "$1" && shift && exec "$@"', SHELL, as_path(cwd), *words)
        if group:
            words = (SHELL, "-c", 'echo $$ > "$1" && shift && exec "$@"', SHELL, group, *words)
        program = words[0]
        if environment is not self._environment and "/" not in program:  # use the task's own PATH
            program = _found(program, environment.get("PATH", os.defpath))
        out, err = ends
        actions = (
            (os.POSIX_SPAWN_DUP2, self._null, 0),
            (os.POSIX_SPAWN_DUP2, out, 1),
            (os.POSIX_SPAWN_DUP2, err, 2),
        )
        # Python ignores these two signals; a pipeline in a task must not.
        defaults = (signal.SIGPIPE, signal.SIGXFSZ)
        try:
            return os.posix_spawnp(
                program, words, environment, file_actions=actions, setsid=True, setsigmask=(), setsigdef=defaults
            )
        except OSError as error:
            if error.errno != errno.ENOEXEC:
                raise
        # Run a script without a #! line as a shell would, from the file that was found.
        words = (SHELL, as_path(program) if "/" in program else _found(program, None), *words[1:])
        return os.posix_spawnp(
            SHELL, words, environment, file_actions=actions, setsid=True, setsigmask=(), setsigdef=defaults
        )

    # -- ending ------------------------------------------------------------------------------------------------

    def poll(self, now: float) -> list[tuple[Assigned, Result]]:
        """Return the tasks that have ended. Also end tasks that ran out of time, and read output."""
        results = []
        while self._children:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
            if not pid:
                break
            child = self._children.pop(pid, None)
            if child is not None:  # else: a process that a task left behind
                del self._pids[child.assigned.id]
                self._allocation.give_back(child.assigned.id)
                results.append((child.assigned, self._result(pid, child, status, usage, now)))
                self._groups.close(child.assigned.id)
        self.capture.look(now)
        if now >= self.deadline:
            if now >= self._end_at:
                self._enforce(now)
            if now >= self._pass_on_at:
                self._pass_on(now)
            if now >= self._check_memory_at:
                self._check_memory(now)
            self._set_deadline()
        return results

    def kill(self, task: int, now: float, cause: Cause, reason: str) -> None:
        """End a task: send TERM now, and KILL if it still runs after the grace period."""
        pid = self._pids.get(task)
        if pid is None or self._children[pid].kill_at is not None:
            return
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            return  # it has ended by itself; `poll` will return its result
        child = self._children[pid]
        child.cause, child.reason = cause, reason
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
                    reason = f"timed out after {child.assigned.options.timeout:g} s"
                    self.kill(child.assigned.id, now, Cause.TIMEOUT, reason)
                else:
                    _signal_group(pid, signal.SIGKILL)
                    child.deadline = None
        self._end_at = min(
            (c.deadline for c in self._children.values() if c.deadline is not None), default=float("inf")
        )

    def _check_memory(self, now: float) -> None:
        """End tasks that use more memory than they requested: at once, since they may continue to take more."""
        limits = {pid: c.assigned.options.memory for pid, c in self._children.items() if c.is_watched}
        for pid, used in memory_poll.over(limits).items():
            child = self._children[pid]
            if child.cause is Cause.ITSELF:
                child.cause = Cause.MEMORY
                child.reason = f"out of memory: it used {size(used)}, but requested {size(limits[pid])}"
            _signal_group(pid, signal.SIGKILL)
        self._check_memory_at = now + WEIGH if limits else float("inf")

    def close(self) -> None:
        """End all processes that still run, including those left behind by ended tasks, and wait for their ends."""
        give_up = time.monotonic() + self._grace
        number = signal.SIGTERM
        spared = {self._guard.pid, self._spared}
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
        if child.cause is not Cause.ITSELF and exit_status == 0:  # dwork ended it, so it may be incomplete
            exit_status = OUT_OF_TIME
        if child.cause is Cause.ITSELF:
            if number == signal.SIGKILL and (shortage := self._shortage(child.assigned)):
                child.cause, child.reason = Cause.MEMORY, shortage
        else:
            _signal_group(pid, signal.SIGKILL)  # children that ignored TERM although their leader did not
        stdout, stderr = self.capture.end(child.assigned.id, child.captured)
        if sent := child.captured.sent:
            self.long[child.assigned.id] = child.captured
        if child.captured.trouble:
            exit_status = exit_status or NOT_KEPT
            if child.cause is Cause.ITSELF:
                child.cause, child.reason = Cause.OUTPUT, f"its output cannot be stored: {child.captured.trouble}"
        return Result(
            child.assigned.id, child.assigned.attempt, exit_status, number, child.started, now - child.started,
            usage.ru_utime, usage.ru_stime,  # type: ignore[attr-defined]
            usage.ru_maxrss * 1024,  # type: ignore[attr-defined]
            child.cause, child.reason, stdout, stderr, sent,
        )  # fmt: skip

    def _shortage(self, assigned: Assigned) -> str:
        """Return why a task was killed, if that was for memory; else an empty text."""
        events = self._groups.events(assigned.id)
        if events is not None and events.get("oom_kill") and events.get("oom"):
            return f"out of memory: it needed more than the {size(assigned.options.memory)} that it requested"
        has_struck = self._oom.has_struck() if events is None else events.get("oom_kill")
        return "out of memory: killed by the system" if has_struck else ""

    def rewind(self) -> None:
        """Send all output of running tasks through the sink again."""
        for child in self._children.values():
            child.captured.rewind()

    def _pass_on(self, now: float) -> None:
        """Pass on the output of tasks that have run for some time."""
        for child in self._children.values():
            if now >= child.started + LOOK:
                self.capture.pass_on(child.assigned.id, child.captured)
        self._pass_on_at = now + LOOK if self._children else float("inf")


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


def _found(program: str, path: str | None) -> str:
    """Return the file of a program name without a slash; path: where to search, by default the PATH of the worker."""
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
    return Result(assigned.id, assigned.attempt, exit_status, 0, now, cause=Cause.NOT_STARTED, error=printable(text))


def _close_on_exec() -> None:
    """Keep descriptors of an MPI library out of tasks: a launcher waits for all holders of its pipes."""
    for entry in os.listdir("/proc/self/fd"):
        fd = int(entry)
        if fd > 2:
            try:
                os.set_inheritable(fd, False)
            except OSError:  # the descriptor of the listing itself
                pass
