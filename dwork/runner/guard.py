"""No task outlives its worker, whatever ends the worker.

Two nets. While a worker lives it is the *subreaper* of all that its tasks start: a process whose parent has ended
becomes its child, so that it can be found and ended when the worker leaves. And beside each worker waits a *guard*,
a small shell process at the other end of a pipe: when the pipe breaks without a farewell, since the worker was killed
(an out-of-memory killer, a second Ctrl-C at mpirun), the guard ends every process that carries the worker's mark in
its environment. The guard is in a session of its own and holds none of the worker's output, so no launcher waits for
it or ends it with the worker's group.
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

#: $1 is the mark, $2 the seconds between TERM and KILL, $3 a directory to remove, or nothing. A line on standard input
#: is the farewell.
_SCRIPT: Final = r"""
trap '' HUP INT TERM USR1 USR2
read -r farewell && exit
[ "$3" ] && rm -rf -- "$3"
tell() {
    told=
    for environ in $(grep -lszxF "$1" /proc/[0-9]*/environ 2>/dev/null); do
        process=${environ#/proc/}
        kill -s "$2" "${process%/environ}" 2>/dev/null && told=yes
    done
}
tell "$1" TERM
for second in $(seq "$2"); do
    [ "$told" ] || exit
    sleep 1
    tell "$1" CONT
done
tell "$1" KILL
"""


class Guard:
    """Watches over the calling process; `mark` must be in the environment of all that it starts.

    directory: what must not be left behind when it is killed, or empty.
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
        """Say farewell: all tasks have ended."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(b"farewell\n")
            self._process.stdin.close()
        except BrokenPipeError:  # somebody has ended it
            pass
        self._process.wait()


def children() -> Iterator[int]:
    """The living children of this process, adopted ones included."""
    me = os.getpid()
    for pid, fields in stats():
        if int(fields[PARENT]) == me and fields[STATE] != b"Z":
            yield pid


def end(pids: Iterable[int], number: signal.Signals) -> list[int]:
    """Return those that may not be signalled: they belong to somebody else, by sudo."""
    others = []
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass
        except PermissionError:
            others.append(pid)
    return others
