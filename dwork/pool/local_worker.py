"""A worker process beside the hub, which runs the tasks of a pool that has no ranks, or has cores to spare."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from typing import Final

from dwork.connection.file import Connection

#: Seconds that it may take to leave.
LEAVE: Final = 10.0
#: As `python -m dwork.kworker`, but the working directory is not on the path: a user's `random.py` there would be
#: imported. It imports this dwork, wherever that is: in a checkout that is not installed, too.
_KWORKER: Final = (
    "import sys; sys.path[:1] = filter(None, sys.path[:1]); root = sys.argv.pop(1); "
    "sys.path[:0] = added = [root] if root not in sys.path else []; import dwork; del sys.path[:len(added)]; "
    "from dwork.kworker import main; main()"
)


@contextlib.contextmanager
def private_directory() -> Iterator[str]:
    """A directory for a socket, whose whole path may have no more than some hundred characters."""
    base = tempfile.gettempdir()
    directory = tempfile.mkdtemp(prefix="dwork-", dir=base if len(base) < 70 else "/tmp")
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextlib.contextmanager
def local_worker(connection: Connection, options: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    """A worker process of our own. It ends when its standard input does, so it cannot outlive us.

    It is told the connection over that pipe, so the keys are in no file.
    """
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    command = [sys.executable, "-c", _KWORKER, root, "--connection", "-", "--until-eof", *options]
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
