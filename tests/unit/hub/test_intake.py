"""Output that goes ahead of results: each byte counts once, and no end counts before all of it is there."""

from __future__ import annotations

from typing import Any

import pytest

from dwork.core import events as e
from dwork.core import messages as m
from dwork.core.cause import Cause
from dwork.core.messages import Output
from dwork.core.task import Result, State
from dwork.hub.graph import Restored
from dwork.hub.intake import Intake
from dwork.hub.outcomes import ASKS, NOT_ALL
from dwork.hub.policy import Policy
from tests.stage import Stage, complete, finish, steal, task, told

AGAIN = m.Welcome("tcp://hub:1", output=True, again=True)


def at_work(*names: str, policy: Policy | None = None) -> Stage:
    """w runs these."""
    stage = Stage(policy, output=True)
    stage.create(*names)
    stage.say("p", steal("w", 1, len(names), slots=len(names), hello=True))
    stage.take()
    stage.heard()
    return stage


def prints(stage: Stage, text: bytes, position: int, *, stream: int = 1, attempt: int = 1, task: int = 0) -> None:
    stage.say("p", m.Output("w", task, stream, text, attempt, position))
    assert not stage.take()


def heard(stage: Stage, stream: int = 1) -> bytes:
    """All that listeners have heard of it since the last time."""
    return b"".join(event.data for event in stage.heard() if isinstance(event, e.Printed) and event.stream == stream)


def ended(sent: int, err: int = 0, status: int = 0, **more: Any) -> Result:
    return Result(0, 1, status, sent=(sent, err), **more)


def test_what_comes_twice_counts_once() -> None:
    stage = at_work("a")
    for position, text in ((0, b"abc"), (0, b"abc"), (1, b"bcde"), (2, b"c"), (5, b"f")):
        prints(stage, text, position)
    assert heard(stage) == b"abcdef"
    finish(stage)


def test_what_stands_behind_a_gap_is_not_taken_before_the_gap_is_filled() -> None:
    stage = at_work("a")
    prints(stage, b"ab", 0)
    prints(stage, b"ef", 4)
    prints(stage, b"errors", 6, stream=2)
    assert heard(stage) == b"ab"
    prints(stage, b"cdef", 2)
    assert heard(stage) == b"cdef"
    finish(stage)


def test_a_worker_that_does_not_count_is_believed() -> None:
    stage = at_work("a")
    for text in (b"one", b"two"):
        stage.say("p", m.Output("w", 0, 1, text))
    stage.say("p", complete("w", 2, Result(0, 1)))
    assert heard(stage) == b"onetwo"
    assert stage.take() == [("p", m.OK(answers=2))] and stage.state("a") is State.DONE
    finish(stage)


def test_output_of_another_attempt_than_it_holds_is_not_taken() -> None:
    stage = at_work("a")
    prints(stage, b"earlier", 0, attempt=7)
    assert heard(stage) == b""
    finish(stage)


@pytest.mark.parametrize(("status", "state"), [(0, State.DONE), (1, State.FAILED)])
def test_an_end_counts_when_all_that_was_printed_is_there(status: int, state: State) -> None:
    stage = at_work("a", "b")
    prints(stage, b"abc", 0)
    stage.say("p", complete("w", 2, ended(6, status=status), Result(1, 1), n=1, slots=2))
    assert stage.take() == [("p", AGAIN)]
    assert stage.states() == "assigned done"
    prints(stage, b"abcdef", 0)
    stage.say("p", complete("w", 3, ended(6, status=status), Result(1, 1), slots=2, held=()))
    assert stage.take() == [("p", m.OK(answers=3))]
    assert stage.state("a") is state
    assert heard(stage) == b"abcdef"
    finish(stage)


