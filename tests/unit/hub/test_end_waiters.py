"""Those who wait for the end of a run hear of it as soon as it is there, and now and then that it is not."""

from __future__ import annotations

import math

from dwork.core import messages as m
from dwork.core.task import Result, State
from tests.stage import Stage, complete, steal


def test_who_waits_is_told_that_it_is_not_over_when_the_time_is_up(stage: Stage) -> None:
    stage.create("a")
    stage.say("p", m.Await(5.0))
    assert stage.take() == []
    assert stage.hub.deadline == stage.now + 5.0
    stage.wait(4.9)
    assert stage.take() == []
    stage.wait(0.1)
    assert stage.take() == [("p", m.NotFound())]
    assert stage.hub.deadline == math.inf


def test_all_who_wait_hear_the_exit_code_and_the_counts_once(stage: Stage) -> None:
    stage.create("a", "b")
    stage.say("p", m.Await(5.0))
    stage.say("q", m.Await(math.inf))
    stage.say("w", steal("w", 1, 2, slots=2))
    stage.take()
    stage.say("w", complete("w", 2, Result(0, 1), Result(1, 1, 3)))
    stage.take()
    stage.took(stage.hub.conclude(stage.now, 1))
    told = stage.take()
    assert [peer for peer, _ in told] == ["p", "q"]
    for _, end in told:
        assert isinstance(end, m.OK) and end.n == 1
        assert dict(end.counts)[State.DONE.value] == 1 and dict(end.counts)[State.FAILED.value] == 1
    stage.took(stage.hub.conclude(stage.now, 1))
    assert stage.take() == [] and stage.hub.deadline == math.inf


def test_who_asks_again_waits_anew_and_who_is_gone_no_more(stage: Stage) -> None:
    stage.say("p", m.Await(1.0))
    stage.say("p", m.Await(9.0))
    stage.say("q", m.Await(2.0))
    stage.wait(1.5)
    assert stage.take() == []
    stage.lose("q")
    stage.wait(5.0)
    assert stage.take() == []
    stage.wait(2.5)
    assert stage.take() == [("p", m.NotFound())]


def test_nobody_waits_for_less_than_no_time(stage: Stage) -> None:
    for wait in (-1.0, math.nan):
        reply = stage.ask("p", m.Await(wait))
        assert isinstance(reply, m.Error) and "wait must be 0 or more" in reply.text
    stage.took(stage.hub.conclude(stage.now, 0))
    assert stage.take() == []
