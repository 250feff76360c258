"""Compares the tasks of files with an open record."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dwork.core.task import State, Task
from dwork.host.created import first_missing
from dwork.record import conditions, past
from dwork.record.conditions import Conditions
from dwork.record.resume import Plan, Recorded, plan
from dwork.record.trouble import reading

if TYPE_CHECKING:
    import sqlite3


def compare(
    connection: sqlite3.Connection, path: str, tasks: Sequence[Task], here: Conditions | None
) -> tuple[Plan, list[Recorded]]:
    """Return what to run, and what the record has. path: of the record. here: the conditions of this run, if known.

    UsageError when the record is damaged, or its tasks ran in another directory.
    """
    with reading(path):
        recorded = past.recorded(connection)
        changes = conditions.changes(connection, here) if here else []
    result = plan(tasks, recorded, first_missing, changes)
    if here:
        done = (entry.task for entry in result.entries if entry.state is State.DONE)
        conditions.refuse_elsewhere(connection, path, here, done)
    return result, recorded
