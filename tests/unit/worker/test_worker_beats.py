"""When a worker must send something although nothing has happened, and what a Cancel makes it send."""

from __future__ import annotations

import math

import pytest

from dwork.core import messages as m
from dwork.core.task import Assigned
from dwork.worker.worker import Worker, WorkerPolicy


def welcome(beat: float, *, asked: float = 0.0) -> Worker:
    """A worker whose first Steal, sent at 1000 s, waits at its hub; asked: the beat that the hub asks for."""
    worker = Worker("w", 2, WorkerPolicy(beat=beat))
    (steal,) = worker.outbox(1000.0)
    assert isinstance(steal, m.Steal)
    worker.receive(m.Welcome(beat=asked), 1000.0)
    return worker


@pytest.mark.parametrize(("beat", "asked", "due"), [(5.0, 0.0, 1005.0), (5.0, 2.0, 1002.0), (5.0, 9.0, 1005.0)])
def test_a_beat_is_due_after_the_shorter_of_both_beats(beat: float, asked: float, due: float) -> None:
    worker = welcome(beat, asked=asked)
    assert worker.deadline(1000.0) == due
    assert worker.outbox(due - 0.1) == []
    (message,) = worker.outbox(due)
    assert isinstance(message, m.Beat)
    assert worker.deadline(due) == due + due - 1000.0


def test_a_worker_without_beat_sends_none_whatever_the_hub_asks_for() -> None:
    worker = welcome(0.0, asked=2.0)
    assert worker.deadline(1000.0) == math.inf
    assert worker.outbox(2000.0) == []


def test_a_beat_is_unanswered_until_any_message_comes() -> None:
    worker = welcome(5.0)
    worker.receive(m.NotFound(answers=1), 1000.0)
    worker.leave()
    assert not worker.asks
    worker = welcome(5.0)
    worker.reports.steal = 0
    worker.holding.running[7] = Assigned(7, 1, "a", "a")
    worker.holding.running[8] = Assigned(8, 1, "b", "b")
    worker.outbox(1005.0)
    assert worker.asks
    worker.receive(m.OK(answers=2), 1005.0)
    assert not worker.asks


@pytest.mark.parametrize(("cancelled", "compares"), [((0, 1), False), ((1,), False), ((0, 7), True), ((7,), True)])
def test_only_a_cancel_of_what_it_does_not_hold_makes_it_report_what_it_holds(
    cancelled: tuple[int, ...], compares: bool
) -> None:
    worker = welcome(0.0)
    worker.receive(m.Transfer((Assigned(0, 1, "a", "a"), Assigned(1, 1, "b", "b")), 1), 1000.0)
    worker.next(1000.0)
    worker.receive(m.Cancel(cancelled), 1000.0)
    assert worker.reports.compare == compares
    assert worker.kills() == [id for id in cancelled if id == 0]
    assert [returned.task for returned in worker.holding.returns] == [id for id in cancelled if id == 1]
