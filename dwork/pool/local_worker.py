"""A worker process beside the hub, for a pool without ranks or with spare cores beside the hub."""

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

#: Seconds that the worker process may take to leave.
LEAVE: Final = 10.0
#: Like `python -m dwork.kworker`, but without the working directory on the module path, where a user's `random.py`
#: would be imported. It imports the same dwork as this process, even from a checkout that is not installed.
_KWORKER: Final = (
    "import sys; sys.path[:1] = filter(None, sys.path[:1]); root = sys.argv.pop(1); "
    "sys.path[:0] = added = [root] if root not in sys.path else []; import dwork; del sys.path[:len(added)]; "
    "from dwork.kworker import main; main()"
)


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
