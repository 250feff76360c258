"""Reads a whole record as a history, or only its graph, or its attempts in the order of their starts.

A damaged file may contain anything: all values returned from here have the right types, and numbers are finite.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from sys import intern
from typing import Any, Final

from dwork.history.facts import LOST, Attempt, Entry, History, Presence, Session
from dwork.history.sessions import ended
from dwork.history.workers import in_order
from dwork.record.past import in_hand
from dwork.record.reading import Archive
from dwork.record.rows import options_of, untext
from dwork.record.shells import shells
from dwork.record.trouble import reading

#: How far outside all runs the times of an attempt may be, in seconds: clocks of hosts differ.
_TOLERANCE: Final = 3600.0
_LARGEST: Final = 2**62
_ATTEMPT: Final = (
    "attempt, outcome, worker, started, ended, exit_status, signal, ifnull(user, 0) + ifnull(system, 0), max_rss, "
    "a.reason"
)


def history(archive: Archive) -> History:
    """Return the whole record as a history."""
    with reading(archive.path):
        found = History()
        found.tasks = _tasks(archive)
        positions = {entry.id: i for i, entry in enumerate(found.tasks)}
        found.predecessors = _predecessors(archive, positions)
        found.attempts, found.odd = _attempts(archive, positions)
        found.workers = [
            Presence(str(location), int(slots), _number(joined), None if left is None else _number(left))
            for location, slots, joined, left in archive.connection.execute(
                "SELECT location, slots, joined, left FROM workers ORDER BY id"
            )
        ]
        moments = [a.ended for a in found.attempts if a.started is not None]
        found.sessions = ended(_runs(archive), [*moments, *(worker.joined for worker in found.workers)])
        found.in_hand = _in_hand(archive, found, positions)
        return found


def graph(archive: Archive) -> tuple[list[Entry], list[list[int]], set[tuple[int, int]]]:
    """Return the tasks that are still in the task files, and the positions of the predecessors of each.

    Also return the pairs of positions of a predecessor and a task that waits only for its end.
    """
    with reading(archive.path):
        tasks = [entry for entry in _tasks(archive) if not entry.removed]
        positions = {entry.id: i for i, entry in enumerate(tasks)}
        query = "SELECT predecessor, task FROM predecessors WHERE after_any AND predecessor IS NOT NULL"
        pairs = archive.connection.execute(query)
        after_any = {(positions[p], positions[id]) for p, id in pairs if p in positions and id in positions}
        return tasks, _predecessors(archive, positions), after_any


def sessions(archive: Archive) -> list[Session]:
    """Return the runs; a run whose end is unknown ends with its last attempt."""
    with reading(archive.path):
        runs = _runs(archive)
        first, last = _plausible(runs)
        query = "SELECT ended FROM attempts WHERE started IS NOT NULL AND ended BETWEEN ? AND ?"
        killed = not all(is_known for _, is_known in runs)
        return ended(runs, (_number(end) for (end,) in archive.connection.execute(query, (first, last)) if killed))


def workers(archive: Archive) -> list[str]:
    """Return all workers that ever had a task, sorted by name, with numbers in numeric order."""
    with reading(archive.path):
        query = "SELECT DISTINCT worker FROM attempts"
        return sorted((str(worker) for (worker,) in archive.connection.execute(query)), key=in_order)


def begun(archive: Archive) -> Iterator[tuple[int, str, Attempt]]:
    """Yield task id, task name and attempt for each attempt with known times, in order of start or loss."""
    with reading(archive.path):
        first, last = _plausible(_runs(archive))
        query = (
            f"SELECT t.id, t.name, {_ATTEMPT} FROM attempts a JOIN tasks t ON t.id = a.task "
            f"WHERE (started IS NOT NULL OR outcome = '{LOST}') AND ifnull(started, ended) >= ? AND ended <= ? "
            "ORDER BY ifnull(started, ended)"
        )
        for id, name, *values in archive.connection.execute(query, (first, last)):
            yield int(id), str(name), _attempt(id, values)


def last_words(archive: Archive, n: int) -> dict[int, str]:
    """Return the end of stderr of the first n failed tasks, by task id."""
    query = (
        "SELECT t.id, a.stderr FROM tasks t JOIN attempts a ON a.task = t.id "
        "AND a.attempt = (SELECT max(attempt) FROM attempts WHERE task = t.id) "
        "WHERE t.state = 'failed' AND removed IS NULL ORDER BY t.id LIMIT ?"
    )
    with reading(archive.path):
        found = archive.connection.execute(query, (n,))
        return {int(id): (stderr or b"").decode(errors="backslashreplace") for id, stderr in found}


def _runs(archive: Archive) -> list[tuple[Session, bool]]:
    """Return the runs, each with whether its end is known: not if it was killed, or the clock was set back."""
    return [
        (Session(_number(start), _number(end or 0.0), outcome, str(host), job, str(command)), (end or 0.0) > start)
        for start, end, outcome, host, job, command in archive.connection.execute(
            "SELECT started, ended, outcome, host, job, command FROM runs ORDER BY id"
        )
    ]


def _plausible(runs: list[tuple[Session, bool]]) -> tuple[float, float]:
    """Return the earliest and the latest plausible time of an attempt."""
    first = min((session.started for session, _ in runs), default=0.0)
    return first - _TOLERANCE, max(time.time(), first) + _TOLERANCE


def _tasks(archive: Archive) -> list[Entry]:
    cores = {None: 1}  # by options text: there are few different ones
    known_shells = shells(archive.connection)
    found = []
    for id, name, state, is_join, removed, reason, options in archive.connection.execute(
        "SELECT id, name, state, command IS NULL, removed IS NOT NULL, reason, options FROM tasks ORDER BY id"
    ):
        if options not in cores:
            cores[options] = options_of(options, known_shells).cores
        of_task = int(id), str(name), intern(str(state)), bool(is_join), bool(removed), str(reason or "")
        found.append(Entry(*of_task, cores[options]))
    return found


def _predecessors(archive: Archive, positions: dict[int, int]) -> list[list[int]]:
    found: list[list[int]] = [[] for _ in positions]
    query = "SELECT task, predecessor FROM predecessors WHERE predecessor IS NOT NULL ORDER BY task, position"
    for id, before in archive.connection.execute(query):
        if id in positions and before in positions:
            found[positions[id]].append(positions[before])
    return found


def _attempts(archive: Archive, positions: dict[int, int]) -> tuple[list[Attempt], int]:
    """Return all attempts, and the number of those with implausible times."""
    first, last = _plausible(_runs(archive))
    found, odd = [], 0
    for id, *values in archive.connection.execute(f"SELECT task, {_ATTEMPT} FROM attempts a ORDER BY task, attempt"):
        attempt = _attempt(positions[id], values)
        if attempt.started is not None and not first <= attempt.started <= attempt.ended <= last:
            attempt = attempt._replace(started=None)
            odd += 1
        found.append(attempt)
    return found, odd


def _attempt(task: int, values: list[Any]) -> Attempt:
    number, outcome, worker, started, end, status, signal, cpu, max_rss, reason = values
    start = None if started is None else _number(started)
    until = _number(end or 0.0)
    return Attempt(
        task,
        int(number),
        intern(str(outcome)),
        intern(str(worker)),
        start,
        until if start is None else max(start, until),
        None if status is None else int(status),
        int(signal or 0),
        max(0.0, _number(cpu)),
        max(0, min(int(max_rss or 0), _LARGEST)),
        str(untext(reason) or ""),
    )


def _number(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{value!r} is not a number")
    return number


def _in_hand(archive: Archive, found: History, positions: dict[int, int]) -> int:
    """Return the number of tasks that workers held when the last run was killed."""
    hands = in_hand(archive.connection)
    if not hands:
        return 0
    last = {attempt.task: attempt.number for attempt in found.attempts}
    waits = [
        found.tasks[positions[id]].state == "waiting" and n > last.get(positions[id], 0)
        for id, (n, *_) in hands.items()
    ]
    return sum(waits)
