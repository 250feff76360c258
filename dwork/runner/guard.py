"""Ensures that no task outlives its worker, whatever ends the worker.

There are two mechanisms. A living worker is the *subreaper* of all processes that its tasks start: a process whose
parent has ended becomes its child, so the worker can find and end it when it leaves. Each worker also has a *guard*, a
small shell process at the other end of a pipe: when the pipe breaks without a farewell, since the worker was killed (by
an out-of-memory killer, or a second Ctrl-C at mpirun), the guard ends every process that has the worker's mark in its
environment. The guard has its own session and none of the worker's output streams, so no launcher waits for it, or ends
it with the worker's process group.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterable, Iterator
from typing import Final

from dwork.host.processes import PARENT, STATE, stats

MARK: Final = "DWORK_GUARD"

_PR_SET_CHILD_SUBREAPER: Final = 36

#: $1 is the mark, $2 the seconds between TERM and KILL, $3 a directory to remove, or empty. A line on standard input is
#: the farewell.
_SCRIPT: Final = r"""
trap '' HUP INT TERM USR1 USR2
read -r farewell && exit
[ "$3" ] && rm -rf -- "$3"
signal_all() {
    signalled=
    for environ in $(grep -lszxF "$1" /proc/[0-9]*/environ 2>/dev/null); do
        process=${environ#/proc/}
        kill -s "$2" "${process%/environ}" 2>/dev/null && signalled=yes
    done
}
signal_all "$1" TERM
for second in $(seq "$2"); do
    [ "$signalled" ] || exit
    sleep 1
    signal_all "$1" CONT
done
signal_all "$1" KILL
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
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", _SCRIPT, "dwork-guard", f"{MARK}={self.mark}", str(max(1, round(grace))), directory],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
            env=environment,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def close(self) -> None:
        """Dismiss the guard: all tasks have ended."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(b"farewell\n")
            self._process.stdin.close()
        except BrokenPipeError:  # the guard was killed
            pass
        self._process.wait()


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
