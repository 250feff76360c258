"""A worker process beside the hub, for a pool without ranks or with spare cores beside the hub."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

from dwork.connection.file import Connection
from dwork.core.text import signal_name
from dwork.host import descriptors
from dwork.host.cores import SMT, share
from dwork.host.slots import slots
from dwork.pool.interrupts import Interrupts
from dwork.pool.settings import PoolSettings
from dwork.server.hub_loop import HubLoop
from dwork.transport.waiting import clock

#: Seconds that the worker process may take to leave.
LEAVE: Final = 10.0
#: Like `python -m dwork.kworker`, but without the working directory on the module path, where a user's `random.py`
#: would be imported. It imports the same dwork as this process, even from a checkout that is not installed.
_KWORKER: Final = (
    "import sys; sys.path[:1] = filter(None, sys.path[:1]); root = sys.argv.pop(1); "
    "sys.path[:0] = added = [root] if root not in sys.path else []; import dwork; del sys.path[:len(added)]; "
    "from dwork.kworker import main; main()"
)


class LocalWorker:
    """The pool's own worker. slots: tasks that it runs at a time; 0: the pool needs none. address: where it connects.

    The stack ends it, and removes the directory of its socket.
    """

    def __init__(self, settings: PoolSettings, stack: contextlib.ExitStack, *, has_ranks: bool) -> None:
        self._gpus = settings.gpus
        self._smt = settings.smt
        self._stack = stack
        self._has_ranks = has_ranks
        wanted = settings.slots
        if has_ranks:  # the hub uses one slot
            self.slots = 0 if wanted is None else slots(wanted, self._smt) - 1
        else:
            self.slots = share(self._smt) if wanted is None else slots(wanted, self._smt)
        self.address = f"ipc://{stack.enter_context(private_directory())}/hub" if self.slots else ""
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, connection: Connection) -> None:
        """Start it. connection: that of the hub, for its tasks."""
        # The worker leaves when its standard input ends, and not after silence: both processes may have been stopped.
        options = ["--slots", str(self.slots), "--hub-timeout", "1e6"]
        if self._has_ranks:  # the hub uses one core
            options += ["--cores", str(max(self.slots, share(self._smt) - 1))]
        if self._smt:
            options.append(SMT)
        if self._gpus is not None:
            options += ["--gpus", self._gpus]
        own = replace(connection, addresses=(self.address,))
        self._process = self._stack.enter_context(local_worker(own, options))

    @property
    def is_running(self) -> bool:
        return self._process is not None

    def check(self, numbers: set[int], loop: HubLoop, interrupts: Interrupts) -> None:
        """Take its tasks back when it has ended; without ranks, there is no other worker. numbers: of new signals."""
        if signal.SIGCHLD not in numbers or self._process is None or self._process.poll() is None:
            return
        code = self._process.returncode
        how = f"was ended by {signal_name(-code)}" if code < 0 else f"ended with exit status {code}"
        if not self._has_ranks:
            interrupts.stop(f"the worker process {how}")
        for peer in self._peers(loop):
            loop.carry_out(loop.hub.lose({peer: ()}, clock(), how))
        self._process = None

    def dismiss(self, loop: HubLoop) -> None:
        """Dismiss it if it has not connected to the hub, which dismisses it otherwise."""
        if self._process is not None and self._process.stdin is not None and not self._peers(loop):
            self._process.stdin.close()

    def _peers(self, loop: HubLoop) -> list[Any]:
        """Return its peer; none before it has connected."""
        location = f"{socket.gethostname()}:{self._process.pid}" if self._process else ""
        return [worker.peer for worker in loop.hub.workers.values() if worker.location == location]


@contextlib.contextmanager
def private_directory() -> Iterator[str]:
    """Create a directory for a socket, whose path is limited to about 100 characters; remove it at the end."""
    base = tempfile.gettempdir()
    directory = tempfile.mkdtemp(prefix="dwork-", dir=base if len(base) < 70 else "/tmp")
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextlib.contextmanager
def local_worker(connection: Connection, options: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    """Start a worker process, which ends when its standard input does, so it cannot outlive this process.

    It reads the connection from that pipe, so that the keys are in no file.
    """
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    command = [sys.executable, "-c", _KWORKER, root, "--connection", "-", "--until-eof", *options]
    with descriptors.given():
        process = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
    assert process.stdin is not None
    process.stdin.write(f"{connection.to_json()}\n".encode())
    process.stdin.flush()
    try:
        yield process
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(LEAVE)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(LEAVE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
