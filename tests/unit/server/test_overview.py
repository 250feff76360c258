"""What a hub tells those who watch it: how it stands, who works, what runs, what failed; never too much of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dwork.core import events as e
from dwork.core import messages as m
from dwork.core.row_json import unpack
from dwork.core.rows import RunView
from dwork.core.task import Result
from dwork.hub.policy import Policy
from dwork.output.totals import Totals
from dwork.server import overview
from dwork.server.overview import NoRecord, Overview
from tests.stage import Stage, complete, steal, task


class Watched(Stage):
    """A hub with an overview, which hears all that happens."""

    def __init__(self, policy: Policy | None = None) -> None:
        super().__init__(policy)
        self.totals = Totals()
        self.made = 0  # answers
        self.overview = Overview(self.hub, self.totals, "tasks.txt", lambda: self.now)

    def took(self, step: Any) -> None:
        self.totals.hear(step.events)
        self.overview.hear(step.events)
        super().took(step)

    def view(self) -> RunView:
        self.take()
        return unpack(self.overview.answer(m.Watch()).data, RunView)

    def told(self, what: str, *keys: str) -> list[tuple[Any, ...]]:
        return [tuple(row[key] for key in keys) for row in self.view()[what]]


@pytest.fixture
def watched() -> Watched:
    return Watched()


def test_it_tells_the_totals_and_who_has_what_since_when(watched: Watched) -> None:
    watched.create("a", "b", task("c", "a"))
    watched.say("p", steal("n1:1", 1, 2, slots=2))
    watched.now += 5.0
    watched.say("q", steal("n2:1", 1))
    view = watched.view()
    assert view["run"]["tasks"] == "tasks.txt" and view["run"]["started"] == 100.0
    assert (view["counts"]["assigned"], view["counts"]["waiting"]) == (2, 1)
    assert (view["running"], view["busy"], view["slots"], view["workers"]) == (2, 2, 3, 2)
    assert (view["over"], view["stopping"], view["job_end"]) == (False, "", None)
    assert watched.told("crew", "location", "busy", "slots", "ended") == [("n1:1", 2, 2, 0), ("n2:1", 0, 1, 0)]
    assert watched.told("tasks", "id", "name", "worker", "since") == [(0, "a", "n1:1", 100.0), (1, "b", "n1:1", 100.0)]


def test_what_runs_longest_comes_first_and_of_very_many_only_that(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overview, "TASKS", 3)
    watched.create(*(f"t{i}" for i in range(6)))
    for i in range(6):
        watched.now += 1.0
        watched.say(f"p{i % 2}", steal(f"n:{i % 2}", i // 2 + 1, slots=3))
    watched.say("p0", complete("n:0", 9, Result(0, 1), slots=3))
    assert watched.told("tasks", "name", "since") == [("t1", 102.0), ("t2", 103.0), ("t3", 104.0)]
    assert watched.view()["running"] == 5


def test_a_task_that_only_waits_in_a_workers_hands_does_not_run(watched: Watched) -> None:
    watched.create(*(f"t{i}" for i in range(40)))
    watched.say("p", steal("n:1", 1, 10))
    assert len(watched.hub.workers["n:1"].held) == 10
    assert watched.told("tasks", "name") == [("t0",)]


def test_failures_come_last_first_with_the_end_of_what_they_said(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overview, "FAILURES", 2)
    watched.overview = Overview(watched.hub, watched.totals, "", lambda: watched.now)
    watched.create("a", task("b", retries=1), "c")
    watched.say("p", steal("n:1", 1, 3, slots=3))
    watched.say("p", m.Output("n:1", 0, 2, b"x" * 2000))
    watched.say("p", m.Output("n:1", 0, 1, b"that is stdout"))
    watched.say("p", complete("n:1", 2, Result(0, 1, 3, stderr=b"the end\xff\n"), slots=3))
    watched.now += 1.0
    watched.say("p", complete("n:1", 3, Result(1, 1, 137, 9), slots=3))
    told = watched.told("failures", "name", "time", "how", "again")
    assert told == [("b", 101.0, "SIGKILL", True), ("a", 100.0, "exit status 3", False)]
    said = watched.view()["failures"][1]["stderr"]
    assert said.endswith("xthe end\\xff\n") and said.startswith("x") and len(said) <= overview.STDERR + 3
    watched.say("p", complete("n:1", 4, Result(2, 1, 1, error="no"), slots=3))
    assert watched.told("failures", "name", "how") == [("c", "no"), ("b", "SIGKILL")]


def test_what_is_to_run_again_has_not_failed(watched: Watched) -> None:
    watched.create("a", "b")
    watched.say("p", steal("n:1", 1, 2, slots=2))
    watched.say("p", complete("n:1", 2, Result(0, 1, 3), Result(1, 1, 3), slots=2))
    assert watched.told("failures", "name") == [("b",), ("a",)]
    watched.take()
    watched.order(m.Verb.RETRY, "a")
    assert watched.told("failures", "name") == [("b",)]


def test_very_many_workers_are_told_by_host(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overview, "CREW", 2)
    watched.create("a", "b")
    for i, location in enumerate(("n1:1", "n1:2", "n2:1", "n3:1")):
        watched.say(f"p{i}", steal(location, 1, slots=2))
    watched.now += 2.0
    keys = ("location", "workers", "busy", "slots", "silent")
    assert watched.told("crew", *keys) == [("n1", 2, 2, 4, 2.0), ("n2", 1, 0, 2, 2.0)]
    assert watched.view()["workers"] == 4


def test_an_answer_that_took_long_is_given_again_for_a_while(watched: Watched) -> None:
    watched.create("a")
    times = iter([99.0, 100.0, 100.1, 101.0, 106.0, 106.0])  # when it begins, and before and after each answer
    slow = Overview(watched.hub, watched.totals, "", lambda: next(times))
    first, again, later = (json.loads(slow.answer(m.Watch()).data) for _ in range(3))
    assert (first["time"], again["time"], later["time"]) == (100.0, 100.0, 106.0)


def test_a_failure_is_told_at_once_all_the_same(watched: Watched) -> None:
    times = iter([100.0, 100.0, 109.0, 110.0, 110.0])
    slow = Overview(watched.hub, watched.totals, "", lambda: next(times))
    assert json.loads(slow.answer(m.Watch()).data)["failures"] == []
    slow.hear([e.Failed(109.0, "n:1", e.Ended(0, "a", Result(0, 1, 1)))])
    assert len(json.loads(slow.answer(m.Watch()).data)["failures"]) == 1


def test_nothing_is_kept_of_tasks_that_have_left_their_worker(watched: Watched) -> None:
    watched.create(*"abcd")
    watched.say("p", steal("n:1", 1, 4, slots=4))
    for id in range(4):
        watched.say("p", m.Output("n:1", id, 2, b"said"))
    watched.say("p", complete("n:1", 2, Result(0, 1), Result(1, 1, 1), slots=4))
    watched.lose("p")
    watched.take()
    assert watched.overview._times == {} and watched.overview._tails._of == {}


def test_without_a_record_it_tells_who_works_and_how_it_stands_and_no_more(watched: Watched) -> None:
    answers = NoRecord(watched.overview)
    watched.say("p", steal("n:1", 1))
    assert isinstance(answers.answer(m.Watch()), m.Answer)
    workers = answers.answer(m.Workers())
    assert isinstance(workers, m.Answer) and json.loads(workers.data)[0]["location"] == "n:1"
    assert isinstance(answers.answer(m.List()), m.Error)