def test_standard_error_is_missed_as_well() -> None:
    stage = at_work("a")
    prints(stage, b"abc", 0)
    stage.say("p", complete("w", 2, ended(3, 1)))
    assert stage.take() == [("p", AGAIN)] and stage.state("a") is State.ASSIGNED
    prints(stage, b"e", 0, stream=2)
    stage.say("p", complete("w", 3, ended(3, 1)))
    assert stage.take() == [("p", m.OK(answers=3))] and stage.state("a") is State.DONE
    finish(stage)


def test_who_is_asked_for_output_gets_no_tasks_that_it_would_not_take() -> None:
    stage = at_work("a", "b")
    stage.say("p", steal("w", 2, slots=2))  # it waits
    stage.say("p", complete("w", 3, ended(6), n=1, slots=2))
    assert stage.take() == [("p", AGAIN)]
    stage.create("c")
    assert not stage.sent and stage.state("c") is State.READY
    finish(stage)


def test_a_worker_that_dies_before_all_is_there_has_lost_the_attempt() -> None:
    stage = at_work("a")
    stage.say("p", complete("w", 2, ended(6)))
    stage.take()
    stage.lose("p")
    assert stage.state("a") is State.READY
    assert not any(isinstance(event, e.Finished) for event in stage.heard())
    finish(stage)


def test_what_a_worker_cannot_send_runs_again_and_does_not_count_as_done() -> None:
    stage = at_work("a")
    prints(stage, b"abc", 0)
    for i in range(ASKS):
        stage.say("p", complete("w", 2 + i, ended(6)))
        assert stage.take() == [("p", AGAIN)]
    stage.say("p", complete("w", 2 + ASKS, ended(6)))
    assert stage.take() == [("p", m.OK(answers=2 + ASKS))]
    assert stage.state("a") is State.READY
    (requeued,) = [event for event in stage.heard() if isinstance(event, e.Requeued)]
    assert (requeued.reason, requeued.cause) == (NOT_ALL, Cause.NO_OUTPUT)
    stage.say("p", steal("w", 9))
    assert told(stage.take()[0][1]) == ["a"]
    finish(stage)


def test_a_worker_that_never_can_makes_the_task_fail_in_the_end() -> None:
    stage = at_work("a", policy=Policy(losses=2))
    sequence = 1
    while stage.state("a") is State.ASSIGNED:
        sequence += 1
        attempt = stage.hub.graph.names["a"].attempt
        stage.say("p", complete("w", sequence, Result(0, attempt, sent=(6, 0)), n=1))
        assert sequence < 20
    stage.take()
    (failed,) = [event for event in stage.heard() if isinstance(event, e.Failed)]
    assert failed.task.result.cause is Cause.NO_OUTPUT
    assert failed.task.result.error == f"it was lost 2 times; the last time {NOT_ALL}"
    finish(stage)


def test_as_long_as_more_comes_it_is_asked_for() -> None:
    stage = at_work("a")
    for i in range(10):
        stage.say("p", complete("w", 2 + i, ended(10)))
        assert stage.take() == [("p", AGAIN)]
        prints(stage, b"x", i)
    stage.say("p", complete("w", 12, ended(10)))
    assert stage.take() == [("p", m.OK(answers=12))] and stage.state("a") is State.DONE
    finish(stage)


def test_a_hub_that_wants_no_output_misses_none() -> None:
    stage = Stage()
    stage.create("a")
    stage.say("p", steal("w", 1))
    stage.say("p", complete("w", 2, ended(6)))
    stage.take()
    assert stage.state("a") is State.DONE
    finish(stage)


def test_a_worker_that_says_it_has_nothing_in_hand_does_not_lose_what_it_owes() -> None:
    """The end is told together with what is in hand, as after an answer that got lost."""
    stage = at_work("a", "b")
    stage.say("p", complete("w", 2, ended(6), slots=2, held=((1, 1),)))
    assert stage.take() == [("p", AGAIN)]
    assert stage.states() == "assigned assigned"
    stage.say("p", steal("w", 3, slots=2, held=((1, 1),)))  # and now it knows nothing of it any more
    stage.take()
    assert stage.hub.graph.names["a"].attempt == 2
    finish(stage)


