"""Reads back from a record what the hub needs to go on."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from dwork.record.resume import Recorded
from dwork.record.rows import task_of
from dwork.task import State


def recorded(connection: sqlite3.Connection) -> list[Recorded]:
    """All tasks, by id; those that were in a worker's hands are ASSIGNED."""
    after, extended = _predecessors(connection)
    attempts = {
        task: (attempt, worker, failures)
        for task, attempt, worker, failures in connection.execute(
            "SELECT task, max(attempt), worker, sum(outcome IN ('failed', 'timeout')) FROM attempts GROUP BY task"
        )
    }
    hands = in_hand(connection)
    states = {state.value: state for state in State}
    cache: dict[Any, Any] = {}
    entries = []
    query = "SELECT id, name, command, arguments, options, origin, state, held, removed FROM tasks ORDER BY id"
    for id, name, command, arguments, options, origin, state, held, removed in connection.execute(query):
        attempt, holder, failures = attempts.get(id, (0, None, 0))
        now = states[state]
        hand = hands.get(id) if hands else None
        if hand is not None and now is State.WAITING and hand[0] > attempt:
            now, (attempt, holder) = State.ASSIGNED, hand
        task = task_of(name, command, arguments, options, origin, after.get(id, ()), cache)
        entries.append(
            Recorded(
                id, task, now, attempt, holder, bool(held), removed is not None,
                extended.get(id, ()) if extended else (), failures,
            )
        )  # fmt: skip
    return entries


def _predecessors(connection: sqlite3.Connection) -> tuple[dict[int, tuple[str, ...]], dict[int, tuple[str, ...]]]:
    """Of each task that has some, the names of all, and of those that it got later."""
    after: dict[int, list[str]] = {}
    extended: dict[int, list[str]] = {}
    query = (
        "SELECT task, coalesce(p.name, t.name), added FROM predecessors p LEFT JOIN tasks t ON t.id = predecessor "
        "ORDER BY task, position"
    )
    for task, name, added in connection.execute(query):
        after.setdefault(task, []).append(name)
        if added is not None:
            extended.setdefault(task, []).append(name)
    return ({id: tuple(names) for id, names in after.items()}, {id: tuple(names) for id, names in extended.items()})


def in_hand(connection: sqlite3.Connection) -> dict[int, tuple[int, str]]:
    """Of each task, the attempt and worker that it was handed to last; without those that were given back.

    Those that ended since are among them: their attempts are in the record.
    """
    hands: dict[int, tuple[int, str]] = {}
    for worker, tasks in connection.execute("SELECT worker, tasks FROM hands ORDER BY id"):
        ids, attempts = json.loads(tasks)
        if worker is None:
            for id in ids:
                hands.pop(id, None)
        else:
            for i, id in enumerate(ids):
                hands[id] = (1 if attempts is None else attempts[i], worker)
    return hands
