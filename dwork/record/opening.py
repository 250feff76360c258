"""Opens the record of a run, with its log files; sets an earlier one aside when it is not to be gone on from."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable

from dwork.core.errors import UsageError
from dwork.core.text import shown
from dwork.host.own_files import NotMine, by_group, open_directory, refuse, refuse_link, refuse_open_directory
from dwork.record.locks import COMPANIONS, InUse, has_locks, not_mine, refuse_foreign
from dwork.record.logs import Logs
from dwork.record.place import Place
from dwork.record.run import this_run
from dwork.record.schema import Foreign
from dwork.record.store import Store
from dwork.record.waiting import Wait

#: What every SQLite file begins with.
_MAGIC = b"SQLite format 3\0"
#: The record of who keeps none: it is gone with the process.
MEMORY = ":memory:"


def places(record: str, logs: str | None, no_logs: bool) -> tuple[str, str]:
    """The file of a record and the directory of its log files, which is empty when there are to be none."""
    if no_logs or (record == MEMORY and not logs):
        return record, ""
    return record, logs or f"{record.removesuffix('.db')}.logs"


def open_store(
    record: str,
    logs: str,
    number: Callable[[str], int | None],
    now: float,
    tell: Callable[[str], None],
    *,
    fresh: bool = False,
    wait: Wait | None = None,
) -> Store:
    """Open it for this process alone. number, tell: as for Store. fresh: keep what is there as `.1`, and start anew.

    UsageError when it cannot be opened, or is not this user's own. wait: for somebody else who has it; without one that
    is an error at once.
    """
    while True:
        try:
            store = _opened(record, logs, number, now, tell, fresh=fresh)
            break
        except InUse as error:
            if wait is None:
                raise
            wait(error)
    if record != MEMORY and (group := by_group(record)):
        tell(f"who is in the group {group} can write {shown(record)}, and so run commands as you; chmod g-w ends that")
    return store


def _opened(
    record: str, logs: str, number: Callable[[str], int | None], now: float, tell: Callable[[str], None], *, fresh: bool
) -> Store:
    if record != MEMORY:
        has_locks(record)  # whether it can be written at all
        _refuse_others_records(record)
    if logs:
        _check_logs(logs)
    if fresh:
        try:
            _set_aside(record, logs and os.path.abspath(logs))
        except OSError as error:
            raise UsageError(f"--fresh cannot set {shown(record)} aside: {error.strerror}") from None
    return Store(record, this_run(now), number, Logs(logs, record) if logs else None, tell)


def _refuse_others_records(record: str) -> None:
    """UsageError when others have put something there to be run, or everybody could."""
    refuse_foreign(record)
    try:
        refuse_open_directory(record)
    except NotMine as error:
        raise not_mine(record, error) from None


def _check_logs(directory: str) -> None:
    """UsageError when no log file can be made there, or the directory cannot: better now than with the first output."""
    there = os.path.abspath(directory)
    while not os.path.lexists(there):
        there = os.path.dirname(there)
    if not os.path.isdir(there) or not os.access(there, os.W_OK | os.X_OK):
        raise UsageError(
            f"no log files can be made in {shown(directory)}; choose another directory with --logs, or --no-logs"
        )
    if os.path.lexists(directory):
        _refuse_planted(directory)


def _refuse_planted(logs: str) -> None:
    """UsageError when the directory, or a log file in it, is somebody else's: output would go where he likes."""
    name = logs
    try:
        os.close(open_directory(logs))
        with os.scandir(logs) as entries:
            for entry in entries:
                if entry.name.endswith(".log"):
                    name = os.path.join(logs, entry.name)
                    if entry.is_symlink():
                        refuse_link(name, links=False)
                    refuse(entry.stat(follow_symlinks=False))
    except NotMine as error:
        raise UsageError(
            f"{shown(name)} is refused: {error.strerror}; mend that, or choose another directory with --logs"
        ) from None


def _set_aside(record: str, logs: str) -> None:
    """Keep a record as `.1`, also a damaged one, and its logs; an older `.1` is gone then.

    UsageError when it is in use, or when there is something else than a record and logs.
    """
    if os.path.lexists(logs):
        _refuse_others(logs, f"{logs}.1")
        if os.path.lexists(f"{logs}.1"):
            _refuse_planted(f"{logs}.1")
    if record != MEMORY:
        _refuse_no_database(record)
        try:
            Place(record, lambda text: None).close()  # for the lock: nobody else may have it
        except (InUse, Foreign):
            raise
        except UsageError:  # damaged
            pass
        for end in ("", *COMPANIONS):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{record}.1{end}")
            with contextlib.suppress(FileNotFoundError):
                os.replace(f"{record}{end}", f"{record}.1{end}")
    if os.path.lexists(logs):
        if os.path.isdir(f"{logs}.1"):
            for name in os.listdir(f"{logs}.1"):
                os.unlink(os.path.join(f"{logs}.1", name))
        os.replace(logs, f"{logs}.1")


def _refuse_no_database(record: str) -> None:
    """UsageError when somebody has mistaken something else for a record: it is neither SQLite's nor called so."""
    with open(record, "rb") as file:
        start = file.read(len(_MAGIC))
    if start and start != _MAGIC and not record.endswith(".db"):
        raise UsageError(f"{shown(record)} is no record; choose another file with -f")


def _refuse_others(logs: str, older: str) -> None:
    """UsageError when there is something in one of two directories that no pool has written."""
    for directory in (logs, older):
        if os.path.lexists(directory) and not (
            os.path.isdir(directory) and all(name.endswith(".log") for name in os.listdir(directory))
        ):
            raise UsageError(
                f"--fresh would move {shown(logs)} to {shown(older)}, but there is more than log files in "
                f"{shown(directory)}; move that away, or choose another directory with --logs"
            )
