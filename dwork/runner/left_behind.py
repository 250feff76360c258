"""The processes that tasks leave behind in the background: finds them when a task has ended, and ends them.

Theory of operation. A worker is the subreaper of what its tasks start (`guard`), so a process whose parent has ended is
a child of the worker from then on. The kernel lists the children of a process in one small file: what is in it and was
not started by the worker was left behind, by a command of a task or by the task itself. It belongs to the task in whose
session it is or, since a daemon has a session of its own, to the one that its environment names. A daemon with another
environment belongs to no task, and is only ended with the worker.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from dwork.host.processes import PARENT, SESSION, START, STATE, stat
from dwork.runner.guard import MARK, Guard, children

#: The children of a process that is started with this pid.
LIST: Final = "/proc/self/task/{}/children"
#: Bytes to read at a time, and the length up to which what was read is the rest: the kernel returns a page, or less.
_READ: Final = 65536
_WHOLE: Final = 2048

#: The variables that name an attempt. The first one is the worker's, since a task may start a pool with its own tasks.
_NAMES: Final = (MARK.encode(), b"DWORK_TASK_ID", b"DWORK_ATTEMPT")


@dataclass(eq=False, slots=True)
class Owner:
    """One run of a task. session: its pid, as its session is its own. environment: that of its process."""

    session: int
    environment: Mapping[bytes, bytes]


class LeftBehind:
    """What the tasks of one worker have left behind. grace: seconds between TERM and KILL. spared: other children.
    guard: gets to know what is found.

    deadline: when to call `find` even if no child ends.
    """

    def __init__(self, grace: float, spared: Collection[int], guard: Guard) -> None:
        self.deadline = float("inf")
        self._grace = grace
        self._spared = spared
        self._guard = guard
        self._owners: dict[int, Owner | None] = {}  # by pid: whose it is
        self._sessions: dict[int, Owner] = {}  # of tasks of which more may be found
        self._ending: dict[Owner, float] = {}  # when to send KILL to what is left of a task
        self._quiet = b""  # the list of children when there was nothing new in it
        try:
            self._list = os.open(LIST.format(os.getpid()), os.O_RDONLY | os.O_CLOEXEC)
        except OSError:  # a kernel without this list
            self._list = -1

    def __bool__(self) -> bool:
        return bool(self._owners)

    def started(self, pid: int, environment: Mapping[bytes, bytes]) -> Owner:
        """Note a task, and return what names it here."""
        owner = self._sessions[pid] = Owner(pid, environment)
        return owner

    def gone(self, pid: int) -> None:
        """Note that a process has ended that is no task."""
        self._owners.pop(pid, None)
        self._guard.forget(pid)

    def find(self, running: Collection[int], ended: Collection[int], now: float) -> None:
        """Look for new ones. running, ended: the pids of tasks that run, and of those that have just ended."""
        for pid in self._new(running, ended):
            try:
                fields = stat(pid)
                if int(fields[PARENT]) == os.getpid() and fields[STATE] != b"Z":
                    owner = self._sessions.get(int(fields[SESSION])) or self._named(pid)
                    self._owners[pid] = owner
                    self._guard.note(pid, fields[START])
                    if owner in self._ending:
                        _signal([pid], signal.SIGTERM if now < self._ending[owner] else signal.SIGKILL)
            except OSError:  # it has ended meanwhile
                pass
        if self._ending:
            self._end_overdue(now)

    def of(self, owner: Owner) -> int:
        """Return the number of processes that a task has left behind; only their children are not counted."""
        return len(self._pids(owner))

    def keep(self, owner: Owner) -> None:
        """Let what a task has left behind run on; what is found from now on is no longer counted."""
        if self._sessions.get(owner.session) is owner:
            del self._sessions[owner.session]

    def end(self, owner: Owner, now: float) -> None:
        """End what a task has left behind: send TERM now, and KILL to what still runs after the grace period."""
        self._ending[owner] = now + self._grace
        self.deadline = min(self.deadline, now + self._grace)
        _signal(self._pids(owner), signal.SIGTERM)

    def postpone(self, seconds: float) -> None:
        """Send KILL later, since this process stood still for some seconds."""
        for owner in self._ending:
            self._ending[owner] += seconds
        self.deadline += seconds

    def close(self) -> None:
        if self._list >= 0:
            os.close(self._list)

    def _new(self, running: Collection[int], ended: Collection[int]) -> Collection[int]:
        if self._list < 0:  # a look at all processes of the machine is only worth it when some of a task are left
            found = children() if self._owners or any(map(_is_group, ended)) else ()
            return set(found).difference(self._owners, running, self._spared)
        listed = part = os.pread(self._list, _READ, 0)
        while len(part) > _WHOLE:
            part = os.pread(self._list, _READ, len(listed))
            listed += part
        if listed == self._quiet:
            return ()
        listed_pids = set(map(int, listed.split()))
        for pid in self._owners.keys() - listed_pids:  # others have waited for it
            self.gone(pid)
        new = listed_pids.difference(self._owners, running, self._spared)
        if not new:
            self._quiet = listed
        return new

    def _named(self, pid: int) -> Owner | None:
        """Return the task that the environment of a process names."""
        with open(f"/proc/{pid}/environ", "rb") as file:
            entries = [entry.partition(b"=") for entry in file.read().split(b"\0")]
        names = _names({name: value for name, _, value in entries})
        return next((owner for owner in self._sessions.values() if _names(owner.environment) == names), None)

    def _pids(self, owner: Owner) -> list[int]:
        return [pid for pid, each in self._owners.items() if each is owner]

    def _end_overdue(self, now: float) -> None:
        for owner, kill_at in list(self._ending.items()):
            pids = self._pids(owner)
            if not pids:
                del self._ending[owner]
                self.keep(owner)
            elif now >= kill_at:
                _signal(pids, signal.SIGKILL)
        # One that cannot be killed (sudo) is left to the end of the worker.
        self.deadline = min((at for at in self._ending.values() if at > now), default=float("inf"))


def _names(environment: Mapping[bytes, bytes]) -> list[bytes | None]:
    """Return what names the worker and the attempt in an environment."""
    return [environment.get(name) for name in _NAMES]


def _is_group(pid: int) -> bool:
    try:
        os.killpg(pid, 0)
    except OSError as error:
        return isinstance(error, PermissionError)
    return True


def _signal(pids: list[int], number: signal.Signals) -> None:
    """Signal processes, with the others of their groups: all of these are of the same task."""
    for pid in pids:
        try:
            os.killpg(os.getpgid(pid), number)
            os.killpg(os.getpgid(pid), signal.SIGCONT)
        except OSError:
            pass
