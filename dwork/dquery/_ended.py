"""What has become of a run whose hub answers no more: as far as its connection file, or its record, tells."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

from dwork.cli.exit_code import verdict
from dwork.cli.program import ExitCode
from dwork.connection.file import Connection, is_withdrawn
from dwork.core.errors import StoreError, UsageError
from dwork.core.task import State


class Ending(NamedTuple):
    """How it ended. text: a line that says so; counts: tasks by state, empty when nothing tells."""

    code: int
    text: str
    counts: Mapping[str, int]


def ending(connection: Connection) -> Ending | None:
    """How that run ended; None when nothing tells, or it may live on."""
    recorded = _recorded(connection)
    if recorded is not None or not connection.is_gone:
        return recorded
    how = "has ended, and nothing tells how" if is_withdrawn(connection) else "is gone: it was killed"
    return Ending(ExitCode.STOPPED, f"{_named(connection)} {how}", {})


def of_record(counts: Mapping[str, int]) -> ExitCode:
    """How the run ended of which the record tells these counts."""
    return verdict({State(state): n for state, n in counts.items()}, is_stopped=True)


def _recorded(connection: Connection) -> Ending | None:
    """What the record says, unless somebody works on it, or another run has."""
    if not connection.record or not os.path.exists(connection.record):
        return None
    from dwork.record.reading import Archive

    try:
        with Archive(connection.record) as archive:
            run, counts = archive.last_run(), archive.counts()
    except (UsageError, StoreError, OSError):
        return None
    if run is None or (run["host"], run["pid"]) != (connection.host, connection.pid):
        return None
    if run["ended"] is None:
        return Ending(ExitCode.STOPPED, f"{_named(connection)} is gone: it was killed", counts)
    return Ending(of_record(counts), f"{_named(connection)} has ended", counts)


def _named(connection: Connection) -> str:
    return f"the run of {connection.tasks or 'a hub'} on {connection.host or connection.addresses[0]}"
