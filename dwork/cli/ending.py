"""How a run ended whose hub no longer answers, as far as its connection file or its record shows."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from dwork.cli.exit_code import verdict
from dwork.cli.program import ExitCode
from dwork.connection.directory import is_withdrawn
from dwork.connection.file import Connection
from dwork.core.errors import StoreError, UsageError
from dwork.core.task import State
from dwork.core.text import to_system

if TYPE_CHECKING:
    from dwork.record.reading import Archive


class Ending(NamedTuple):
    """How a run ended. text: a line for its user; counts: tasks by state, empty when they are unknown."""

    code: int
    text: str
    counts: Mapping[str, int]

    @property
    def leaves_nothing(self) -> bool:
        """Whether no task is left to be done."""
        return self.code != ExitCode.STOPPED


def ending(connection: Connection) -> Ending | None:
    """Return how that run ended; None when that is unknown, or it may still be running."""
    recorded = _recorded(connection)
    if recorded is not None or not connection.is_gone:
        return recorded
    how = "has ended; how is unknown" if is_withdrawn(connection) else "was killed"
    return Ending(ExitCode.STOPPED, f"{_named(connection)} {how}", {})


def of_record(counts: Mapping[str, int]) -> ExitCode:
    """Return how the run ended whose record has these counts."""
    return verdict({State(state): n for state, n in counts.items()}, is_stopped=True)


def archive_of(connection: Connection) -> Archive | None:
    """Return the record of that run; None while it is in use, or when another run has used it since."""
    record = to_system(connection.record)
    if not record or not os.path.exists(record):
        return None
    from dwork.record.reading import Archive

    with contextlib.ExitStack() as stack:
        try:
            archive = stack.enter_context(Archive(record))
            run = archive.last_run()
        except (UsageError, StoreError, OSError):
            return None
        if run is not None and (run.host, run.pid) == (connection.host, connection.pid):
            stack.pop_all()
            return archive
    return None


def _recorded(connection: Connection) -> Ending | None:
    """Return how the run ended by its record, if that can be read."""
    archive = archive_of(connection)
    if archive is None:
        return None
    try:
        with archive:
            run, counts = archive.last_run(), archive.counts()
    except (StoreError, OSError):
        return None
    if run is None or run.ended is None:
        return Ending(ExitCode.STOPPED, f"{_named(connection)} was killed", counts)
    return Ending(of_record(counts), f"{_named(connection)} has ended", counts)


def _named(connection: Connection) -> str:
    return f"the run of {connection.tasks or 'a hub'} on {connection.host or connection.addresses[0]}"
