"""Reads from a record what the hub needs to resume a run."""

from __future__ import annotations

import json
import sqlite3
from typing import Any, Final

from dwork.core.cause import Cause
from dwork.core.task import State
from dwork.record.resume import Recorded
from dwork.record.rows import task_of
from dwork.record.shells import shells

_Names = dict[int, tuple[str, ...]]

_IS_BAD: Final = "outcome IN ('failed', 'timeout')"
#: The worker or the whole run died during the attempt.
_IS_LOSS: Final = f"ifnull(cause, '') IN ({', '.join(repr(cause.value) for cause in Cause if cause.is_loss)})"


def recorded(connection: sqlite3.Connection) -> list[Recorded]:
    """Return all tasks by id; those that a worker held are ASSIGNED. A damaged file may raise any error."""
    after, after_any, extended = _predecessors(connection)
    attempts = {
        task: (int(attempt), worker, failures, losses, outcome)
        for task, attempt, worker, failures, losses, outcome in connection.execute(
            f"SELECT task, max(attempt), worker, sum({_IS_BAD}), sum({_IS_LOSS}), outcome FROM attempts GROUP BY task"
        )
    }
    counts = "SELECT count(*) FROM attempts WHERE task = id AND attempt > forgiven AND"
    for task, failures, losses in connection.execute(
        f"SELECT id, ({counts} {_IS_BAD}), ({counts} {_IS_LOSS}) FROM tasks WHERE forgiven"
    ).fetchall():
        attempt, worker, _, _, outcome = attempts[task]
        attempts[task] = (attempt, worker, failures, losses, outcome)
    hands = in_hand(connection)
    states = {state.value: state for state in State}
    cache: dict[Any, Any] = {}
    known_shells = shells(connection)
    entries = []
    query = "SELECT id, name, command, arguments, options, origin, state, held, removed FROM tasks ORDER BY id"
    for id, name, command, arguments, options, origin, state, held, removed in connection.execute(query):
        attempt, holder, failures, losses, outcome = attempts.get(id, (0, None, 0, 0, ""))
        since = 0.0
        now = states[state]
        if now is State.DONE and outcome != "done":  # an earlier attempt succeeded, at a worker that was declared lost
            holder = _who_did(connection, id)
        hand = hands.get(id) if hands else None
        if hand is not None and now is State.WAITING and hand[0] > attempt:
            now, (attempt, holder, since) = State.ASSIGNED, hand
        if not isinstance(name, str):
            raise TypeError(f"the name of task {id} is not text")
        preceding = after.get(id, ()), after_any.get(id, ())
        task = task_of(name, command, arguments, options, origin, *preceding, cache, known_shells)
        entries.append(
            Recorded(
                id, task, now, attempt, holder, bool(held), removed is not None,
                extended.get(id, ()) if extended else (), failures, losses, since,
            )
        )  # fmt: skip
    return entries


def _who_did(connection: sqlite3.Connection, id: int) -> str | None:
    query = "SELECT worker FROM attempts WHERE task = ? AND outcome = 'done' ORDER BY attempt DESC LIMIT 1"
    return next((worker for (worker,) in connection.execute(query, (id,))), None)


def _predecessors(connection: sqlite3.Connection) -> tuple[_Names, _Names, _Names]:
    """Return, by task, the names in `after` and `after_any`, and of those in `after` that were added later."""
    found: tuple[dict[int, list[str]], ...] = {}, {}, {}
    after, after_any, extended = found
    query = (
        "SELECT task, coalesce(p.name, t.name), added, after_any FROM predecessors p "
        "LEFT JOIN tasks t ON t.id = predecessor ORDER BY task, position"
    )
    for task, name, added, is_any in connection.execute(query):
        if not isinstance(name, str):
            raise TypeError(f"a predecessor of task {task} has no name")
        (after_any if is_any else after).setdefault(task, []).append(name)
        if added is not None:
            extended.setdefault(task, []).append(name)
    first, second, third = ({id: tuple(names) for id, names in column.items()} for column in found)
    return first, second, third


def in_hand(connection: sqlite3.Connection) -> dict[int, tuple[int, str, float]]:
    """Return, by task, the attempt, worker and time of its last assignment, except for tasks that were given back.

    Tasks that have ended since are included: their attempts are in the record.
    """
    hands: dict[int, tuple[int, str, float]] = {}
    for worker, tasks, time in connection.execute("SELECT worker, tasks, time FROM hands ORDER BY id"):
        ids, attempts = json.loads(tasks)
        if worker is None:
            for id in ids:
                hands.pop(id, None)
        else:
            for i, id in enumerate(ids):
                hands[id] = (1 if attempts is None else attempts[i], worker, time)
    return hands
