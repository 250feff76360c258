"""A worker of the C++ hub, which has no numbers and gives one answer to one message."""

from __future__ import annotations

from dwork.core import messages as m
from dwork.core.task import Assigned, Result
from dwork.worker.original import PAUSE
from tests.unit.worker.bench import CAREFUL, INF, Bench


def original(name: str) -> m.Transfer:
    return m.Transfer((Assigned(0, 0, name, name, origin="vm"),))


def test_a_cpp_hub_is_spoken_to_in_lockstep_and_by_name() -> None:
    bench = Bench(greet=False)
    ((steal),) = bench.says()
    assert (steal.location, steal.n) == ("w", 1)
    assert bench.says() == []
    assert bench.worker.asks
    bench.hears(original("a"))
    ((assigned),) = [bench.worker.next(bench.now)]
    assert assigned is not None
    bench.runs(assigned.id)
    assert bench.says() == [m.Complete("w", (Result("a", 0, seconds=1.0),))]
    assert bench.says() == []
    bench.hears(m.OK())
    assert [message.n for message in bench.says()] == [1]
    bench.hears(m.Exit())
    assert bench.says() == []
    assert bench.worker.over


def test_two_tasks_of_a_cpp_hub_are_told_apart_though_it_gives_no_numbers() -> None:
    bench = Bench(slots=2, greet=False)
    bench.says()
    bench.hears(m.Transfer((*original("a").tasks, *original("b").tasks)))
    first, second = bench.worker.next(bench.now), bench.worker.next(bench.now)
    assert first is not None and second is not None and first.id != second.id
    bench.runs(second.id)
    ((complete),) = bench.says()
    assert complete.results[0].task == "b"


def test_a_cpp_hub_with_nothing_ready_is_asked_again_after_a_pause() -> None:
    bench = Bench(greet=False)
    bench.says()
    bench.hears(m.NotFound())
    assert bench.says() == []
    assert bench.worker.deadline(bench.now) == bench.now + PAUSE
    bench.now += PAUSE
    assert [message.n for message in bench.says()] == [1]


def test_while_all_slots_are_busy_there_is_nothing_to_wake_up_for() -> None:
    bench = Bench(greet=False)
    bench.says()
    bench.hears(original("a"))
    bench.starts()
    assert bench.says() == []
    assert bench.worker.deadline(bench.now) == INF


def test_a_first_word_that_is_lost_is_said_again() -> None:
    bench = Bench(policy=CAREFUL, greet=False)
    bench.says()
    assert bench.worker.deadline(bench.now) == bench.now + 10.0
    bench.now += 10.0
    assert [type(message) for message in bench.says()] == [m.Steal]


def test_a_cpp_hub_is_told_goodbye() -> None:
    bench = Bench(greet=False)
    bench.says()
    bench.hears(original("a"))
    bench.starts()
    bench.worker.leave()
    assert bench.says() == []
    bench.runs(1)
    assert [type(message) for message in bench.says()] == [m.Complete]
    bench.hears(m.OK())
    assert bench.says() == [m.Exit("w")]
    assert bench.worker.over


def test_a_cpp_hub_takes_back_what_is_in_hand_at_the_goodbye() -> None:
    bench = Bench(greet=False)
    bench.says()
    bench.hears(original("a"))
    bench.starts()
    bench.worker.leave(running=True)
    bench.runs(1, status=143)
    assert bench.says() == [m.Exit("w")]
    assert bench.worker.over
