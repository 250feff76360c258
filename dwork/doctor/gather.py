"""Gathers the facts of this process: as a rank, and as the process that writes the record."""

from __future__ import annotations

import contextlib
import math
import os
import resource
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Final

from dwork.connection import directory as connections
from dwork.core.errors import DworkError
from dwork.core.text import to_system, user_text
from dwork.core.version import __version__
from dwork.doctor.facts import Facts, Job, Record
from dwork.host import batch_job, cgroups, cores, gpus, launcher, memory, mounts
from dwork.host.local_ranks import place
from dwork.host.walltime import PATIENCE, Walltime

_SHM: Final = "/dev/shm"


def facts(rank: int = 0) -> Facts:
    """Return the facts of a rank; those of a process without MPI as if it were the only rank."""
    mine, smt = gpus.share(), cores.SMT in sys.argv
    directory = _directory()
    return Facts(
        rank,
        socket.gethostname(),
        __version__,
        place(os.environ).ranks,
        tuple(sorted(os.sched_getaffinity(0))),
        cores.allowed(smt),
        cores.share(smt),
        cores.on_node(smt),
        memory.share(),
        mine.variable,
        mine.ids,
        len(gpus.devices().ids),
        _limits(resource.RLIMIT_NOFILE),
        _processes(),
        _limits(resource.RLIMIT_AS),
        _size(_SHM),
        directory,
        mounts.of(os.path.realpath(directory), _text(mounts.MINE)),
    )


def job(record: Record) -> Job:
    """Return what rank 0 knows of its job before the other ranks have answered."""
    by = launcher.of(os.environ)
    better = launcher.advice()
    return Job(
        mpirun=shutil.which("mpirun") or "",
        launcher=by.name,
        unbound=by.unbound,
        dies=False if launcher.lives_on() else True if better else None,
        survives_with=better,
        number=batch_job.job(),
        left=_left(),
        record=record,
        unpublished=connections.trouble(),
    )


def _directory() -> str:
    try:
        return os.getcwd()
    except OSError:  # the directory was removed
        return os.environ.get("PWD", "?")


def _left() -> float:
    """Return the seconds to the end of the batch job, infinity if unknown; wait for the batch system's answer."""
    walltime = Walltime(None, time.time())
    until = time.monotonic() + PATIENCE
    walltime.poll(time.time())
    while walltime.is_asking and time.monotonic() < until:
        time.sleep(0.01)
        walltime.poll(time.time())
    walltime.close()
    return walltime.end - time.time()


@contextlib.contextmanager
def record() -> Iterator[tuple[Record, str]]:
    """Test with a temporary file whether this directory can hold a record; yield that, and the file's name if any."""
    from dwork.record.locks import has_locks

    try:
        fd, path = tempfile.mkstemp(prefix=".dwork-doctor-", dir=".")
    except OSError as error:
        yield Record(error.strerror or str(error)), ""
        return
    os.close(fd)
    try:
        try:
            state = os.statvfs(".")
            found = Record(locks=has_locks(path), free=state.f_bavail * state.f_frsize)
        except (DworkError, OSError) as error:
            found = Record(str(error))
        yield found, os.path.basename(path)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(path)


def _limits(which: int) -> tuple[int, int]:
    soft, hard = resource.getrlimit(which)
    return soft, hard


def _processes() -> tuple[int, int]:
    """Return the soft and hard limit: the user's or that of a control group, whichever is less; -1 if unlimited."""
    groups = [int(text) for d in cgroups.directories("pids") if (text := cgroups.read(d, "pids.max")).isdecimal()]
    soft, hard = (min([n if n >= 0 else math.inf, *groups]) for n in _limits(resource.RLIMIT_NPROC))
    return (-1 if soft == math.inf else int(soft)), (-1 if hard == math.inf else int(hard))


def _size(path: str) -> int:
    try:
        state = os.statvfs(path)
    except OSError:
        return 0
    return state.f_blocks * state.f_frsize


def _text(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return to_system(user_text(file.read()))
    except OSError:
        return ""