@pytest.mark.parametrize("runs_elsewhere", [False, True])
def test_the_end_of_a_worker_that_was_taken_for_lost_counts_with_its_output(runs_elsewhere: bool) -> None:
    stage = at_work("a")
    prints(stage, b"abc", 0)
    assert heard(stage) == b"abc"
    stage.lose("p")
    if runs_elsewhere:
        stage.say("q", steal("other", 1, hello=True))
        assert stage.hub.graph.names["a"].attempt == 2
    stage.take()
    prints(stage, b"def", 3)  # nobody listens
    stage.say("p", complete("w", 2, ended(6)))
    assert stage.take() == [("p", AGAIN)]  # it is not known
    prints(stage, b"abcdef", 0)
    stage.say("p", complete("w", 3, ended(6), held=()))
    sent = stage.take()
    assert ("p", AGAIN) in sent and stage.state("a") is State.ASSIGNED
    assert not runs_elsewhere or ("q", m.Cancel((0,))) in sent
    assert heard(stage) == b""
    prints(stage, b"abcdef", 0)
    stage.say("p", complete("w", 4, ended(6), held=()))
    assert ("p", m.OK(answers=4)) in stage.take()
    assert stage.state("a") is State.DONE
    assert heard(stage) == b"abcdef"
    finish(stage)


def test_a_restarted_hub_takes_what_its_record_lacks() -> None:
    stage = Stage(output=True)
    entry = Restored(0, task("a"), State.ASSIGNED, 1, "w", printed=(3, 1))
    stage.took(stage.hub.restore([entry], stage.now, {"w": 1}))
    prints(stage, b"ghi", 6)  # two pieces went to the hub that was
    prints(stage, b"rror", 1, stream=2)
    assert heard(stage, 2) == b"rror"
    stage.say("p", complete("w", 7, ended(9, 5)))
    assert stage.take() == [("p", AGAIN)]
    prints(stage, b"abcdefghi", 0)
    prints(stage, b"error", 0, stream=2)
    stage.say("p", complete("w", 8, ended(9, 5), held=()))
    assert stage.take() == [("p", m.OK(answers=8))]
    assert heard(stage) == b"defghi"
    finish(stage)


def test_the_bytes_of_a_stream_count_once() -> None:
    intake = Intake()
    assert intake.take(Output("w", 0, 1, b"abc", 1, 0), 1) == b"abc"
    assert intake.take(Output("w", 0, 1, b"bcd", 1, 1), 1) == b"d"
    assert intake.take(Output("w", 0, 1, b"e", 1, 4), 1) == b"e"
    assert intake.asks(0, 1, (5, 0)) == 0


def test_missing_output_is_counted_again_when_more_has_come() -> None:
    intake = Intake()
    assert [intake.asks(0, 1, (4, 0)), intake.asks(0, 1, (4, 0))] == [1, 2]
    intake.take(Output("w", 0, 1, b"a", 1, 0), 1)
    assert intake.asks(0, 1, (4, 0)) == 1


def test_forgotten_output_has_not_arrived() -> None:
    intake = Intake()
    intake.restore(0, 1, (4, 0))
    assert (intake.attempt(0), intake.asks(0, 1, (4, 0))) == (1, 0)
    intake.forget([0])
    assert not intake and intake.asks(0, 1, (4, 0)) == 1


def test_output_is_heard_from_the_holder_alone_and_not_answered(stage: Stage) -> None:
    stage.create("a")
    stage.say("p", steal("w", 1))
    stage.take()
    stage.heard()
    stage.say("p", m.Output("w", 0, 1, b"x"))
    stage.say("q", m.Output("other", 0, 1, b"y"))
    stage.say("p", m.Output("w", 7, 1, b"z"))
    assert stage.heard() == [e.Printed(100.0, 0, 1, b"x")]
