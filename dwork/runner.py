"""Runs tasks as child processes: starts, watches, ends them, and catches what they print.

Each task is a session of its own, so that ending it ends its children too, and a signal to the worker's process
group (mpirun sends some) does not reach it. It is started with posix_spawn, which is vfork underneath: several times
quicker than fork from a process that holds an MPI library, and safe where fork is not (InfiniBand memory).

Output goes to two unnamed temporary files (in $TMPDIR), never through memory whole: what is short travels with the
result, the rest in pieces through `sink`. What a task prints that runs for over a second is passed on every second, so
that it can be followed, and is not lost with the worker. Of more than `limit` bytes the middle is left out.

What a task leaves behind in the background may go on until the worker leaves; then it is ended.
"""

from __future__ import annotations

import errno
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from dwork.guard import MARK, Guard, children, end
from dwork.messages import Wishes
from dwork.oom import Oom
from dwork.shellwords import SHELL, arguments
from dwork.surroundings import of_tasks
from dwork.task import TIMED_OUT, Assigned, Result

#: Output up to this many bytes travels with the result.
SHORT: Final = 32 * 1024
#: The size of a piece of longer output, in bytes.
PIECE: Final = 256 * 1024
#: Seconds between two looks at what running tasks have printed.
LOOK: Final = 1.0
#: A name longer than this many bytes is not told to the task: one environment variable holds 128 KiB.
LONGEST_NAME: Final = 100_000
#: Exit status of a task that ran out of time and yet ended well, as timeout(1) gives it.
OUT_OF_TIME: Final = 124
NOT_STARTED, NOT_FOUND = 126, 127

Sink = Callable[[int, int, bytes], None]


@dataclass(slots=True)
class _Child:
    assigned: Assigned
    started: float
    files: tuple[int, int]
    deadline: float | None  # when to end it
    passed: list[int] = field(default_factory=lambda: [0, 0])  # bytes of stdout and stderr that are passed on
    ended_for: str = ""  # why dwork ends it
    kill_at: float | None = None  # when to stop being polite


