"""Ensures that no task outlives its worker, whatever ends the worker.

There are two mechanisms. A living worker is the *subreaper* of all processes that its tasks start: a process whose
parent has ended becomes its child, so the worker can find and end it when it leaves. Each worker also has a *guard*, a
small shell process at the other end of a pipe: when the pipe breaks without a farewell, since the worker was killed (by
an out-of-memory killer, or a second Ctrl-C at mpirun), the guard ends what the worker's tasks have started: each
process that has the worker's mark in its environment; that is in the session of a running task; that a task has left
behind; and whose parent or session leader is one of these. So one with another environment (`env -i`, a container) is
found, too. For that, the worker keeps a table of the tasks that run and of what they have left behind, in memory that
the guard shares: a write costs a system call, and wakes nobody. The guard has its own session and none of the worker's
output streams, so no launcher waits for it, or ends it with the worker's process group.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterable, Iterator
from typing import Final

from dwork.host.processes import PARENT, STATE, stats

MARK: Final = "DWORK_GUARD"

_PR_SET_CHILD_SUBREAPER: Final = 36

#: The bytes of an entry of the table: the session of a task, or `pid:start time` of a process that is left behind.
_ENTRY: Final = 32

#: $1 is the mark, $2 the seconds between TERM and KILL, $3 a directory to remove, or empty, $4 the table. A line on
#: standard input is the farewell. A start time distinguishes a process from a later one with the same pid.
_SCRIPT: Final = r"""
trap '' HUP INT TERM USR1 USR2
read -r farewell && exit
[ "$3" ] && rm -rf -- "$3"
mark=$1 known= pids=' ' sessions=' '
for entry in $(cat "$4"); do
    case $entry in
        *:*) known="$known $entry" pids="$pids${entry%:*} " ;;
        *) sessions="$sessions$entry " ;;
    esac
done
look() {
    marked=' '
    for environ in $(grep -lszxF "$mark" /proc/[0-9]*/environ 2>/dev/null); do
        pid=${environ#/proc/}
        marked="$marked${pid%/environ} "
    done
    grown=yes
    while [ "$grown" ]; do
        grown=
        for file in /proc/[0-9]*/stat; do
            pid=${file#/proc/} pid=${pid%/stat}
            case $pids in *" $pid "*) continue ;; esac
            read -r line < "$file" || continue
            set -- ${line##*") "}
            case $marked in *" $pid "*) ;; *)
            case $sessions$pids in *" $4 "*) ;; *)
            case $pids in *" $2 "*) ;; *) continue ;; esac ;; esac ;; esac
            known="$known $pid:${20}" pids="$pids$pid " grown=yes
        done
    done
}
signal_all() {
    signal=$1 signalled=
    look
    for entry in $known; do
        read -r line < "/proc/${entry%:*}/stat" || continue
        set -- ${line##*") "}
        [ "${20}" = "${entry#*:}" ] && [ "$1" != Z ] && kill -s "$signal" "${entry%:*}" && signalled=yes
    done
}
signal_all TERM
for second in $(seq "$2"); do
    [ "$signalled" ] || exit
    sleep 1
    signal_all CONT
done
signal_all KILL
"""


class Guard:
    """The guard of the calling process. `mark` must be in the environment of all processes that it starts.

    grace: seconds between TERM and KILL. directory: removed when the calling process is killed; may be empty.
    """

    def __init__(self, grace: float, directory: str = "") -> None:
        self.mark = uuid.uuid4().hex
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        environment = {key: value for key, value in os.environ.items() if key != MARK}
        self._table = _shared_memory(directory)
        self._places: dict[int, int] = {}  # by pid: the position of its entry in the table
        self._free: list[int] = []  # positions that are no longer in use
        self._process = subprocess.Popen(
            [
                *("/bin/sh", "-c", _SCRIPT, "dwork-guard"),
                *(f"{MARK}={self.mark}", str(max(1, round(grace))), directory, f"/proc/self/fd/{self._table}"),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
            env=environment,
            pass_fds=(self._table,),
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def note(self, pid: int, start: bytes = b"") -> None:
        """Note a task that runs, which has its own session, or with its start time a process that is left behind."""
        if pid not in self._places:
            place = self._places[pid] = self._free.pop() if self._free else len(self._places)
            self._write(place, b"%d:%s" % (pid, start) if start else b"%d" % pid)

    def forget(self, pid: int) -> None:
        """Forget a process that has ended."""
        place = self._places.pop(pid, None)
        if place is not None:
            self._free.append(place)
            self._write(place, b"")

    def _write(self, place: int, entry: bytes) -> None:
        with contextlib.suppress(OSError):  # a full disk: what has the mark is found all the same
            os.pwrite(self._table, entry.ljust(_ENTRY - 1) + b"\n", place * _ENTRY)

    def close(self) -> None:
        """Dismiss the guard: all tasks have ended."""
        os.close(self._table)
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(b"farewell\n")
            self._process.stdin.close()
        except BrokenPipeError:  # the guard was killed
            pass
        self._process.wait()


def _shared_memory(directory: str) -> int:
    """Return the descriptor of a file without a name: in memory, where this Python and system can, else on disk."""
    if hasattr(os, "memfd_create"):
        with contextlib.suppress(OSError):
            return os.memfd_create("dwork-guard")
    with tempfile.TemporaryFile(dir=directory or None) as file:
        return os.dup(file.fileno())


def children() -> Iterator[int]:
    """Yield the living children of this process, including adopted ones."""
    me = os.getpid()
    for pid, fields in stats():
        if int(fields[PARENT]) == me and fields[STATE] != b"Z":
            yield pid


def end(pids: Iterable[int], number: signal.Signals) -> list[int]:
    """Send a signal to processes; return those that may not be signalled, as they run as another user (sudo)."""
    others = []
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass
        except PermissionError:
            others.append(pid)
    return others
