"""Answers from the record of a running hub, also when much has ended that is still to be entered there."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dwork.core import messages as m
from dwork.core.task import Result, Task
from dwork.hub.hub import Hub
from dwork.output.totals import Totals
from dwork.record import store as module
from dwork.record.store import Store
from dwork.server.overview import Overview
from dwork.server.queries import Inquiries
from tests.desk import RUN


class Office:
    """A hub with a record in memory: `n` tasks, of which w:1 gets as many as it asks for."""

    def __init__(self, n: int) -> None:
        self.hub = Hub()
        self.store = Store(":memory:", RUN, self.hub.graph.number)
        self.inquiries = Inquiries(self.hub, self.store, Overview(self.hub, Totals(), "", lambda: 0.0, None))
        self.says("boss", m.Create(tuple(Task(f"t{i}", f"t{i}") for i in range(n))))

    def says(self, peer: str, message: m.Message) -> None:
        self.store.hear(self.hub.receive(peer, message, 5.0).events)

    def works(self, n: int) -> None:
        self.says("w", m.Steal("w:1", n))
        held = list(self.hub.workers["w:1"].held.values())
        self.says("w", m.Complete("w:1", tuple(Result(node.name, 1, started=1.0, seconds=2.0) for node in held)))

    def finds(self, found: Any) -> list[dict[str, Any]]:
        assert isinstance(found, m.Answer)
        return json.loads(found.data)


@pytest.fixture
def office(monkeypatch: pytest.MonkeyPatch) -> Office:
    monkeypatch.setattr(module, "AT_ONCE", 10)
    return Office(100)


def test_what_ended_before_an_inquiry_is_in_its_answer_whenever_that_comes(office: Office) -> None:
    for _ in range(4):
        office.works(10)
    later = office.inquiries.answer(m.List(("done",)))
    assert callable(later) and later() is None
    office.works(5)  # they end after the inquiry
    while later() is None:
        office.store.idle()
    rows = office.finds(later())
    assert [row["name"] for row in rows] == [f"t{i}" for i in range(40)]
    assert all(row["ended"] == 3.0 for row in rows)


def test_a_task_that_has_ended_since_appears_as_it_was(office: Office) -> None:
    for _ in range(4):
        office.works(10)
    later = office.inquiries.answer(m.List())
    office.works(1)
    assert callable(later)
    while later() is None:
        office.store.idle()
    row = office.finds(later())[40]
    assert (row["state"], row["worker"], row["attempt"], row["ended"]) == ("assigned", "w:1", 1, None)
    office.store.settle()
    assert office.finds(office.inquiries.answer(m.List()))[40]["state"] == "done"


def test_a_small_rest_is_entered_at_once(office: Office) -> None:
    office.works(7)
    assert [row["name"] for row in office.finds(office.inquiries.answer(m.List(("done",))))] == [
        f"t{i}" for i in range(7)
    ]


def test_a_join_that_is_done_appears_as_done_though_the_record_stores_no_states_of_joins(office: Office) -> None:
    office.works(100)
    office.says("boss", m.Create((Task("join", None, ("t3",)),)))
    office.store.settle()
    found = office.inquiries.answer(m.Show("join"))
    assert isinstance(found, m.Answer) and json.loads(found.data)["state"] == "done"
