"""What is read off a hub: what runs, what waits in workers' hands, and which slots are busy."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dwork.core import messages as m
from dwork.core.resources import Resources
from dwork.core.task import Result, State
from dwork.output.totals import Totals
from dwork.progress.standing import Standing, standing
from tests.stage import Stage, complete, finish, steal, task


class Watched(Stage):
    """A hub with totals, and how it stands."""

    def __init__(self) -> None:
        super().__init__()
        self.totals = Totals()

    def stand(self) -> Standing:
        self.totals.hear(self.heard())
        self.take()
        return standing(self.hub, self.totals, self.now)


@pytest.fixture
def stage() -> Iterator[Watched]:
    stage = Watched()
    yield stage
    stage.take()
    finish(stage)


def test_what_waits_in_a_workers_hands_is_ready_and_does_not_run(stage: Watched) -> None:
    stage.create(*map(str, range(100)))
    stage.say("a", steal("a", 1, 12, slots=2, hello=True))
    at = stage.stand()
    assert at.counts[State.ASSIGNED] > 2
    assert (at.running, at.ready, at.busy, at.slots, at.cores) == (2, 98, 2, 2, 2)
    assert (at.total, at.unstarted, at.over) == (100, 98, 0)


def test_what_has_ended_in_this_run_is_told_with_its_time(stage: Watched) -> None:
    stage.create("a", "b", "c")
    stage.create(task("d", "b"))
    stage.say("w", steal("w", 1, 2, slots=2, hello=True))
    stage.say("w", complete("w", 2, Result(0, 1, seconds=2.0), Result(1, 1, 1, seconds=3.0), slots=2))
    at = stage.stand()
    assert (at.ended, at.seconds, at.over, at.running, at.stopping) == (2, 5.0, 3, 0, False)
    stage.took(stage.hub.drain(stage.now, "enough"))
    assert stage.stand().stopping


def test_a_wide_task_keeps_the_slots_of_all_its_cores(stage: Watched) -> None:
    stage.create(task("wide", cores=3), "narrow")
    stage.say("w", steal("w", 1, 2, slots=4, has=Resources(4), hello=True))
    at = stage.stand()
    assert (at.running, at.cores, at.busy, at.slots, at.ready) == (2, 4, 4, 4, 0)


def test_a_wide_task_in_a_single_slot_keeps_only_that(stage: Watched) -> None:
    stage.create(task("wide", cores=8), "narrow")
    stage.say("w", steal("w", 1, 1, slots=1, has=Resources(8), hello=True))
    at = stage.stand()
    assert (at.running, at.cores, at.busy, at.slots) == (1, 8, 1, 1)


def test_a_worker_that_tells_no_slots_has_one(stage: Watched) -> None:
    stage.create("a", "b", "c")
    assert isinstance(stage.ask("old", m.Steal("old", 3)), m.Transfer)
    at = stage.stand()
    assert (at.running, at.ready, at.busy, at.slots) == (1, 2, 1, 1)
    assert stage.ask("old", m.Complete("old", (Result(0, 0), Result(1, 0), Result(2, 0)))) == m.OK()
    at = stage.stand()
    assert (at.running, at.busy, at.slots) == (0, 0, 1)
