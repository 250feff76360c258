"""Passes the output of this process through another one, so that it never waits for a terminal or for a slow reader.

From `start` on, descriptors 1 and 2 are pipes to that process (`relayprocess`), which has the original ones. The bar of
a terminal is drawn through the same pipe, so that it stays in order with other output; only queries (its width) go to
the terminal itself.

`close` waits until all output is written. Release workers and the launcher before calling it: they must not wait.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final

from dwork.core.text import signal_name
from dwork.host.signals import ENDS, Signals

_PROGRAM: Final = str(Path(__file__).with_name("relayprocess.py"))
#: Signals that may be sent to a whole job, process group or terminal: meant for us, they must not end the relay.
_OURS: Final = {*ENDS, signal.SIGQUIT}
#: Capacity of a pipe in bytes, where the system allows it: a larger one needs fewer switches between the processes.
_PIPE: Final = 1024 * 1024


class Relay:
    """The relay. out, err: descriptors of the original streams. pid: of the relay process, 0 when there is none."""

    def __init__(self) -> None:
        self.out, self.err = 1, 2
        self.pid = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._signals: Signals | None = None
        self._status = -1
        self._reports = b""
        self._targets = {1: 1, 2: 2}  # our descriptors: the number of each in the relay process

    def start(self) -> None:
        """Start the process and redirect descriptors 1 and 2 to it; change nothing when it cannot be started."""
        for file in (sys.stdout, sys.stderr):
            file.flush()
        self._targets[2] = 1 if _is_same(1, 2) else 2  # one pipe keeps the order of both
        pipes = {target: os.pipe() for target in sorted(set(self._targets.values()))}
        self._status, status = os.pipe()
        try:
            self._process = self._begun(status, {target: read for target, (read, _) in pipes.items()})
        except OSError:
            os.close(self._status)
        else:
            self.pid = self._process.pid
            self.out, self.err = os.dup(1), os.dup(2)
            for number, target in self._targets.items():
                os.dup2(pipes[target][1], number)
        for descriptor in (status, *(end for pipe in pipes.values() for end in pipe)):
            os.close(descriptor)

    @staticmethod
    def _begun(status: int, sources: dict[int, int]) -> subprocess.Popen[bytes]:
        for source in sources.values():
            try:
                fcntl.fcntl(source, fcntl.F_SETPIPE_SZ, _PIPE)
            except OSError:  # the limit of this user is reached
                pass
        words = [str(status), *(f"{source}:{target}" for target, source in sources.items())]
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _OURS)  # the process inherits the mask and keeps it
        try:
            return subprocess.Popen(
                [sys.executable, "-I", "-S", _PROGRAM, *words],
                stdin=subprocess.DEVNULL,
                pass_fds=(status, *sources.values()),
                cwd="/",
                # Ctrl-Z must stop it with us; without a controlling terminal, a signal to our group must not end it.
                start_new_session=not (_is_ours(1) or _is_ours(2)),
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def catch(self, wanted: Iterable[signal.Signals]) -> Signals:
        """Catch these signals until all output is written, so that none of them decides the exit code."""
        if self._signals is None:
            self._signals = Signals(wanted, is_last=True)
        return self._signals

    def stream(self, number: int) -> Outlet:
        """Return the stream to print to: 1 for stdout, 2 for stderr."""
        return Outlet(self, number, (sys.stdout if number == 1 else sys.stderr).buffer)

    def close(self, seconds: float | None = None) -> str:
        """Wait until all output is written, at most `seconds` between two reports, or until a signal of ENDS.

        Return why output could not be written; empty when no failure is known.
        """
        with self._signals or Signals(ENDS) as signals:
            self._signals = None
            return self._drained(signals, seconds) if self._process is not None else ""

    def _drained(self, signals: Signals, seconds: float | None) -> str:
        assert self._process is not None
        for file in (sys.stdout, sys.stderr):
            try:
                file.flush()
            except OSError:
                pass
        os.dup2(self.out, 1)
        os.dup2(self.err, 2)
        while not self._has_ended():
            ready, _, _ = select.select([self._status, signals.descriptor], (), (), seconds)
            if not ready or signals.take() & set(ENDS):
                return ""
        if reasons := list(filter(None, map(self.reason, self._targets))):
            return reasons[0]
        code = self._process.wait()
        return f"the process that writes it was killed by {signal_name(-code)}" if code < 0 else ""

    def _has_ended(self) -> bool:
        """Read the reports of the process; return whether it has ended."""
        while select.select([self._status], (), (), 0)[0]:
            report = os.read(self._status, 4096)
            if not report:
                return True
            self._reports += report
        return False

    def reason(self, number: int) -> str:
        """Return why output to this descriptor cannot be written any more; empty when no failure is known."""
        if self._process is not None:
            self._has_ended()
            for line in self._reports.splitlines():
                target, code = map(int, line.split())
                if target == self._targets[number]:
                    return os.strerror(code)
        return ""

    def __enter__(self) -> Relay:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Outlet:
    """A standard stream that goes through the relay; `fileno` and `isatty` are those of the original stream."""

    def __init__(self, relay: Relay, number: int, file: BinaryIO) -> None:
        self._relay = relay
        self._number = number
        self._file = file

    def write(self, data: bytes) -> int:
        try:
            return self._file.write(data)
        except BrokenPipeError as error:
            raise self._true(error) from None

    def flush(self) -> None:
        try:
            self._file.flush()
        except BrokenPipeError as error:
            raise self._true(error) from None

    def _true(self, error: OSError) -> OSError:
        return OSError(error.errno, self._relay.reason(self._number) or error.strerror)

    def fileno(self) -> int:
        return self._relay.out if self._number == 1 else self._relay.err

    def isatty(self) -> bool:
        return os.isatty(self.fileno())


def _is_same(one: int, other: int) -> bool:
    """Whether both are the same file, pipe or terminal; the controlling terminal may have two names."""
    return os.path.sameopenfile(one, other) or (_is_ours(one) and _is_ours(other))


def _is_ours(descriptor: int) -> bool:
    """Whether it is our controlling terminal."""
    try:
        return os.tcgetpgrp(descriptor) > 0
    except OSError:
        return False
