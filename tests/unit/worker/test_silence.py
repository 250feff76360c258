"""How long a worker waits for its hub."""

from __future__ import annotations

import pytest

from dwork.core.messages import Transfer
from dwork.worker.silence import FIRST, LEAST_PATIENCE, PATIENCE, HubSilence
from tests.unit.worker.bench import waiting


def test_a_hub_is_gone_when_an_answer_is_missing_for_hub_timeout() -> None:
    silence = HubSilence(waiting(), 0.0, 60.0, is_rank=False)
    assert not silence.is_over(59.9) and silence.deadline == 60.0
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


def test_after_a_standstill_the_wait_begins_again() -> None:
    silence = HubSilence(waiting(), 0.0, 60.0, is_rank=False)
    silence.begin_again(1000.0)
    assert not silence.is_over(1059.9) and silence.is_over(1060.0)


@pytest.mark.parametrize(("is_rank", "limit"), [(True, FIRST), (False, 60.0)])
def test_a_rank_waits_longer_for_the_first_message(is_rank: bool, limit: float) -> None:
    silence = HubSilence(waiting(is_known=False), 0.0, 60.0, is_rank=is_rank)
    assert not silence.is_over(limit - 0.1) and silence.is_over(limit)


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
