"""A whole record, read as a history: of runs that ended, that were killed, and that went on."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import pytest

from dwork.core import events as e
from dwork.core.errors import UsageError
from dwork.core.task import Task
from dwork.record.history import begun, graph, history, last_words, sessions, workers
from dwork.record.reading import Archive
from tests.desk import Desk, ended, given, killed, named, task


def test_a_history_has_all_tasks_attempts_workers_and_runs(desk: Desk) -> None:
    desk.resume(task("a", cores=4), task("b"), Task("all", None, ("a", "b")), task("c", "all"))
    desk.hear(e.Joined(1001.0, "node:1", 4))
    desk.hear(e.Stolen(1001.0, "node:1", [given(0), given(1)]))
    desk.hear(
        e.Finished(1010.0, "node:1", [ended(0, started=1002.0, seconds=5.0, user=3.0, system=1.0, max_rss=1 << 20)])
    )
    desk.hear(
        e.Retried(1010.0, "node:1", ended(1, started=1003.0, seconds=1.0, exit_status=7, stderr=b"early"), 1, 0.0)
    )
    desk.hear(e.Stolen(1011.0, "node:1", [given(1, 2)]))
    desk.hear(
        e.Failed(
            1020.0, "node:1", ended(1, 2, started=1012.0, seconds=2.0, signal=9, exit_status=137, stderr=b"\xfflate")
        )
    )
    desk.hear(e.Skipped(1020.0, [named(3)], named(1, "b")))
    desk.close("some failed")
    with Archive(desk.path) as archive:
        found = history(archive)
        assert last_words(archive, 9) == {1: "\\xfflate"} and last_words(archive, 0) == {}
        assert sessions(archive) == found.sessions
        assert workers(archive) == ["node:1"]
    assert [(t.name, t.state, t.is_join, t.removed, t.reason) for t in found.tasks] == [
        ("a", "done", False, False, ""),
        ("b", "failed", False, False, "SIGKILL"),
        ("all", "waiting", True, False, ""),
        ("c", "skipped", False, False, "after b"),
    ]
    assert found.predecessors == [[], [], [0, 1], [2]] and [t.cores for t in found.tasks] == [4, 1, 1, 1]
    assert [(a.task, a.number, a.outcome, a.started, a.ended, a.exit_status, a.signal) for a in found.attempts] == [
        (0, 1, "done", 1002.0, 1007.0, 0, 0),
        (1, 1, "failed", 1003.0, 1004.0, 7, 0),
        (1, 2, "failed", 1012.0, 1014.0, 137, 9),
    ]
    assert (found.attempts[0].cpu, found.attempts[0].max_rss) == (4.0, 1 << 20)
    assert [(w.worker, w.slots, w.joined, w.left) for w in found.workers] == [("node:1", 4, 1001.0, 2000.0)]
    assert [(s.started, s.ended, s.outcome) for s in found.sessions] == [(1000.0, 2000.0, "some failed")]
    assert (found.in_hand, found.odd) == (0, 0)


def test_a_run_that_was_killed_ends_with_its_last_attempt_and_what_was_in_hand_is_counted(
    desk: Desk, tmp_path: Path
) -> None:
    desk.resume(*(task(f"t{i}") for i in range(4)))
    desk.hear(e.Joined(1001.0, "node:1", 1), e.Stolen(1001.0, "node:1", [given(i) for i in range(3)]))
    desk.hear(e.Finished(1030.0, "node:1", [ended(0, started=1010.0, seconds=5.0)]))
    with Archive(str(killed(desk.path, tmp_path / "copy.db"))) as archive:
        found = history(archive)
        assert sessions(archive) == found.sessions
    assert [(s.started, s.ended, s.outcome) for s in found.sessions] == [(1000.0, 1015.0, None)]
    assert (found.in_hand, len(found.attempts), found.workers[0].left) == (2, 1, None)


def test_a_run_whose_clock_was_set_back_ends_with_its_last_attempt(desk: Desk) -> None:
    desk.resume(task("a"))
    desk.hear(e.Finished(5030.0, "node:1", [ended(0, started=5010.0, seconds=5.0)]))
    desk.store.connection.execute("UPDATE runs SET started = 5000")
    desk.close()
    with Archive(desk.path) as archive:
        assert [(s.started, s.ended, s.outcome) for s in sessions(archive)] == [(5000.0, 5015.0, "done")]
        assert history(archive).sessions == sessions(archive)


def test_after_it_went_on_there_are_two_runs_and_the_lost_attempts_have_no_time(desk: Desk, tmp_path: Path) -> None:
    desk.resume(task("a"), task("b"), task("old"))
    desk.hear(e.Joined(1001.0, "node:1", 1), e.Stolen(1001.0, "node:1", [given(0)]))
    again = desk.after_a_kill(tmp_path / "copy.db")
    again.resume(task("a"), task("b"), now=1500.0)
    again.hear(e.Joined(1501.0, "node:2", 1), e.Stolen(1501.0, "node:2", [given(0, 2)]))
    again.hear(e.Finished(1510.0, "node:2", [ended(0, 2, started=1502.0, seconds=5.0)]))
    again.store.connection.execute("UPDATE runs SET started = 1500 WHERE id = 2")
    again.close()
    with Archive(again.path) as archive:
        found = history(archive)
        order = [(id, name, attempt.outcome) for id, name, attempt in begun(archive)]
        assert [entry.name for entry in graph(archive)[0]] == ["a", "b"]
    assert [(s.started, s.ended, s.outcome) for s in found.sessions] == [(1000, 1001, None), (1500, 2000, "done")]
    assert [(a.number, a.outcome, a.started) for a in found.attempts] == [(1, "lost", None), (2, "done", 1502.0)]
    assert order == [(0, "a", "lost"), (0, "a", "done")]
    assert [entry.removed for entry in found.tasks] == [False, False, True]


@pytest.mark.parametrize("start", [-1e9, time.time() + 1e6, 1e300], ids=["before", "after", "never"])
def test_times_far_outside_of_all_runs_are_not_believed(desk: Desk, start: float) -> None:
    desk.resume(task("a"), task("b"))
    desk.hear(e.Joined(1001.0, "node:1", 1), e.Stolen(1001.0, "node:1", [given(0), given(1)]))
    desk.hear(e.Failed(1010.0, "node:1", ended(0, started=start, seconds=5.0, exit_status=1)))
    desk.hear(e.Failed(1010.0, "node:1", ended(1, started=990.0, seconds=5.0, exit_status=1)))  # a bit is
    desk.close()
    with Archive(desk.path) as archive:
        found = history(archive)
        assert [id for id, _, _ in begun(archive)] == [1]
    assert ([a.started for a in found.attempts], found.odd) == ([None, 990.0], 1)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE attempts SET started = 'soon'",
        "UPDATE attempts SET ended = 9e999",
        "UPDATE attempts SET task = 77",
        "UPDATE runs SET started = x'00'",
        "UPDATE workers SET joined = 'early'",
        "UPDATE workers SET slots = 'some'",
        "UPDATE hands SET tasks = '{'",
    ],
)
def test_a_record_with_rubbish_in_it_is_damaged(desk: Desk, damage: str) -> None:
    desk.resume(task("a"))
    desk.hear(e.Joined(1001.0, "node:1", 1), e.Stolen(1001.0, "node:1", [given(0)]))
    desk.hear(e.Failed(1010.0, "node:1", ended(0, started=1002.0, seconds=5.0, exit_status=1)))
    desk.close()
    connection = sqlite3.connect(desk.path)
    assert connection.execute(damage).rowcount > 0
    connection.commit()
    connection.close()
    with Archive(desk.path) as archive, pytest.raises(UsageError, match="is damaged"):
        history(archive)
        list(begun(archive))
