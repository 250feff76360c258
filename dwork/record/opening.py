"""Opens the record of a run and its log files; with --fresh, moves an earlier record aside first."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable

from dwork.core.errors import UsageError
from dwork.core.text import shown
from dwork.host.ownership import (
    NotMine,
    by_group,
    open_directory,
    open_mine,
    refuse,
    refuse_link,
    refuse_open_directory,
)
from dwork.record.locks import COMPANIONS, InUse, has_locks, not_mine, refuse_foreign, unwritable
from dwork.record.logs import Logs
from dwork.record.place import Place
from dwork.record.reading import Archive
from dwork.record.run import this_run
from dwork.record.schema import Foreign, version_of
from dwork.record.store import Store
from dwork.record.waiting import Wait

#: The first bytes of every SQLite file.
_MAGIC = b"SQLite format 3\0"
#: The path of a record in memory, for a run that keeps none.
MEMORY = ":memory:"


def places(record: str, logs: str | None, no_logs: bool) -> tuple[str, str]:
    """Return the file of a record and the directory of its log files, which is empty for no logs."""
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
    """Open a record for this process alone. number, tell: see Store. fresh: rename an existing record to `.1` first.

    wait: called while another process uses the record; without it, InUse is raised at once. UsageError when the record
    cannot be opened, or does not belong to this user.
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
        tell(
            f"group {group} can write {shown(record)}, so its members can run commands as you; chmod g-w prevents that"
        )
    return store


def look(record: str) -> Archive | None:
    """Return a copy of a record, which is not changed; None when there is none yet.

    UsageError when open_store would refuse it. InUse when another process uses it.
    """
    try:
        there = os.path.lexists(record)
        if there:
            with open(open_mine(record, os.O_RDWR, links=True)) as file:
                there = os.fstat(file.fileno()).st_size > 0
        else:
            os.stat(directory := os.path.dirname(os.path.abspath(record)))
            if not os.access(directory, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except NotMine as error:
        raise not_mine(record, error) from None
    except OSError as error:
        raise unwritable(record, error) from None
    _refuse_others_records(record)
    return Archive(record, untouched=True) if there else None


def _opened(
    record: str, logs: str, number: Callable[[str], int | None], now: float, tell: Callable[[str], None], *, fresh: bool
) -> Store:
    if record != MEMORY:
        has_locks(record)  # raises if it cannot be written
        _refuse_others_records(record)
    if logs:
        _check_logs(logs)
    if fresh:
        try:
            _set_aside(record, logs and os.path.abspath(logs))
        except OSError as error:
            raise UsageError(f"--fresh cannot move {shown(record)} aside: {error.strerror}") from None
    return Store(record, this_run(now), number, Logs(logs, record) if logs else None, tell)


def _refuse_others_records(record: str) -> None:
    """Raise UsageError when other users have put companion files of a record there, or everybody could."""
    refuse_foreign(record)
    try:
        refuse_open_directory(record)
    except NotMine as error:
        raise not_mine(record, error) from None


def _check_logs(directory: str) -> None:
    """Raise UsageError when the directory or files in it cannot be created: better now than at the first output."""
    there = os.path.abspath(directory)
    while not os.path.lexists(there):
        there = os.path.dirname(there)
    if not os.path.isdir(there) or not os.access(there, os.W_OK | os.X_OK):
        raise UsageError(
            f"cannot create log files in {shown(directory)}; choose another directory with --logs, or use --no-logs"
        )
    if os.path.lexists(directory):
        _refuse_planted(directory)


def _refuse_planted(logs: str) -> None:
    """Raise UsageError when the directory or a log file in it is another user's, who would redirect the output."""
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
            f"{shown(name)} is refused: {error.strerror}; fix that, or choose another directory with --logs"
        ) from None


def _set_aside(record: str, logs: str) -> None:
    """Rename a record, even a damaged one, and its logs to `.1`, replacing an older `.1`.

    UsageError when the record is in use, or when the files are not a record and logs.
    """
    if os.path.lexists(logs):
        _refuse_others(logs, f"{logs}.1")
        if os.path.lexists(f"{logs}.1"):
            _refuse_planted(f"{logs}.1")
    if record != MEMORY:
        _refuse_no_database(record)
        is_new = False
        try:
            with contextlib.closing(
                Place(record, lambda text: None)
            ) as place:  # raises if another process has the lock
                is_new = not version_of(place.connection, record)
        except (InUse, Foreign):
            raise
        except UsageError:  # damaged
            pass
        if not is_new:
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
    """Raise UsageError when the file is clearly not a record: it is not an SQLite file, nor named `.db`."""
    with open(record, "rb") as file:
        start = file.read(len(_MAGIC))
    if start and start != _MAGIC and not record.endswith(".db"):
        raise UsageError(f"{shown(record)} is not a record; choose another file with -f")


def _refuse_others(logs: str, older: str) -> None:
    """Raise UsageError when one of the two directories contains anything but log files."""
    for directory in (logs, older):
        if os.path.lexists(directory) and not (
            os.path.isdir(directory) and all(name.endswith(".log") for name in os.listdir(directory))
        ):
            raise UsageError(
                f"--fresh would move {shown(logs)} to {shown(older)}, but {shown(directory)} has more than log files; "
                "move the other files away, or choose another directory with --logs"
            )
