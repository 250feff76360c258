"""The process that uses a record."""

from __future__ import annotations

import os
import shlex
import socket
import sys
from collections.abc import Iterator
from typing import NamedTuple

from dwork.core.text import as_name, from_system
from dwork.core.version import __version__
from dwork.host.batch_job import job


class Run(NamedTuple):
    """One run of a pool or dhub, as the table `runs` has it. started: seconds since the epoch."""

    started: float
    host: str
    pid: int
    job: str | None
    version: str
    command: str


def this_run(now: float) -> Run:
    """Return the run of this process. now: seconds since the epoch."""
    words = [sys.argv[0], *map(shlex.quote, _without_values(sys.argv[1:]))]  # the first may be two words: `dwork pool`
    command = as_name(from_system(" ".join(words)))
    return Run(now, socket.gethostname(), os.getpid(), job() or None, __version__, command)


def _without_values(words: list[str]) -> Iterator[str]:
    """Yield the words of a command line without the values of --env, which may be secrets."""
    is_variable = False
    for word in words:
        option, equals, rest = word.partition("=")
        if is_variable:
            yield f"{option}=..." if equals else word
        elif option == "--env" and equals:
            yield f"--env={rest.partition('=')[0]}=..."
        else:
            yield word
        is_variable = not is_variable and word == "--env"
