"""What a worker's loop decides without a loop: what counts as silence, when to leave, which results wait."""

from __future__ import annotations

import math

import pytest

from dwork.core.cause import Cause
from dwork.core.messages import STANDSTILL, Native, Steal, Transfer, Welcome
from dwork.core.task import Assigned, Result
from dwork.worker.silence import LEAST_PATIENCE, PATIENCE, HubSilence
from dwork.worker.stay import Stay
from dwork.worker.suspects import SUSPICION, Suspects
from dwork.worker.worker import Worker


def waiting(*, is_known: bool = True) -> Worker:
    """A worker that has asked its hub for work at 0 and got no answer, only a welcome if it is known."""
    worker = Worker("w:1")
    if is_known:
        worker.receive(Welcome(), 0.0)
    worker.native = True
    (steal,) = worker.outbox(0.0)
    assert isinstance(steal, Steal) and isinstance(steal.native, Native)
    return worker


def busy(worker: Worker) -> Worker:
    worker.receive(Transfer((Assigned(1, 1, "a", "a"),), 1), 0.0)
    assert worker.next(0.0)
    return worker


# -- the silence of the hub -------------------------------------------------------------------------------------------


def test_a_hub_is_gone_when_an_answer_is_missing_for_hub_timeout() -> None:
    silence = HubSilence(waiting(), 0.0, 60.0, is_rank=False)
    silence.wake(59.9)
    assert not silence.is_over(59.9) and silence.deadline == 60.0
    silence.wake(60.0)
    assert silence.is_over(60.0)


def test_any_message_ends_a_silence() -> None:
    silence = HubSilence(waiting(), 0.0, 60.0, is_rank=False)
    silence.listen(50.0, has_heard=True)
    assert silence.deadline == 110.0


def test_a_hub_that_owes_no_answer_is_not_silent() -> None:
    owing, free = waiting(), waiting()
    free.receive(Transfer((), 1), 0.0)
    for worker, deadline in ((owing, 60.0), (free, 110.0)):
        silence = HubSilence(worker, 0.0, 60.0, is_rank=False)
        silence.listen(50.0, has_heard=False)
        assert silence.deadline == deadline


@pytest.mark.parametrize(("late", "since"), [(STANDSTILL, 61.0), (STANDSTILL / 2, 0.0)])
def test_a_sleep_that_ends_far_too_late_was_a_standstill_and_begins_the_wait_again(late: float, since: float) -> None:
    silence = HubSilence(waiting(), 0.0, 60.0, is_rank=False)
    silence.sleep(60.0)
    silence.wake(60.0 + late)
    assert silence.deadline == since + 60.0


def test_a_turn_that_takes_a_second_was_a_standstill() -> None:
    silence = HubSilence(waiting(), 0.0, 60.0, is_rank=False)
    silence.wake(59.0)
    assert not silence.is_over(59.0 + STANDSTILL) and silence.deadline == 120.0


@pytest.mark.parametrize(("is_rank", "deadline"), [(True, 160.0), (False, 60.0)])
def test_only_a_rank_waits_for_the_first_message_without_limit(is_rank: bool, deadline: float) -> None:
    silence = HubSilence(waiting(is_known=False), 0.0, 60.0, is_rank=is_rank)
    silence.wake(100.0)
    assert silence.is_over(100.0) is not is_rank and silence.deadline == deadline


@pytest.mark.parametrize(
    ("beat", "is_rank", "limit"),
    [
        (5.0, True, PATIENCE * 5.0),
        (0.1, True, LEAST_PATIENCE),
        (0.0, True, 60.0),
        (5.0, False, 60.0),
    ],
)
def test_a_rank_is_as_patient_as_its_hub_asks_it_to_beat(beat: float, is_rank: bool, limit: float) -> None:
    silence = HubSilence(waiting(), 0.0, 60.0, is_rank=is_rank)
    silence.expect(beat)
    assert silence.limit == limit


# -- how long to stay -------------------------------------------------------------------------------------------------


def test_a_worker_leaves_when_it_had_no_task_for_so_long() -> None:
    worker = Worker("w:1")
    stay = Stay(worker, 0.0, 10.0)
    stay.check(9.9, math.inf)
    assert not worker.leaving and stay.deadline(math.inf) == 10.0
    stay.check(10.0, math.inf)
    assert worker.leaving and stay.deadline(math.inf) == math.inf


def test_a_task_that_runs_or_waits_begins_the_wait_for_work_again() -> None:
    worker = busy(waiting())
    stay = Stay(worker, 0.0, 10.0)
    stay.check(50.0, math.inf)
    assert not worker.leaving and stay.deadline(math.inf) == 60.0


def test_at_the_last_call_its_tasks_are_killed_once() -> None:
    worker = busy(waiting())
    stay = Stay(worker, 0.0)
    assert not stay.check(99.0, 100.0) and stay.deadline(100.0) == 100.0
    assert stay.check(100.0, 100.0)
    assert worker.leaving and worker.kills() == [1] and stay.deadline(100.0) == math.inf
    assert not stay.check(101.0, 100.0) and worker.kills() == []


def test_a_worker_that_leaves_already_still_kills_its_tasks_at_the_last_call() -> None:
    worker = busy(waiting())
    worker.leave()
    assert Stay(worker, 0.0).check(100.0, 100.0) and worker.kills() == [1]


# -- results that the end of the job may have caused ------------------------------------------------------------------


def ended(id: int, **how: object) -> tuple[Assigned, Result]:
    return Assigned(id, 1, f"t{id}", "x"), Result(id, 1, **how)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("how", "waits"),
    [
        ({"exit_status": 143, "signal": 15}, True),
        ({"exit_status": 143}, True),  # its shell waited for what got the signal
        ({"exit_status": 143, "signal": 15, "cause": Cause.TIMEOUT}, False),
        ({"exit_status": 137, "signal": 9}, False),
        ({"exit_status": 1}, False),
        ({}, False),
    ],
)
def test_what_a_batch_system_may_have_killed_waits(how: dict[str, object], waits: bool) -> None:
    suspects, one = Suspects(), ended(1, **how)
    assert suspects.sift([one], 5.0) == ([] if waits else [one])
    assert suspects.deadline == (5.0 + SUSPICION if waits else math.inf)


def test_each_waits_for_a_second_and_then_counts() -> None:
    suspects, one, two, three = Suspects(), ended(1, signal=15), ended(2, signal=15), ended(3)
    assert suspects.sift([one], 5.0) == []
    assert suspects.sift([two, three], 5.5) == [three]
    assert suspects.sift([], 5.9) == []
    assert suspects.sift([], 6.0) == [one] and suspects.deadline == 6.5
    assert suspects.sift([], 6.5) == [two]
