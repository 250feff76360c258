"""A time limit for the start of MPI.

MPI_Init waits for all ranks. Where the launcher lets the others continue when one dies (Open MPI's `--with-ft`), it
waits for ever for a rank that died before it or in it; elsewhere, for a rank that stands still. mpi4py holds the
interpreter's lock meanwhile, so no thread and no signal handler of this process can run: a child process watches.

The child ends this process with SIGQUIT, whose handler is the C library's `_exit`: that gets the number of the signal,
3, which is the exit code of a pool that was stopped before its end. To kill the ranks would not do: Open MPI's mpirun
then exits with 0.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
from collections.abc import Iterator
from typing import Final, NoReturn

#: Seconds after SIGQUIT before the process is killed.
_GRACE: Final = 10.0


@contextlib.contextmanager
def limited(seconds: float, text: str) -> Iterator[None]:
    """End this process with exit code 3, and print the text on stderr, when the body takes longer; 0: no limit."""
    if seconds <= 0:
        yield
        return
    import ctypes  # costs milliseconds

    library = ctypes.CDLL(None)
    library.signal.argtypes, library.signal.restype = [ctypes.c_int, ctypes.c_void_p], ctypes.c_void_p
    before = library.signal(signal.SIGQUIT, ctypes.cast(library._exit, ctypes.c_void_p))
    reader, writer = os.pipe()
    process = os.getpid()
    child = os.fork()
    if not child:
        _watch(process, reader, seconds, text)
    os.close(reader)
    try:
        yield
    finally:
        os.close(writer)
        os.waitpid(child, 0)
        library.signal(signal.SIGQUIT, before)


def _watch(process: int, reader: int, seconds: float, text: str) -> NoReturn:
    """Wait until the process closes its end of the pipe, or ends; otherwise end it."""
    try:
        for name in os.listdir("/proc/self/fd"):  # the launcher's, and our copy of the pipe's other end
            if int(name) not in (2, reader):
                with contextlib.suppress(OSError):
                    os.close(int(name))
        if not select.select([reader], (), (), seconds)[0]:
            if text:
                os.write(2, f"{text}\n".encode())
            os.kill(process, signal.SIGQUIT)
            if not select.select([reader], (), (), _GRACE)[0]:
                os.kill(process, signal.SIGKILL)
    finally:
        os._exit(0)
