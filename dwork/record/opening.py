"""Opens the record of a run, with its log files; sets an earlier one aside when it is not to be gone on from."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable

from dwork.errors import UsageError
from dwork.record.logs import Logs
from dwork.record.place import COMPANIONS, InUse, Place
from dwork.record.run import this_run
from dwork.record.store import Store

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
) -> Store:
    """Open it for this process alone. number, tell: as for Store. fresh: keep what is there as `.1`, and start anew.

    UsageError when it cannot be opened.
    """
    if fresh:
        _set_aside(record)
        if logs and os.path.isdir(logs):
            shutil.rmtree(f"{logs}.1", ignore_errors=True)
            os.replace(logs, f"{logs}.1")
    return Store(record, this_run(now), number, Logs(logs, record) if logs else None, tell)


def _set_aside(path: str) -> None:
    """Keep a record as `.1`, also a damaged one; an older `.1` is gone then. UsageError when it is in use."""
    if not os.path.exists(path):
        return
    with contextlib.ExitStack() as stack:
        try:
            stack.callback(Place(path, lambda text: None).close)  # for the lock: nobody else may have it
        except InUse:
            raise
        except UsageError:  # damaged
            pass
        for end in ("", *COMPANIONS):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{path}.1{end}")
            with contextlib.suppress(FileNotFoundError):
                os.replace(f"{path}{end}", f"{path}.1{end}")
