"""What a store hears, and what stands in its tables then."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dwork.core import events as e
from dwork.core.cause import Cause
from dwork.core.task import Options, State, Task
from dwork.record import past
from dwork.record.output import TAIL
from dwork.record.store import FORGET, LOOK, MERGE
from tests.desk import Desk, ended, given, named, task

STATE = "SELECT state FROM tasks ORDER BY id"


# -- each event ------------------------------------------------------------------------------------------------------


def test_a_run_is_written_when_it_begins_and_when_it_ends(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "run.db")
    assert desk.ask("SELECT started, ended, host, pid, job, version, command, outcome FROM runs") == [
        (1000.0, None, "host", 4711, None, "0", "dwork tasks.txt", None)
    ]
    again = desk.reopened()
    assert again.ask("SELECT id, ended, outcome FROM runs") == [(1, 2000.0, "done"), (2, None, None)]


def test_added_tasks_are_rows_with_their_predecessors_and_somebody_who_added_them(desk: Desk) -> None:
    desk.numbers.update(t0=0, t1=1)
    desk.hear(e.Added(5.0, 0, [task("t0", origin="vm"), Task("t1", ("ls", "-l x"), ("t0", "gone"), Options(cores=2))]))
    assert desk.ask("SELECT id, name, command, arguments, options, origin, state, held, queued FROM tasks") == [
        (0, "t0", "t0", None, None, "vm", "waiting", 0, 5.0),
        (1, "t1", "ls '-l x'", '["ls", "-l x"]', '{"cores": 2}', "?", "waiting", 0, 5.0),
    ]
    assert desk.ask("SELECT * FROM predecessors") == [(1, 0, 0, None, None, 0), (1, 1, None, "gone", None, 0)]


def test_further_predecessors_come_behind_the_first_ones_with_the_time(three: Desk) -> None:
    three.hear(e.Extended(7.0, named(2), ("t0", "nobody")))
    assert three.ask("SELECT * FROM predecessors") == [
        (2, 0, 1, None, None, 0),
        (2, 1, 0, None, 7.0, 0),
        (2, 2, None, "nobody", 7.0, 0),
    ]
    (entry,) = [known for known in past.recorded(three.store.connection) if known.id == 2]
    assert (entry.task.after, entry.extended) == (("t1", "t0", "nobody"), ("t0", "nobody"))


def test_what_is_stolen_is_in_hand_and_not_a_row_for_each_task(three: Desk) -> None:
    three.hear(e.Stolen(8.0, "w:1", [given(0), given(1)]))
    assert three.ask("SELECT time, worker, tasks FROM hands") == [(8.0, "w:1", "[[0,1],null]")]
    assert past.in_hand(three.store.connection) == {0: (1, "w:1", 8.0), 1: (1, "w:1", 8.0)}
    assert three.store.hand(1) == (1, "w:1", 8.0)
    assert three.ask(STATE) == ["waiting"] * 3
    assert [entry.state for entry in past.recorded(three.store.connection)] == [
        State.ASSIGNED, State.ASSIGNED, State.WAITING,
    ]  # fmt: skip


def test_a_good_end_waits_in_a_batch_and_is_entered_when_there_is_time(three: Desk) -> None:
    three.hear(e.Stolen(8.0, "w:1", [given(0), given(1)]))
    results = [
        ended(0, started=9.0, seconds=2.5, user=1.5, system=0.25, max_rss=5 << 20),
        ended(1, started=8.5, seconds=0.5, max_rss=1 << 10),
    ]
    three.hear(e.Finished(12.0, "w:1", results))
    connection = three.store.connection
    assert connection.execute("SELECT count(*) FROM finished").fetchone() == (1,)
    assert connection.execute("SELECT count(*) FROM attempts").fetchone() == (0,)
    assert not three.store.idle()
    assert connection.execute("SELECT count(*) FROM finished").fetchone() == (0,)
    assert three.ask("SELECT * FROM attempts") == [
        (0, 1, "done", "w:1", "w", 8.0, 9.0, 11.5, 0, 0, 1.5, 0.25, 5 << 20, None, None, None, None),
        (1, 1, "done", "w:1", "w", 8.0, 8.5, 9.0, 0, 0, 0.0, 0.0, 1 << 10, None, None, None, None),
    ]
    assert three.ask(STATE) == ["done", "done", "waiting"]


def test_a_batch_of_thousands_is_entered(desk: Desk) -> None:
    n = 3001
    desk.resume(*(task(f"t{i}") for i in range(n)))
    desk.hear(e.Stolen(1.0, "w:1", [given(i) for i in range(n)]))
    desk.hear(e.Finished(2.0, "w:1", [ended(i, started=1.0) for i in range(n) if i != 7]))
    assert desk.ask("SELECT state, count(*) FROM tasks GROUP BY state") == [("done", n - 1), ("waiting", 1)]
    assert desk.ask("SELECT count(*) FROM attempts") == [n - 1]


def test_peers_that_do_not_count_attempts_and_tell_no_times_are_done_too(three: Desk) -> None:
    three.hear(e.Stolen(8.0, "w:1", [given(0, 3)]), e.Finished(9.0, "w:1", [ended(0, 0), ended(1, 0)]))
    assert three.ask("SELECT task, attempt, stolen, started, ended FROM attempts") == [
        (0, 3, None, None, 9.0),
        (1, 1, None, None, 9.0),
    ]


def test_an_end_that_is_told_twice_is_one_attempt(three: Desk) -> None:
    finished = e.Finished(9.0, "w:1", [ended(0, started=8.0), ended(0, started=8.0)])
    three.hear(e.Stolen(8.0, "w:1", [given(0)]), finished, finished)
    assert three.ask("SELECT task, attempt, outcome FROM attempts") == [(0, 1, "done")]
    assert three.ask(STATE) == ["done", "waiting", "waiting"]


def test_a_failure_is_a_row_with_all_that_is_known_and_its_reason(three: Desk) -> None:
    three.hear(e.Stolen(8.0, "w:1", [given(0), given(1)]))
    result = {"exit_status": 143, "signal": 15, "started": 9.0, "seconds": 1.0, "max_rss": 4096, "stderr": b"trouble\n"}
    three.hear(e.Failed(12.0, "w:1", ended(0, **result)), e.Failed(12.0, "w:1", ended(1, exit_status=3)))
    assert three.ask("SELECT * FROM attempts") == [
        (0, 1, "failed", "w:1", "w", 8.0, 9.0, 10.0, 143, 15, 0.0, 0.0, 4096, None, b"trouble\n", None, None),
        (1, 1, "failed", "w:1", "w", 8.0, None, 12.0, 3, 0, 0.0, 0.0, None, None, None, None, None),
    ]
    assert three.ask("SELECT state, reason FROM tasks WHERE id < 2") == [
        ("failed", "SIGTERM"),
        ("failed", "exit status 3"),
    ]


def test_what_a_task_left_behind_is_recorded_whether_it_ended_well_or_not(three: Desk) -> None:
    three.hear(e.Stolen(8.0, "w:1", [given(0), given(1), given(2)]))
    ends = [ended(0, started=8.5, left=2, stderr=b"a warning"), ended(1, started=8.5)]
    three.hear(e.Finished(9.0, "w:1", ends), e.Failed(9.0, "w:1", ended(2, exit_status=1, left=1)))
    assert three.ask("SELECT task, outcome, left_behind FROM attempts ORDER BY task") == [
        (0, "done", 2),
        (1, "done", None),
        (2, "failed", 1),
    ]
    assert three.ask(STATE) == ["done", "done", "failed"]
    assert three.ask("SELECT stderr FROM attempts WHERE task = 0") == [None]


def test_what_took_too_long_is_a_timeout(three: Desk) -> None:
    error = "timed out after 2 s"
    late = ended(0, exit_status=143, cause=Cause.TIMEOUT, error=error)
    three.hear(e.Stolen(8.0, "w:1", [given(0)]), e.Failed(12.0, "w:1", late))
    assert three.ask("SELECT outcome, cause, reason FROM attempts") == [("timeout", "timeout", error)]
    assert three.ask("SELECT reason FROM tasks WHERE id = 0") == [error]


def test_only_the_end_of_stderr_is_kept_and_what_came_before_the_result_counts(three: Desk) -> None:
    three.hear(e.Stolen(8.0, "w:1", [given(0)]))
    three.hear(e.Printed(9.0, 0, 2, b"a" * TAIL), e.Printed(9.0, 0, 1, b"not this"), e.Printed(9.0, 0, 2, b"b" * 10))
    three.hear(e.Failed(12.0, "w:1", ended(0, exit_status=1, stderr=b"c" * 5)))
    assert three.ask("SELECT stderr FROM attempts") == [b"a" * (TAIL - 15) + b"b" * 10 + b"c" * 5]


def test_the_stderr_of_an_attempt_is_not_taken_for_that_of_the_next(three: Desk) -> None:
    for attempt, end in enumerate(
        [
            e.Requeued(9.0, "w:1", [named(0)], Cause.DIED, "it died"),
            e.Requeued(9.0, "w:1", [named(0)], Cause.UNSTARTED, "given back"),
            e.Cancelled(9.0, [named(0)], "on request"),
            e.Finished(9.0, "w:1", [ended(0, 4)]),
        ],
        1,
    ):
        three.hear(e.Stolen(8.0, "w:1", [given(0, attempt)]), e.Printed(9.0, 0, 2, b"old"), end)
    three.hear(e.Stolen(8.0, "w:1", [given(0, 9)]), e.Failed(12.0, "w:1", ended(0, 9, exit_status=1, stderr=b"new")))
    assert three.ask("SELECT stderr FROM attempts WHERE attempt = 9") == [b"new"]


def test_an_attempt_that_is_tried_again_is_a_row_and_the_task_waits(three: Desk) -> None:
    three.hear(e.Stolen(8.0, "w:1", [given(0)]), e.Retried(9.0, "w:1", ended(0, exit_status=1), 1, 5.0))
    three.hear(e.Stolen(9.0, "w:2", [given(0, 2)]), e.Finished(10.0, "w:2", [ended(0, 2)]))
    assert three.ask("SELECT attempt, outcome, worker FROM attempts") == [(1, "failed", "w:1"), (2, "done", "w:2")]
    assert three.ask("SELECT state, reason FROM tasks WHERE id = 0") == [("done", None)]


def test_skipped_tasks_tell_for_whom(three: Desk) -> None:
    three.hear(e.Failed(9.0, "w:1", ended(1, exit_status=1)), e.Skipped(9.0, [named(2)], named(1)))
    assert three.ask("SELECT state, reason, culprit FROM tasks WHERE id = 2") == [("skipped", "after t1", 1)]


def test_cancelled_tasks_tell_why_and_one_in_hand_loses_its_attempt(three: Desk) -> None:
    three.hear(e.Stolen(8.0, "w:1", [given(0)]), e.Cancelled(9.0, [named(0), named(1)], "on request"))
    assert three.ask("SELECT state, reason FROM tasks WHERE id < 2") == [("cancelled", "on request")] * 2
    assert three.ask("SELECT task, attempt, outcome, exit_status, reason FROM attempts") == [
        (0, 1, "cancelled", None, "on request")
    ]


def test_a_task_that_is_to_run_after_it_was_cancelled_in_a_hand_is_in_nobody_s(three: Desk) -> None:
    three.hear(e.Stolen(8.0, "w:1", [given(0)]), e.Cancelled(9.0, [named(0)], "on request"))
    three.hear(e.Revived(10.0, [named(0)]))
    assert past.recorded(three.store.connection)[0][2:4] == (State.WAITING, 1)


def test_a_killed_task_is_cancelled_with_what_is_known_of_its_attempt(three: Desk) -> None:
    three.hear(e.Stolen(8.0, "w:1", [given(0)]))
    killed = ended(0, exit_status=143, signal=15, started=8.5, cause=Cause.CANCELLED, error="cancelled")
    three.hear(e.Killed(9.0, "w:1", killed, "on request"))
    assert three.ask("SELECT state, reason FROM tasks WHERE id = 0") == [("cancelled", "on request")]
    assert three.ask("SELECT outcome, exit_status, signal, cause, reason FROM attempts") == [
        ("cancelled", 143, 15, "cancelled", "cancelled")
    ]


def test_who_had_what_is_forgotten_except_for_what_workers_hold(three: Desk, tmp_path: Path) -> None:
    three.hear(e.Stolen(1.0, "w:1", [given(0), given(2, 4)]))
    for i in range(FORGET + 10):
        three.hear(
            e.Stolen(2.0 + i, "w:2", [given(1, i + 1)]),
            e.Requeued(2.5 + i, "w:2", [named(1)], Cause.UNSTARTED, "back"),
        )
    assert three.ask("SELECT count(*) FROM hands")[0] <= FORGET + 3
    after = three.after_a_kill(tmp_path / "copy.db")
    held = [(entry.id, entry.attempt, entry.holder) for entry in after.store.recover(20.0) if entry.holder]
    assert held == [(0, 1, "w:1"), (2, 4, "w:1")]


def test_tasks_that_end_all_the_time_are_entered_before_too_many_wait(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dwork.record.store.BACKLOG", 50)
    monkeypatch.setattr("dwork.record.store.AT_ONCE", 7)
    desk.resume(*(task(f"t{i}") for i in range(500)))
    for i in range(0, 500, 5):
        desk.hear(e.Stolen(1.0, "w:1", [given(i + j) for j in range(5)]))
        desk.hear(e.Finished(2.0, "w:1", [ended(i + j, started=1.0) for j in range(5)]))
        assert desk.store.connection.execute("SELECT count(*) FROM finished").fetchone()[0] <= 11
    assert desk.ask("SELECT state, count(*) FROM tasks GROUP BY state") == [("done", 500)]


def test_what_was_given_back_is_in_nobody_s_hands_and_made_no_attempt(three: Desk) -> None:
    three.hear(
        e.Stolen(8.0, "w:1", [given(0), given(1)]), e.Requeued(9.0, "w:1", [named(0)], Cause.UNSTARTED, "given back")
    )
    assert past.in_hand(three.store.connection) == {1: (1, "w:1", 8.0)}
    assert three.store.hand(0) is None
    assert three.ask("SELECT count(*) FROM attempts") == [0]


def test_what_a_worker_took_with_it_is_a_lost_attempt(three: Desk) -> None:
    three.hear(e.Stolen(8.0, "w:1", [given(0)]))
    three.hear(e.Requeued(9.0, "w:1", [named(0)], Cause.DIED, "it died"), e.Left(9.0, "w:1", "it died"))
    assert three.ask("SELECT * FROM attempts") == [
        (0, 1, "lost", "w:1", "w", 8.0, None, 9.0, None, None, None, None, None, "it died", None, "died", None)
    ]
    assert past.recorded(three.store.connection)[0][2:4] == (State.WAITING, 1)


def test_a_task_that_failed_since_its_workers_died_has_lost_attempts_only(three: Desk) -> None:
    three.hear(e.Stolen(8.0, "w:1", [given(0)]), e.Requeued(9.0, "w:1", [named(0)], Cause.DIED, "it died"))
    three.hear(e.Failed(9.0, "w:1", ended(0, exit_status=255, started=9.0, error="its worker died: it died")))
    assert three.ask("SELECT outcome, stolen, started FROM attempts") == [("lost", 8.0, None)]
    assert three.ask("SELECT state, reason FROM tasks WHERE id = 0") == [("failed", "its worker died: it died")]


def test_an_attempt_that_was_lost_and_is_found_again_is_in_hand(three: Desk) -> None:
    three.hear(e.Stolen(8.0, "w:1", [given(0)]), e.Requeued(9.0, "w:1", [named(0)], Cause.DIED, "silent"))
    three.hear(e.Stolen(10.0, "w:1", [given(0)]))
    assert past.recorded(three.store.connection)[0][2:5] == (State.ASSIGNED, 1, "w:1")
    three.hear(e.Finished(11.0, "w:1", [ended(0)]))
    assert three.ask("SELECT attempt, outcome FROM attempts") == [(1, "done")]


def test_a_good_end_of_a_lost_attempt_counts_though_another_has_the_task(three: Desk) -> None:
    three.hear(e.Stolen(8.0, "w:1", [given(0)]), e.Requeued(9.0, "w:1", [named(0)], Cause.DIED, "silent"))
    three.hear(e.Stolen(10.0, "w:2", [given(0, 2)]), e.Finished(11.0, "w:1", [ended(0, started=8.5, seconds=1.0)]))
    assert three.ask("SELECT attempt, outcome, worker, stolen, started FROM attempts") == [(1, "done", "w:1", 8.5, 8.5)]
    assert past.recorded(three.store.connection)[0][2:5] == (State.DONE, 1, "w:1")


def test_held_and_released(three: Desk) -> None:
    three.hear(e.Held(9.0, [named(0), named(2)]), e.Released(10.0, [named(0)]))
    assert three.ask("SELECT held FROM tasks ORDER BY id") == [0, 0, 1]


def test_revived_tasks_wait_and_their_failures_are_forgiven(three: Desk) -> None:
    three.hear(e.Retried(9.0, "w:1", ended(2, exit_status=1), 1), e.Extended(9.0, named(2), ("t1",)))
    three.hear(e.Failed(9.0, "w:1", ended(1, exit_status=1)), e.Skipped(9.0, [named(2)], named(1)))
    three.hear(e.Revived(10.0, [named(1), named(2)]))
    assert three.ask("SELECT state, reason, culprit, forgiven FROM tasks WHERE id > 0") == [
        ("waiting", None, None, 1),
        ("waiting", None, None, 0),
    ]
    three.hear(e.Retried(11.0, "w:1", ended(1, 2, exit_status=1), 1))
    assert [entry.failures for entry in past.recorded(three.store.connection)] == [0, 1, 1]


def test_workers_come_and_go(three: Desk) -> None:
    three.hear(e.Joined(8.0, "w:1", 4), e.Joined(8.0, "w:2", 0), e.Left(9.0, "w:1", "it said goodbye"))
    three.hear(e.Joined(10.0, "w:1", 2))
    assert three.ask("SELECT location, slots, joined, left, reason FROM workers") == [
        ("w:1", 4, 8.0, 9.0, "it said goodbye"),
        ("w:2", 0, 8.0, None, None),
        ("w:1", 2, 10.0, None, None),
    ]
    assert three.store.slots() == {"w:1": 2, "w:2": 0}


def test_workers_leave_with_the_end_of_the_run_and_those_of_a_killed_run_do_not(three: Desk, tmp_path: Path) -> None:
    three.hear(e.Joined(8.0, "w:1", 4))
    after = three.after_a_kill(tmp_path / "copy.db")
    after.hear(e.Joined(20.0, "w:1", 4))
    again = after.reopened()
    assert again.ask("SELECT joined, left, reason FROM workers") == [(8.0, None, None), (20.0, 2000.0, "done")]


def test_a_record_in_memory_forgets() -> None:
    desk = Desk(":memory:")
    desk.resume(task("t0"))
    desk.hear(e.Finished(1.0, "w:1", [ended(0)]))
    assert desk.ask(STATE) == ["done"]
    desk.close()


# -- what is written when, and comes back ----------------------------------------------------------------------------


def test_a_store_that_heard_nothing_of_note_writes_nothing(three: Desk) -> None:
    before = three.store.connection.total_changes
    size = Path(f"{three.path}-wal").stat().st_size
    three.hear()
    three.hear(e.Resumed(1.0, [1, 2]), e.Stopping(1.0, "interrupted", False))
    assert not three.store.idle()
    assert three.store.connection.total_changes == before
    assert Path(f"{three.path}-wal").stat().st_size == size


@pytest.mark.parametrize(
    ("event", "waits"),
    [
        (e.Added(1.0, 3, [task("t3")]), True),
        (e.Extended(1.0, named(2), ("t0",)), True),
        (e.Held(1.0, [named(0)]), True),
        (e.Cancelled(1.0, [named(0)], "on request"), True),
        (e.Stolen(1.0, "w:1", [given(0)]), False),
        (e.Finished(1.0, "w:1", [ended(0)]), False),
    ],
)
def test_the_disk_is_waited_for_only_where_somebody_is_promised_something(
    three: Desk, event: e.Event, waits: bool
) -> None:
    three.hear(event)
    assert three.store.connection.execute("PRAGMA synchronous").fetchone() == ((2 if waits else 1),)


def test_all_that_was_heard_at_once_is_kept_or_nothing(three: Desk) -> None:
    with pytest.raises(RuntimeError):
        three.hear(e.Held(1.0, [named(0)]), e.Cancelled(1.0, Broken(), "on request"))  # type: ignore[arg-type]
    assert three.ask("SELECT sum(held), sum(state = 'cancelled') FROM tasks") == [(0, 0)]
    three.hear(e.Held(1.0, [named(1)]))
    assert three.ask("SELECT held FROM tasks ORDER BY id") == [0, 1, 0]


class Broken:
    def __iter__(self) -> Any:
        raise RuntimeError("this is a bug")


def test_what_ran_when_the_pool_was_killed_has_lost_its_attempt(three: Desk, tmp_path: Path) -> None:
    three.hear(e.Stolen(8.0, "w:1", [given(0, 2)]))
    after = three.after_a_kill(tmp_path / "copy.db")
    plan = after.resume(task("t0"), task("t1"), task("t2", "t1"), now=50.0)
    assert plan.entries[0][2:4] == (State.WAITING, 2)
    assert after.ask("SELECT task, attempt, outcome, worker, ended, reason FROM attempts") == [
        (0, 2, "lost", "w:1", 50.0, "the pool ended while it ran")
    ]
    assert after.ask("SELECT count(*) FROM hands") == [0]


def losses(desk: Desk) -> list[int]:
    return [entry.losses for entry in past.recorded(desk.store.connection)]


def test_losses_are_counted_across_runs_and_only_those_with_a_worker_or_a_run(three: Desk, tmp_path: Path) -> None:
    three.hear(e.Stolen(8.0, "w:1", [given(0), given(1), given(2)]))
    three.hear(e.Requeued(9.0, "w:1", [named(0)], Cause.DIED, "it was silent for 9 s"))
    three.hear(e.Requeued(9.0, "w:1", [named(1)], Cause.LEFT, "it signed off"))
    three.hear(e.Interrupted(9.0, "w:1", ended(2, exit_status=143), "SIGTERM"))
    three.hear(e.Stolen(10.0, "w:2", [given(0, 2)]))
    after = three.after_a_kill(tmp_path / "copy.db")
    plan = after.resume(task("t0"), task("t1"), task("t2"), now=50.0)
    assert [entry.losses for entry in plan.entries] == losses(after) == [2, 0, 0]
    again = after.reopened()
    assert [entry.losses for entry in again.resume(task("t0"), task("t1"), task("t2")).entries] == [2, 0, 0]


def test_what_failed_since_it_was_lost_counts_on_unless_somebody_says_to_try_it_again(three: Desk) -> None:
    three.hear(e.Retried(8.0, "w:1", ended(0, exit_status=1), 1), e.Stolen(8.0, "w:1", [given(0, 2)]))
    three.hear(e.Requeued(9.0, "w:1", [named(0)], Cause.DIED, "it died"))
    three.hear(e.Failed(9.0, "w:1", ended(0, 2, exit_status=255, error="its worker died: it died")))
    again = three.reopened()
    (entry, *_) = again.resume(task("t0"), task("t1"), task("t2", "t1")).entries
    assert (entry.losses, entry.spared, losses(again)[0]) == (1, True, 1)
    # A run that gives it up at once leaves the attempt what it was.
    again.hear(e.Failed(10.0, "w:1", ended(0, 2, exit_status=255, error="died 1 times")))
    assert again.ask("SELECT attempt, outcome FROM attempts WHERE task = 0") == [(1, "failed"), (2, "lost")]
    again.hear(e.Revived(10.0, [named(0)]))
    assert losses(again)[0] == 0


def test_a_hub_that_comes_back_finds_in_hand_what_was_in_hand(three: Desk, tmp_path: Path) -> None:
    three.hear(e.Stolen(8.0, "w:1", [given(0, 2)]), e.Stolen(8.0, "w:2", [given(1)]))
    three.hear(e.Requeued(9.0, "w:2", [named(1)], Cause.UNSTARTED, "given back"))
    for i in range(2):
        three = three.after_a_kill(tmp_path / f"copy{i}.db")
        assert [(r.state, r.attempt, r.holder) for r in three.store.recover(60.0)] == [
            (State.ASSIGNED, 2, "w:1"),
            (State.WAITING, 0, None),
            (State.WAITING, 0, None),
        ]
        assert three.store.hand(0) == (2, "w:1", 60.0)


def test_a_hub_that_comes_back_does_not_run_lines_that_a_pool_s_files_had_no_more(three: Desk) -> None:
    again = three.reopened()
    again.resume(task("t0"))
    assert [entry.task.name for entry in again.store.recover(1.0)] == ["t0"]
    assert again.store.next_id() == 3


def test_batches_that_a_killed_pool_has_left_are_entered_when_it_is_opened(three: Desk, tmp_path: Path) -> None:
    for i in range(3):
        three.hear(e.Finished(9.0, "w:1", [ended(i)]))
    after = three.after_a_kill(tmp_path / "copy.db")
    assert after.store.connection.execute("SELECT count(*) FROM finished").fetchone() == (0,)
    assert after.ask(STATE) == ["done"] * 3


def test_files_that_have_changed_are_written(three: Desk) -> None:
    three.hear(e.Finished(9.0, "w:1", [ended(0), ended(1), ended(2)]), e.Held(9.0, [named(1)]))
    again = three.reopened()
    plan = again.resume(Task("t1", "otherwise", ("new",)), task("t2", "t1"), task("new"), now=77.0)
    assert (plan.done, plan.next_id) == (0, 4)
    assert again.ask("SELECT id, name, command, state, held, removed, queued FROM tasks") == [
        (0, "t0", "t0", "done", 0, 77.0, 1000.0),
        (1, "t1", "otherwise", "waiting", 1, None, 1000.0),
        (2, "t2", "t2", "waiting", 0, None, 1000.0),
        (3, "new", "new", "waiting", 0, None, 77.0),
    ]
    assert again.ask("SELECT * FROM predecessors") == [(1, 0, 3, None, None, 0), (2, 0, 1, None, None, 0)]
    assert [entry.removed for entry in past.recorded(again.store.connection)] == [True, False, False, False]
    back = again.reopened().resume(task("t0"), task("t1"), now=88.0)
    assert [(entry.task.name, entry.state) for entry in back.entries] == [("t0", State.DONE), ("t1", State.WAITING)]


def test_failures_of_an_earlier_run_are_not_counted_against_retries(three: Desk) -> None:
    three.hear(e.Retried(9.0, "w:1", ended(0, exit_status=1), 1), e.Failed(9.0, "w:1", ended(1, exit_status=1)))
    again = three.reopened()
    again.resume(task("t0"), task("t1"), task("t2", "t1"))
    assert [entry.failures for entry in past.recorded(again.store.connection)] == [0, 0, 0]


# -- the write-ahead log ----------------------------------------------------------------------------------------------


def alone(path: str, copy: Path) -> list[str]:
    """The states of the tasks in the file without its companions."""
    shutil.copyfile(path, copy)
    with contextlib.closing(sqlite3.connect(copy)) as connection:
        return [state for (state,) in connection.execute(STATE)]


def test_the_file_alone_has_nearly_everything_after_a_while(tmp_path: Path) -> None:
    now = 0.0
    desk = Desk(tmp_path / "t.db", clock=lambda: now)
    desk.resume(task("t0"))
    desk.hear(e.Failed(1.0, "w:1", ended(0, exit_status=1)))
    now = MERGE + 1
    desk.hear(e.Left(1.0, "w:1", "bye"))
    assert alone(desk.path, tmp_path / "copy.db") == ["failed"]
    desk.close()


def test_where_little_is_free_the_write_ahead_log_stays_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    desk = Desk(tmp_path / "t.db", clock=lambda: now)
    desk.resume(task("t0"))

    def pages() -> int:
        return Path(f"{desk.path}-wal").stat().st_size // 4096

    for _ in range(500):
        desk.hear(e.Held(1.0, [named(0)]))
        desk.hear(e.Released(1.0, [named(0)]))
    assert pages() > 500
    monkeypatch.setattr(os, "statvfs", lambda path: SimpleNamespace(f_bavail=8 * 60, f_frsize=4096))
    now += LOOK
    before = pages()
    for _ in range(1000):
        desk.hear(e.Held(1.0, [named(0)]))
        desk.hear(e.Released(1.0, [named(0)]))
    assert pages() < before + 100
    desk.close()