class Runner:
    """The processes of one worker. `now` is in seconds since the epoch everywhere.

    sink(task id, stream 1 or 2, bytes) takes output that is too long for a result, before its result is returned.
    grace: seconds between TERM and KILL.
    """

    def __init__(self, location: str, sink: Sink, *, grace: float = 5.0) -> None:
        self._sink = sink
        self._grace = grace
        self._children: dict[int, _Child] = {}
        self._pids: dict[int, int] = {}
        self._files: list[tuple[int, int]] = []
        self._directory = tempfile.gettempdir()
        self._null = os.open(os.devnull, os.O_RDONLY)
        self.directory = tempfile.mkdtemp(prefix="dwork-")  # for this worker's own files; nobody else can look into it
        self._guard = Guard(grace, self.directory)
        self._oom = Oom()
        self._own = {"DWORK_WORKER": location, MARK: self._guard.mark}
        self._environment = {**of_tasks(os.environ), **self._own}
        self.deadline = float("inf")  # when poll has something to do though nothing ends
        self.passes_on = False  # whether somebody wants to see output before its task ends
        self.limit = 0  # bytes of one stream that are passed on at the most; 0: all
        self._end_at = float("inf")  # when to end the next task
        self._look_at = float("inf")  # when to look what has been printed
        _close_on_exec()

    def dress(self, wishes: Wishes, way: dict[str, str]) -> None:
        """What tasks find in their environment from now on; way: variables that tell them how to reach the hub."""
        self._environment = {**of_tasks(os.environ, wishes), **self._own, **way}

    # -- starting ----------------------------------------------------------------------------------------------

    def start(self, assigned: Assigned, now: float) -> Result | None:
        """Start a task; the result, when it has ended already, since there is nothing to run or it cannot start."""
        words = arguments(assigned.command)
        if not words:
            return Result(assigned.id, assigned.attempt, 0, 0, now)
        environment = self._environment_of(assigned)
        files = self._files.pop() if self._files else (self._file(), self._file())
        self._oom.raise_score()
        try:
            pid = self._spawn(words, environment, files, assigned.options.cwd)
        except OSError as error:
            self._files.append(files)
            return _not_started(assigned, words[0], error, now)
        except ValueError as error:
            self._files.append(files)
            return _failed(assigned, NOT_STARTED, f"cannot be started: {error}", now)
        finally:
            self._oom.lower_score()
        timeout = assigned.options.timeout
        deadline = None if timeout is None else now + timeout
        self._children[pid] = _Child(assigned, now, files, deadline)
        self._pids[assigned.id] = pid
        if deadline is not None:
            self._end_at = min(self._end_at, deadline)
        if self.passes_on and self._look_at == float("inf"):
            self._look_at = now + LOOK
        self.deadline = min(self._end_at, self._look_at)
        return None

    def _environment_of(self, assigned: Assigned) -> dict[str, str]:
        environment = self._environment
        environment["DWORK_TASK_ID"] = str(assigned.id)
        environment["DWORK_ATTEMPT"] = str(assigned.attempt)
        environment["DWORK_TASK_NAME"] = assigned.name if len(assigned.name) <= LONGEST_NAME else ""
        return {**environment, **dict(assigned.options.env)} if assigned.options.env else environment

    def _spawn(
        self, words: tuple[str, ...], environment: dict[str, str], files: tuple[int, int], cwd: str | None
    ) -> int:
        if cwd is not None:  # posix_spawn cannot change directory, a shell can
            if not os.path.isdir(cwd):
                raise NotADirectoryError(errno.ENOTDIR, "no such directory", cwd)
            words = (SHELL, "-c", 'cd -- "$1" && shift && exec "$@"', SHELL, cwd, *words)
        program = words[0]
        if environment is not self._environment and "/" not in program:  # its own PATH decides
            found = shutil.which(program, path=environment.get("PATH", os.defpath))
            if found is None:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), program)
            program = found
        out, err = files
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
        words = (SHELL, *words)  # a script without a first line that names its interpreter, as a shell would run it
        return os.posix_spawnp(
            SHELL, words, environment, file_actions=actions, setsid=True, setsigmask=(), setsigdef=defaults
        )

    def _file(self) -> int:
        try:
            return os.open(self._directory, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC | os.O_APPEND, 0o600)
        except OSError:  # a file system without unnamed files
            with tempfile.TemporaryFile(dir=self._directory) as file:
                return os.dup(file.fileno())

    # -- ending ------------------------------------------------------------------------------------------------

    def poll(self, now: float) -> list[tuple[Assigned, Result]]:
        """The tasks that have ended; ends those whose time is up."""
        results = []
        while self._children:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
            if not pid:
                break
            child = self._children.pop(pid, None)
            if child is not None:  # else: something that a task left behind
                del self._pids[child.assigned.id]
                results.append((child.assigned, self._result(pid, child, status, usage, now)))
        if now >= self.deadline:
            if now >= self._end_at:
                self._enforce(now)
            if now >= self._look_at:
                self._pass_on(now)
            self.deadline = min(self._end_at, self._look_at)
        return results

    def kill(self, task: int, now: float, reason: str) -> None:
        """End a task: TERM now, KILL when that has not ended it after the grace period."""
        pid = self._pids.get(task)
        if pid is None or self._children[pid].kill_at is not None:
            return
        child = self._children[pid]
        child.ended_for = reason
        child.kill_at = now + self._grace
        child.deadline = child.kill_at
        self._end_at = min(self._end_at, child.kill_at)
        self.deadline = min(self._end_at, self._look_at)
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

    def close(self) -> None:
        """End all that still runs, background processes of ended tasks included, and wait until it has."""
        give_up = time.monotonic() + self._grace
        number = signal.SIGTERM
        while left := [pid for pid in children() if pid != self._guard.pid]:
            if time.monotonic() >= give_up:
                number = signal.SIGKILL
            end(left, number)
            end(left, signal.SIGCONT)
            time.sleep(0.01)
            _reap()
        self._guard.close()
        shutil.rmtree(self.directory, ignore_errors=True)
        self._oom.close()
        for fd in (self._null, *(fd for pair in self._files for fd in pair)):
            os.close(fd)

    # -- results -----------------------------------------------------------------------------------------------

    def _result(self, pid: int, child: _Child, status: int, usage: object, now: float) -> Result:
        code = os.waitstatus_to_exitcode(status)
        number = -code if code < 0 else 0
        exit_status = 128 + number if number else code
        if child.ended_for and exit_status == 0 and child.ended_for != "cancelled":
            exit_status = OUT_OF_TIME
        if number == signal.SIGKILL and not child.ended_for and self._oom.has_struck():
            child.ended_for = "out of memory: the system has ended it"
        elif child.ended_for:
            _signal_group(pid, signal.SIGKILL)  # what ignored TERM while its leader did not
        sizes = [os.fstat(fd).st_size for fd in child.files]
        stdout, stderr = b"", b""
        if any(sizes):
            stdout = self._output(child, 0, sizes[0])
            stderr = self._output(child, 1, sizes[1])
        self._recycle(pid, child.files, sizes)
        return Result(
            child.assigned.id, child.assigned.attempt, exit_status, number, child.started, now - child.started,
            usage.ru_utime, usage.ru_stime, usage.ru_maxrss * 1024, child.ended_for, stdout, stderr,  # type: ignore[attr-defined]
        )  # fmt: skip

    def _pass_on(self, now: float) -> None:
        """Pass on what has been printed by tasks that run for some time."""
        for child in self._children.values():
            if now >= child.started + LOOK:
                for stream, fd in enumerate(child.files):
                    size = os.fstat(fd).st_size
                    self._pass(child, stream, min(size, self.limit // 2) if self.limit else size)
        self._look_at = now + LOOK if self._children else float("inf")

    def _pass(self, child: _Child, stream: int, end: int) -> None:
        while child.passed[stream] < end:
            offset = child.passed[stream]
            piece = os.pread(child.files[stream], min(PIECE, end - offset), offset)
            if not piece:  # the task has cut its own output
                return
            self._sink(child.assigned.id, stream + 1, piece)
            child.passed[stream] += len(piece)

    def _output(self, child: _Child, stream: int, size: int) -> bytes:
        """What a task that has ended printed, when it is short; else it goes through the sink, piece by piece."""
        if size <= SHORT and not child.passed[stream]:
            return os.pread(child.files[stream], size, 0) if size else b""
        left_out = size - self.limit
        if self.limit and left_out > 0:
            self._pass(child, stream, self.limit // 2)
            mark = f"\n[dwork: {left_out:,} bytes are left out here]\n"
            self._sink(child.assigned.id, stream + 1, mark.encode())
            child.passed[stream] += left_out
        self._pass(child, stream, size)
        return b""

    def _recycle(self, pid: int, files: tuple[int, int], sizes: list[int]) -> None:
        """Use the files again, unless something in the background may still write to them."""
        try:
            os.killpg(pid, 0)
        except ProcessLookupError:
            for fd, size in zip(files, sizes, strict=True):
                if size:
                    os.ftruncate(fd, 0)
            self._files.append(files)
        else:
            for fd in files:
                os.close(fd)


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


def _not_started(assigned: Assigned, program: str, error: OSError, now: float) -> Result:
    exit_status = NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_STARTED
    return _failed(assigned, exit_status, f"cannot start {error.filename or program}: {error.strerror}", now)


def _failed(assigned: Assigned, exit_status: int, error: str, now: float) -> Result:
    return Result(assigned.id, assigned.attempt, exit_status, 0, now, error=error)


def _close_on_exec() -> None:
    """Let no descriptor of an MPI library leak into a task: a launcher waits for all holders of its pipes."""
    for entry in os.listdir("/proc/self/fd"):
        fd = int(entry)
        if fd > 2:
            try:
                os.set_inheritable(fd, False)
            except OSError:  # the listing's own
                pass
