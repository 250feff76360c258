"""How soon a hub notices that a worker is silent, when it wakes up exactly at its deadlines."""

from __future__ import annotations

import itertools

import pytest

from dwork.core import messages as m
from dwork.core.messages import Native
from tests.stage import INF, Stage, steal


def holding(stage: Stage, beat: float = 2.0) -> None:
    """Worker w at p holds task a, and has promised beats."""
    stage.create("a")
    stage.say("p", steal("w", 1, beat=beat))
    stage.take()


def time_of_loss(stage: Stage, until: float) -> float:
    """When the hub drops a peer, in seconds from now; infinity when it does not until then."""
    begin = stage.now
    while stage.hub.deadline <= begin + until:
        stage.now = max(stage.now, stage.hub.deadline)
        step = stage.hub.tick(stage.now)
        stage.took(step)
        if step.dropped:
            assert (step.dropped, stage.states()) == (["p"], "ready")
            return stage.now - begin
    return INF


def test_a_silent_worker_is_lost_when_its_silence_is_as_long_as_the_policy_says(stage: Stage) -> None:
    holding(stage)
    assert time_of_loss(stage, 200.0) == 60.0


@pytest.mark.parametrize("seconds", [1.0, 7.0, 59.0])
def test_the_checks_for_other_workers_do_not_put_off_its_loss(stage: Stage, seconds: float) -> None:
    numbers = itertools.count(2)
    stage.create("b")
    stage.say("other", steal("other", 1, beat=2.0))
    stage.take()
    stage.wait(seconds)
    holding(stage)
    stage.say("other", m.Beat("other", Native(1, INF, next(numbers), beat=2.0)))
    stage.take()
    begin = stage.now
    while not (step := stage.hub.tick(stage.hub.deadline)).dropped:
        stage.now = step.now
        stage.say("other", m.Beat("other", Native(1, INF, next(numbers), beat=2.0)))
        stage.take()
    assert (step.dropped, step.now - begin) == (["p"], 60.0)


def test_a_worker_whose_beats_are_rare_may_be_silent_for_some_of_them(stage: Stage) -> None:
    holding(stage, beat=40.0)
    assert time_of_loss(stage, 200.0) == 2.5 * 40.0


def test_a_worker_that_promised_no_beats_is_never_silent(stage: Stage) -> None:
    holding(stage, beat=0.0)
    assert (time_of_loss(stage, 1000.0), stage.hub.deadline) == (INF, INF)


def test_another_worker_that_promised_no_beats_hides_no_silence(stage: Stage) -> None:
    stage.ask("old", m.Steal("cpp:1", 1))
    holding(stage)
    assert time_of_loss(stage, 200.0) == 60.0


def test_when_a_rank_may_have_died_a_few_beats_are_enough(stage: Stage) -> None:
    holding(stage)
    stage.hub.suspect_deaths(stage.now)
    assert time_of_loss(stage, 200.0) == 2.5 * 2.0


def test_the_suspicion_ends_after_the_usual_silence(stage: Stage) -> None:
    holding(stage)
    stage.hub.suspect_deaths(stage.now - 60.0)
    assert time_of_loss(stage, 200.0) >= 60.0


def test_a_hub_that_wakes_up_much_too_late_lets_the_messages_arrive_first(stage: Stage) -> None:
    holding(stage)
    stage.wait(500.0)
    assert stage.states() == "assigned"
    assert time_of_loss(stage, 200.0) == 60.0
