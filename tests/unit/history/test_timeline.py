"""Timelines and summaries of histories that are made up here."""

from __future__ import annotations

from typing import Any

import pytest

from dwork.history.facts import Attempt, Entry, History, Presence, Session
from dwork.history.summary import Limit, limit, run_times, summary
from dwork.history.timeline import timeline
from dwork.history.workers import in_order


def history(attempts: list[tuple[Any, ...]], **more: Any) -> History:
    """One session of 100 s with workers n1:1, which has two slots, and n2:1, which has one and comes later.

    An attempt: task, worker, start, end, outcome; those of one task are by order.
    """
    found = History(
        sessions=more.pop("sessions", [Session(0.0, 100.0, "done")]),
        workers=[Presence("n1:1", 2, 0.0, 100.0), Presence("n2:1", 1, 50.0, 100.0)],
        **more,
    )
    n = 1 + max((attempt[0] for attempt in attempts), default=-1)
    found.tasks = found.tasks or [Entry(i, f"t{i}", "done") for i in range(n)]
    found.predecessors = found.predecessors or [[] for _ in found.tasks]
    for task, worker, start, end, *outcome in attempts:
        number = 1 + sum(a.task == task for a in found.attempts)
        found.attempts.append(
            Attempt(task, number, (outcome or ["done"])[0], worker, start, end, cpu=1.0, max_rss=task)
        )
    return found


def test_each_worker_is_a_row_and_what_it_runs_at_once_has_lanes() -> None:
    found = timeline(history([(0, "n2:1", 60, 70), (1, "n1:1", 0, 50), (2, "n1:1", 10, 20), (3, "n1:1", 20, 30)]))
    assert (found.rows, found.lanes, found.of_hosts) == (["n1:1", "n2:1"], [2, 1], False)
    assert [(bar.attempt, bar.row, bar.lane) for bar in found.bars] == [(1, 0, 0), (2, 0, 1), (3, 0, 1), (0, 1, 0)]


def test_a_cell_is_the_share_of_the_slots_that_were_there() -> None:
    found = timeline(history([(0, "n1:1", 0, 50), (1, "n1:1", 0, 25), (2, "n2:1", 50, 100)]))
    (pane,) = found.panes
    quarter = pane.bins.n // 4
    assert pane.busy[0][::quarter] == pytest.approx([1, 0.5, 0, 0])
    assert pane.busy[1][::quarter] == [None, None, 1, 1]
    assert pane.running[::quarter] == pytest.approx([2, 1, 1, 1])
    assert pane.slots[::quarter] == pytest.approx([2, 2, 3, 3])
    assert [pane.done[i] for i in (quarter - 1, 2 * quarter - 1, -1)] == [0, 1, 3]
    assert (found.spent, found.capacity) == pytest.approx((125, 250))


def test_attempts_that_went_badly_are_counted_apart_and_those_of_unknown_time_not_at_all() -> None:
    attempts = [(0, "n1:1", 0, 10, "failed"), (0, "n1:1", 20, 30), (1, "n1:1", None, 60, "lost")]
    found = timeline(history(attempts))
    assert (found.panes[0].done[-1], found.panes[0].bad[-1], len(found.bars)) == (1, 1, 2)


def test_a_worker_that_did_not_say_its_slots_has_as_many_as_it_used() -> None:
    given = history([(0, "n3:1", 0, 100), (1, "n3:1", 0, 100)])
    given.workers.append(Presence("n3:1", 0, 0.0))
    found = timeline(given)
    assert found.rows == ["n1:1", "n2:1", "n3:1"]
    assert set(found.panes[0].busy[2]) == {1.0}


def test_sessions_are_panes_and_what_runs_over_a_gap_is_in_both() -> None:
    sessions = [Session(0.0, 40.0), Session(60.0, 100.0, "done")]
    found = timeline(history([(0, "n1:1", 30, 70), (1, "n1:1", 80, 90)], sessions=sessions))
    first, second = found.panes
    assert first.bins.n == second.bins.n
    assert (first.done[-1], second.done[-1]) == (0, 2)
    assert sum(first.running) * first.bins.width == pytest.approx(10)
    assert sum(second.running) * second.bins.width == pytest.approx(20)
    assert found.spent == pytest.approx(30)


