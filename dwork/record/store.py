"""The record: makes events durable, and restores the state of an earlier run.

Theory of operation. All events of one turn of the hub's loop are one transaction, which is committed before anything is
sent. A crash of the process, of all processes or of the machine loses only what was not committed, and no peer has been
informed of that. SQLite need not wait for the disk at each commit, since a crash of the machine only loses the latest
ends of tasks, which then run again; it does wait before a request is confirmed that adds or changes tasks.

A successful end of a task must be cheap, since a pool has hundreds of thousands per second: a batch of them is stored
as one row in `finished`, and entered in the tables that people read when there is nothing else to do (`idle`), when
the record is opened, and with each turn while more than BACKLOG tasks wait for it.

Running tasks are not recorded one by one: a row in `hands` for each batch that is assigned or given back is enough to
find them, and costs a twentieth. When most of these rows are out of date, all are replaced.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from time import monotonic
from types import MappingProxyType
from typing import Any, Final

from dwork.core import events
from dwork.core.cause import Cause
from dwork.core.events import Ended, Event
from dwork.core.location import host_of
from dwork.core.task import State, Task
from dwork.hub.graph import Restored
from dwork.record import conditions, past, schema
from dwork.record.batch import enter, enter_within, pack
from dwork.record.compare import compare
from dwork.record.conditions import Conditions
from dwork.record.logs import Logs
from dwork.record.output import OutputRecorder
from dwork.record.place import Place
from dwork.record.resume import Plan
from dwork.record.rows import task_row
from dwork.record.run import Run
from dwork.record.shells import Shells
from dwork.record.transaction import transaction
from dwork.record.trouble import damaged, opening, reading, writing

_MOST: Final = 2**63 - 1
#: Rows of `hands` that may be out of date, in addition to twice those that are not.
FORGET: Final = 1000
#: Tasks that are entered at a time, so that no turn takes long; and that may wait to be entered.
AT_ONCE: Final = 2000
BACKLOG: Final = 250_000
#: Seconds after which the free space is looked at again, and after which the write-ahead log is merged into the file.
LOOK: Final = 5.0
MERGE: Final = 60.0
_PROMISES: Final = (events.Added, events.Extended, events.Cancelled, events.Held, events.Released, events.Revived)
_INSERT_ATTEMPT: Final = (
    "INSERT OR REPLACE INTO attempts(task, attempt, worker, host, stolen, started, ended, user, system, max_rss, "
    "outcome, exit_status, signal, reason, stderr, cause, left_behind) "
    f"VALUES ({', '.join('?' * 17)})"
)
_INSERT_TASK: Final = (
    "INSERT INTO tasks(id, name, command, arguments, options, origin, queued) VALUES (?, ?, ?, ?, ?, ?, ?)"
)
_INSERT_PREDECESSOR: Final = "INSERT INTO predecessors VALUES (?, ?, ?, ?, ?, ?)"
_CHANGE_TASK: Final = (
    "UPDATE tasks SET name = ?2, command = ?3, arguments = ?4, options = ?5, origin = ?6, removed = NULL WHERE id = ?1"
)
#: Origin of a task that was added while the pool ran by a client that did not specify one.
_UNKNOWN_ORIGIN: Final = "?"


class Store:
    """A listener that records all events. A path of `:memory:` is a record that is not kept.

    number(name): returns the hub's id of a task. tell(text): prints a line for people. clock(): returns seconds.
    UsageError when the file cannot be used; StoreError when it cannot be written, and then nothing may be sent.
    """

    def __init__(
        self,
        path: str,
        run: Run,
        number: Callable[[str], int | None],
        logs: Logs | None = None,
        tell: Callable[[str], None] = lambda text: None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.path = path
        self._number = number
        self._place = Place(path, tell)
        self.connection = self._place.connection
        self._output = OutputRecorder(self.connection, logs)
        self._hands: dict[int, tuple[int, str, float]] = {}  # tasks that workers hold: attempt, location, since when
        self._lost: set[tuple[int, int]] = set()  # attempts that were lost in this run, and may reappear
        self._handed = 0  # rows of `hands`
        self._forget_above = FORGET  # rows of `hands`
        self._finished_tasks = 0  # in all batches of this run
        self._backlog = 0  # tasks in `finished`, which are still to be entered
        self._is_safe = False  # whether each commit waits for the disk
        self._clock = clock
        self._look_at = self._merge_at = 0.0
        self._merged = 0  # the changes of the database that were in the file at the last merge
        self._handlers: dict[type, Callable[[Any], None]] = {
            events.Added: self._added,
            events.Extended: self._extended,
            events.Stolen: self._stolen,
            events.Finished: self._finished,
            events.Failed: self._failed,
            events.Retried: self._retried,
            events.Killed: self._killed,
            events.Interrupted: self._interrupted,
            events.Revoked: self._revoked,
            events.Skipped: self._skipped,
            events.Cancelled: self._cancelled,
            events.Requeued: self._requeued,
            events.Held: self._held,
            events.Released: self._held,
            events.Revived: self._revived,
            events.Joined: self._joined,
            events.Left: self._left,
            events.Printed: self._printed,
        }
        try:
            with opening(path):
                schema.prepare(self.connection, path)
                last = self.connection.execute("SELECT ended IS NULL FROM runs ORDER BY id DESC LIMIT 1").fetchone()
                self.was_killed = bool(last and last[0])  # the previous run
                self._run = self.connection.execute(
                    "INSERT INTO runs(started, host, pid, job, version, command) VALUES (?, ?, ?, ?, ?, ?)", run
                ).lastrowid
                (self._earlier_workers,) = self.connection.execute("SELECT ifnull(max(id), 0) FROM workers").fetchone()
            with reading(path):
                while enter(self.connection, 10 * AT_ONCE):
                    pass
            self._merge_at = clock() + MERGE
            self._tend()
        except BaseException:
            self._place.close()
            raise

    def close(self, now: float, outcome: str) -> None:
        """Record how the run ended, and release the file. StoreError when it cannot be written."""
        try:
            self.settle()
            with writing(self.path), transaction(self.connection):
                execute = self.connection.execute
                execute("UPDATE runs SET ended = ?, outcome = ? WHERE id = ?", (now, outcome, self._run))
                execute(
                    "UPDATE workers SET left = ?, reason = ? WHERE left IS NULL AND id > ?",
                    (now, outcome, self._earlier_workers),
                )
        finally:
            self._place.close()
            self._output.close()

    # -- restoring ---------------------------------------------------------------------------------------------

    def resume(self, tasks: Sequence[Task], now: float, here: Conditions | None = None) -> Plan:
        """Compare the tasks of files with the record, update the record, and return what to run.

        The attempts that were running when the last run was killed are recorded as lost. here: of this run.
        UsageError when the tasks of the record ran in another directory.
        """
        result, recorded = compare(self.connection, self.path, tasks, here)
        with opening(self.path), transaction(self.connection):
            execute, number = self.connection.execute, Shells(self.connection).number
            for known in recorded:
                if known.state is State.ASSIGNED and known.holder is not None:
                    reason = "the pool ended while it ran"
                    self._lose(known.id, known.attempt, known.holder, None, now, Cause.RUN_DIED, reason)
            execute("DELETE FROM hands")
            if here:
                assert self._run is not None
                conditions.note(self.connection, self.path, self._run, here)
            ids = {entry.task.name: entry.id for entry in result.entries}
            self.connection.executemany(_INSERT_TASK, ((e.id, *task_row(e.task, number), now) for e in result.new))
            self._precede(result.new, ids.get)
            self.connection.executemany(_CHANGE_TASK, ((e.id, *task_row(e.task, number)) for e in result.changed))
            self.connection.executemany("DELETE FROM predecessors WHERE task = ?", ((e.id,) for e in result.changed))
            extended = {known.id: known.extended for known in recorded if known.extended}
            self._precede(result.changed, ids.get, extended, now)
            self._forgive(
                known.id
                for known in recorded
                if known.failures
                and known.state is not State.DONE
                and not known.all_losses  # failures of lost tasks still count
            )
            self._lost.update((known.id, known.attempt) for known in recorded if known.all_losses)
            self._move([(id, None) for id in result.again], "waiting")
            self.connection.executemany("UPDATE tasks SET removed = ? WHERE id = ?", [(now, i) for i in result.removed])
        return result

    def recover(self, now: float) -> list[Restored]:
        """Return all tasks as they were, with those that workers held, except those removed from a pool's files."""
        with reading(self.path):
            recorded = [entry for entry in past.recorded(self.connection) if not entry.removed]
        if len({entry.task.name for entry in recorded}) < len(recorded):
            raise damaged(self.path, ValueError("two tasks have the same name"))
        held = [entry for entry in recorded if entry.state is State.ASSIGNED]
        with reading(self.path):
            printed = {entry.id: self._output.size(entry.id, entry.attempt) for entry in held}
        with opening(self.path), transaction(self.connection):
            self.connection.execute("DELETE FROM hands")
            for entry in held:
                assert entry.holder is not None
                self._hands[entry.id] = (entry.attempt, entry.holder, now)
                self._hand(now, entry.holder, [entry.id], [entry.attempt])
        kept = (State.DONE, State.FAILED, State.CANCELLED, State.ASSIGNED)
        return [
            Restored(
                entry.id, entry.task, entry.state if entry.state in kept else State.WAITING, entry.attempt,
                entry.holder, entry.held, entry.failures, entry.losses, int(entry.losses > 0),
                printed=printed.get(entry.id, (0, 0)),
            )
            for entry in recorded
        ]  # fmt: skip

    def next_id(self) -> int:
        """Return the first id that no task ever had."""
        with reading(self.path):
            return int(self.connection.execute("SELECT ifnull(max(id), -1) + 1 FROM tasks").fetchone()[0])

    def slots(self) -> dict[str, int]:
        """Return the slots of each worker, by location; 0 for workers that speak the original dialect."""
        with reading(self.path):
            return dict(self.connection.execute("SELECT location, slots FROM workers ORDER BY id").fetchall())

    # -- recording ---------------------------------------------------------------------------------------------

    def hear(self, happened: Sequence[Event]) -> None:
        """Record events; they are durable when this returns."""
        before = self._finished_tasks
        with writing(self.path):
            self._be_safe(any(isinstance(event, _PROMISES) for event in happened))
            with transaction(self.connection):
                for event in happened:
                    handler = self._handlers.get(type(event))
                    if handler is not None:
                        handler(event)
                if self._handed > self._forget_above:
                    self._forget_hands()
                if self._backlog > BACKLOG:
                    self._enter_within(max(AT_ONCE, 2 * (self._finished_tasks - before)))
            self._tend()

    def hand(self, id: int) -> tuple[int, str, float] | None:
        """Return attempt, worker and time of a task's assignment; None when no worker holds it."""
        return self._hands.get(id)

    def since(self, id: int) -> float | None:
        """Return when a task was assigned to the worker that holds it; None when no worker does."""
        hand = self._hands.get(id)
        return None if hand is None else hand[2]

    def idle(self) -> bool:
        """Enter some batches of `finished` in the tables; return whether more are left."""
        if self._backlog:
            with writing(self.path):
                self._be_safe(False)
                with transaction(self.connection):
                    self._enter_within(AT_ONCE)
                self._tend()
        return self._backlog > 0

    def mark(self) -> int:
        """Return a mark of all that is recorded now, for `has_entered`."""
        return self._finished_tasks

    def has_entered(self, mark: int) -> bool:
        """Whether the tables have all that was recorded before the mark; else `idle` enters more."""
        return self._finished_tasks - self._backlog >= mark

    def settle(self) -> None:
        """Enter all batches of `finished` in the tables."""
        while self.idle():
            pass

    def _enter_within(self, most: int) -> None:
        """Enter batches of at least `most` tasks, within a transaction."""
        entered = enter_within(self.connection, most)
        self._backlog = max(0, self._backlog - entered) if entered else 0

    def _forget_hands(self) -> None:
        """Replace the rows of `hands` by those of the tasks that workers hold."""
        held: dict[tuple[str, float], list[tuple[int, int]]] = {}
        for id, (attempt, location, since) in self._hands.items():
            held.setdefault((location, since), []).append((id, attempt))
        self.connection.execute("DELETE FROM hands")
        self._handed = 0
        for (location, since), tasks in held.items():
            ids, attempts = zip(*tasks, strict=True)
            self._hand(since, location, ids, attempts)
        self._forget_above = FORGET + 2 * self._handed

    def _tend(self) -> None:
        """Keep the write-ahead log short where little is free, and merge it into the file now and then."""
        now = self._clock()
        if now >= self._look_at:
            self._look_at = now + LOOK
            self._place.keep_log_short()
        if now >= self._merge_at and self.connection.total_changes != self._merged:
            self._merge_at = now + MERGE
            self._merged = self.connection.total_changes
            self._place.merge_log()

    def _be_safe(self, wanted: bool) -> None:
        if wanted is not self._is_safe:
            self.connection.execute(f"PRAGMA synchronous = {'FULL' if wanted else 'NORMAL'}")
            self._is_safe = wanted

    def _added(self, event: events.Added) -> None:
        number = Shells(self.connection).number
        tasks = [
            Restored(id, task if task.origin else task._replace(origin=_UNKNOWN_ORIGIN))
            for id, task in enumerate(event.tasks, event.first)
        ]
        self.connection.executemany(_INSERT_TASK, ((e.id, *task_row(e.task, number), event.time) for e in tasks))
        self._precede(tasks, self._number)

    def _precede(
        self,
        entries: Iterable[Restored],
        number: Callable[[str], int | None],
        extended: Mapping[int, tuple[str, ...]] = MappingProxyType({}),
        now: float = 0.0,
    ) -> None:
        """Write the predecessors of tasks; `extended` names those that were added later, by task."""
        self.connection.executemany(
            _INSERT_PREDECESSOR,
            (
                (
                    e.id, position, id, name if id is None else None,
                    now if name in extended.get(e.id, ()) else None, position >= len(e.task.after),
                )
                for e in entries
                for position, name in enumerate(e.task.predecessors)
                for id in (number(name),)
            ),
        )  # fmt: skip

    def _extended(self, event: events.Extended) -> None:
        id = event.task.id
        (n,) = self.connection.execute("SELECT count(*) FROM predecessors WHERE task = ?", (id,)).fetchone()
        for position, name in enumerate(event.after, n):
            found = self._number(name)
            self.connection.execute(
                _INSERT_PREDECESSOR, (id, position, found, name if found is None else None, event.time, False)
            )

    def _stolen(self, event: events.Stolen) -> None:
        ids, attempts, *_ = zip(*event.tasks, strict=True)
        location, time = event.location, event.time
        if attempts.count(1) == len(attempts):
            self._hands.update(dict.fromkeys(ids, (1, location, time)))
        else:
            self._hands.update(zip(ids, [(attempt, location, time) for attempt in attempts], strict=True))
        self._hand(time, location, ids, attempts)
        if self._lost:
            found = self._lost.intersection(zip(ids, attempts, strict=True))
            self.connection.executemany("DELETE FROM attempts WHERE task = ? AND attempt = ?", found)
            self._output.drop(found)
            self._lost -= found

    def _hand(self, time: float, location: str | None, ids: Sequence[int], attempts: Sequence[int]) -> None:
        self._handed += 1
        all_first = attempts.count(1) == len(attempts)
        tasks = json.dumps([ids, None if all_first else attempts], separators=(",", ":"))
        self.connection.execute("INSERT INTO hands(time, worker, tasks) VALUES (?, ?, ?)", (time, location, tasks))

    def _finished(self, event: events.Finished) -> None:
        ids, _, results = zip(*event.tasks, strict=True)
        _, *columns, _, _, stdouts, stderrs, _, lefts = zip(*results, strict=True)
        if any(lefts):
            self._finished_apart(event)
            return
        pop = self._hands.pop
        hands = [pop(id, None) for id in ids]
        self.connection.execute(
            "INSERT INTO finished(time, worker, columns) VALUES (?, ?, ?)",
            (event.time, event.location, pack(ids, columns, hands)),
        )
        self._finished_tasks += len(ids)
        self._backlog += len(ids)
        if any(stdouts) or any(stderrs):
            for id, hand, result in zip(ids, hands, results, strict=True):
                self._output.result(id, result.attempt or (hand[0] if hand else 1), event.location, result)
        self._output.forget(ids)

    def _finished_apart(self, event: events.Finished) -> None:
        """Record the ends of tasks some of which have left processes behind: a batch has no column for these."""
        plain = tuple(ended for ended in event.tasks if not ended.result.left)
        if plain:
            self._finished(replace(event, tasks=plain))
        for ended in event.tasks:
            if ended.result.left:
                self._attempt(ended, event.location, event.time, "done")
                self._move([(ended.id, None)], "done")
                self._output.forget([ended.id])

    def _failed(self, event: events.Failed) -> None:
        self._retried(event)
        self._move([(event.task.id, event.task.result.how)], "failed")

    def _retried(self, event: events.Failed | events.Retried) -> None:
        outcome = "timeout" if event.task.result.cause is Cause.TIMEOUT else "failed"
        self._attempt(event.task, event.location, event.time, outcome)

    def _interrupted(self, event: events.Interrupted) -> None:
        self._attempt(event.task, event.location, event.time, "interrupted")

    def _revoked(self, event: events.Revoked) -> None:
        while self._backlog:
            self._enter_within(10 * AT_ONCE)
        self.connection.executemany(
            f"UPDATE attempts SET outcome = 'interrupted', cause = '{Cause.REVOKED.value}', reason = ? "
            "WHERE task = ? AND attempt = ?",
            [(event.reason, task.id, attempt) for task, attempt in zip(event.tasks, event.attempts, strict=True)],
        )
        self._move([(task.id, None) for task in event.tasks], "waiting")

    def _killed(self, event: events.Killed) -> None:
        self._attempt(event.task, event.location, event.time, "cancelled")
        self._move([(event.task.id, event.reason)], "cancelled")

    def _attempt(self, ended: Ended, location: str, now: float, outcome: str) -> None:
        """Record an attempt by itself. A lost attempt stays lost: how it ended is unknown."""
        id, _, result = ended
        hand = self._hands.pop(id, None)
        attempt = result.attempt or (hand[0] if hand else 1)
        if (id, attempt) in self._lost:
            return
        until = result.started + result.seconds if result.started else now
        tail = b"" if outcome == "done" else self._output.tail(id, result.stderr)
        self.connection.execute(
            _INSERT_ATTEMPT,
            (
                id, attempt, location, host_of(location), hand[2] if hand else None, result.started or None, until,
                result.user, result.system, min(result.max_rss, _MOST) or None,
                outcome, result.exit_status, result.signal, result.error or None, tail or None,
                result.cause.value or None, result.left or None,
            ),
        )  # fmt: skip
        if result.stdout or result.stderr:
            self._output.result(id, attempt, location, result)

    def _requeued(self, event: events.Requeued) -> None:
        ids = [task.id for task in event.tasks]
        self._output.forget(ids)
        if event.cause is Cause.UNSTARTED:  # else their attempts are recorded as ended
            self._hand(event.time, None, ids, [])
        for id in ids:
            hand = self._hands.pop(id, None)
            if hand is not None and event.cause is not Cause.UNSTARTED:
                outcome = "interrupted" if event.cause.is_interruption else "lost"
                self._lose(id, hand[0], event.location, hand[2], event.time, event.cause, event.reason, outcome)
                self._lost.add((id, hand[0]))

    def _lose(
        self, id: int, attempt: int, location: str, since: float | None, now: float, cause: Cause, reason: str,
        outcome: str = "lost",
    ) -> None:  # fmt: skip
        """Record an attempt whose end is unknown."""
        self.connection.execute(
            _INSERT_ATTEMPT,
            (
                id,
                attempt,
                location,
                host_of(location),
                since,
                None,
                now,
                *[None] * 3,
                outcome,
                None,
                None,
                reason,
                None,
                cause.value or None,
                None,
            ),
        )

    def _skipped(self, event: events.Skipped) -> None:
        reason = f"after {event.culprit.name}"
        self._move([(task.id, reason) for task in event.tasks], "skipped", event.culprit.id)

    def _cancelled(self, event: events.Cancelled) -> None:
        self._output.forget([task.id for task in event.tasks])
        for task in event.tasks:
            hand = self._hands.pop(task.id, None)
            if hand is not None:  # its worker may not know of the cancellation
                self._lose(task.id, hand[0], hand[1], hand[2], event.time, Cause.CANCELLED, event.reason, "cancelled")
        self._move([(task.id, event.reason) for task in event.tasks], "cancelled")

    def _revived(self, event: events.Revived) -> None:
        ids = [task.id for task in event.tasks]
        self._forgive(ids)
        self._move([(id, None) for id in ids], "waiting")

    def _forgive(self, ids: Iterable[int]) -> None:
        """Stop counting the earlier failures of these tasks."""
        self.connection.executemany(
            "UPDATE tasks SET forgiven = (SELECT coalesce(max(attempt), 0) FROM attempts WHERE task = ?1) "
            "WHERE id = ?1 AND state != 'skipped'",
            [(id,) for id in ids],
        )

    def _move(self, tasks: Iterable[tuple[int, str | None]], state: str, culprit: int | None = None) -> None:
        """Change the state of tasks, each given with its reason."""
        self.connection.executemany(
            f"UPDATE tasks SET state = '{state}', reason = ?2, culprit = ?3 WHERE id = ?1",
            [(id, reason, culprit) for id, reason in tasks],
        )

    def _held(self, event: events.Held | events.Released) -> None:
        held = isinstance(event, events.Held)
        self.connection.executemany("UPDATE tasks SET held = ? WHERE id = ?", [(held, task.id) for task in event.tasks])

    def _joined(self, event: events.Joined) -> None:
        self.connection.execute(
            "INSERT INTO workers(location, slots, joined) VALUES (?, ?, ?)", (event.location, event.slots, event.time)
        )

    def _printed(self, event: events.Printed) -> None:
        self._output.piece(event.id, self._hands.get(event.id), event.stream, event.data)

    def _left(self, event: events.Left) -> None:
        self.connection.execute(
            "UPDATE workers SET left = ?, reason = ? WHERE id = (SELECT max(id) FROM workers WHERE location = ?)",
            (event.time, event.reason, event.location),
        )
