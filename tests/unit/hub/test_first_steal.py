"""A hub that stands still, or loads, while a worker says its first words: both agree on what the worker holds then."""

from __future__ import annotations

import pytest

from dwork.core import messages as m
from dwork.core.task import Result, State
from dwork.worker.worker import OVER_TCP, Worker
from tests.stage import Stage


@pytest.mark.parametrize("repeats", [0, 1, 4])
@pytest.mark.parametrize("slots", [1, 3])
def test_no_task_is_lost_between_a_worker_that_asks_again_and_a_hub_that_answers_each_time(
    stage: Stage, repeats: int, slots: int
) -> None:
    names = [f"t{i}" for i in range(12)]
    stage.create(*names)
    worker = Worker("w:1", slots, OVER_TCP)
    unheard = [message for n in range(repeats + 1) for message in worker.outbox(stage.now + n * OVER_TCP.patience)]
    assert len(unheard) == repeats + 1
    stage.now += repeats * OVER_TCP.patience
    for _ in range(100):
        for message in unheard:
            stage.say("p", message)
        for _, answer in stage.take():
            worker.receive(answer, stage.now)
        while (assigned := worker.next(stage.now)) is not None:
            worker.ended(Result(assigned.id, assigned.attempt, seconds=0.01), stage.now)
        stage.now += 0.05
        unheard = worker.outbox(stage.now)
    assert {stage.state(name) for name in names} == {State.DONE}
    assert worker.over
    assert not stage.hub.workers["w:1"].held


def test_a_hub_that_wants_a_task_ended_which_its_worker_lacks_is_set_right(stage: Stage) -> None:
    stage.create("a")
    worker = Worker("w:1", 1, OVER_TCP)
    for message in worker.outbox(stage.now):
        stage.say("p", message)
    welcome, transfer = (message for _, message in stage.take())
    assert isinstance(welcome, m.Welcome) and isinstance(transfer, m.Transfer)
    worker.receive(welcome, stage.now)  # the Transfer is lost
    stage.took(stage.hub.drain(stage.now, "SIGTERM", running=True))
    for _ in range(3):
        for _, message in stage.take():
            worker.receive(message, stage.now)
        for message in worker.outbox(stage.now):
            stage.say("p", message)
    assert stage.hub.over and stage.state("a") is State.READY
    stage.take()