def test_what_ended_while_its_hub_was_away_counts_when_that_is_back() -> None:
    sessions = [Session(0.0, 40.0), Session(60.0, 100.0, "done")]
    found = timeline(history([(0, "n1:1", 30, 50), (1, "n1:1", 30, 101)], sessions=sessions))
    first, second = found.panes
    assert (first.done[-1], second.done[0], second.done[-1]) == (0, 1, 2)


def test_a_task_of_several_cores_takes_as_many_slots_as_its_worker_has() -> None:
    tasks = [Entry(0, "wide", "done", cores=2), Entry(1, "wider", "done", cores=64), Entry(2, "plain", "done")]
    found = timeline(history([(0, "n1:1", 0, 25), (1, "n2:1", 50, 100), (2, "n1:1", 50, 100)], tasks=tasks))
    (pane,) = found.panes
    quarter = pane.bins.n // 4
    assert pane.busy[0][::quarter] == pytest.approx([1, 0, 0.5, 0.5])
    assert pane.busy[1][::quarter] == [None, None, 1, 1]
    assert pane.running[::quarter] == pytest.approx([2, 0, 2, 2])
    assert (found.lanes, found.spent) == ([1, 1], pytest.approx(150))


def test_of_very_many_workers_hosts_are_the_rows() -> None:
    found = timeline(history([(0, "n1:1", 0, 50), (1, "n1:2", 0, 50), (2, "n2:7", 0, 50)]), most=3)
    assert (found.rows, found.lanes, found.of_hosts) == (["n1", "n2"], [2, 1], True)


def test_a_history_in_which_nothing_happened_has_a_timeline() -> None:
    assert timeline(History()).panes == []
    found = timeline(History(sessions=[Session(5.0, 5.0)]))
    assert (found.rows, len(found.panes), found.panes[0].running) == ([], 1, [0.0])
    assert limit(summary(History(), timeline(History()))) is None


def test_workers_are_in_the_order_of_their_numbers() -> None:
    names = ["n10:1", "n9:2", "n9:10", "a", "n9"]
    assert sorted(names, key=in_order) == ["a", "n9", "n9:2", "n9:10", "n10:1"]


def test_a_summary_counts_tasks_and_attempts_and_where_the_time_went() -> None:
    tasks = [Entry(0, "solve-1", "done"), Entry(1, "solve-2", "failed"), Entry(2, "all", "waiting", is_join=True),
             Entry(3, "report", "done"), Entry(4, "old", "done", removed=True)]  # fmt: skip
    given = history(
        [(0, "n1:1", 0, 30), (1, "n1:1", 0, 5, "failed"), (1, "n2:1", 60, 70, "failed"), (3, "n2:1", 70, 80)],
        tasks=tasks,
        predecessors=[[], [], [0, 1], [2], []],
    )
    found = summary(given, timeline(given))
    assert dict(found.states) == {"done": 2, "failed": 1}
    assert dict(found.outcomes) == {"done": 2, "failed": 2}
    assert (found.seconds, found.spent, found.cpu, found.used) == pytest.approx((100, 55, 4, 55 / 250))
    assert (found.chain, found.chain_seconds) == ([0, 2, 3], 40)
    assert [(t.name, t.attempts, t.bad, t.seconds, t.longest) for t in found.kinds] == [
        ("solve-*", 3, 2, 45, 30),
        ("report", 1, 0, 10, 10),
    ]
    assert [(t.name, t.attempts, t.bad) for t in found.hosts] == [("n1", 2, 1), ("n2", 2, 1)]


def test_the_run_time_of_a_task_is_that_of_the_attempt_that_did_it_or_else_the_last() -> None:
    given = history(
        [(0, "n1:1", 0, 9), (0, "n1:1", 10, 12, "lost"), (1, "n1:1", 0, 1, "failed"), (1, "n1:1", 5, 9, "failed")]
    )
    assert run_times(given) == [9, 4]


@pytest.mark.parametrize(
    ("chain", "used", "expected"),
    [(90.0, 0.9, Limit.CHAIN), (10.0, 0.9, Limit.SLOTS), (10.0, 0.3, Limit.TASKS), (0.0, None, None)],
)
def test_what_limits_a_run_is_its_chain_its_slots_or_its_tasks(
    chain: float, used: float | None, expected: object
) -> None:
    given = history([(0, "n1:1", 0, chain)])
    found = summary(given, timeline(given))
    found.used = used
    assert limit(found) is expected
