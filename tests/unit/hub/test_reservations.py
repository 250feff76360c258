"""Tasks that ask for cores, memory and GPUs, and the workers that have them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dwork.core import events as e
from dwork.core import messages as m
from dwork.core.resources import Resources
from dwork.core.task import Result, Task
from dwork.hub.policy import Policy
from tests.stage import Stage, complete, steal, task, told

GIB = 2**30


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    yield stage
    stage.hub.check()


def create(stage: Stage, *tasks: str | Task) -> None:
    """Tasks arrive while workers wait."""
    stage.say("client", m.Create(tuple(t if isinstance(t, Task) else Task(t, t) for t in tasks)))
    assert ("client", m.OK()) in stage.sent
    stage.sent.remove(("client", m.OK()))


def come(stage: Stage, name: str, n: int = 1, *, slots: int = 4, has: Resources | None = None) -> list[str]:
    """A worker comes and asks; what it is given, nothing when it must wait."""
    stage.say(name, steal(name, 1, n, slots=slots, has=has or Resources(slots), hello=True))
    return given(stage, name)


def given(stage: Stage, name: str) -> list[str]:
    """What this worker has been given meanwhile."""
    mine = [message for peer, message in stage.sent if peer == name]
    stage.sent = [(peer, message) for peer, message in stage.sent if peer != name]
    return [t for message in mine if isinstance(message, m.Transfer) for t in told(message)]


def done(stage: Stage, name: str, sequence: int, *tasks: str, n: int = 1, slots: int = 4) -> list[str]:
    """A worker reports the good ends of these, and asks for n more."""
    results = [Result(stage.hub.graph.names[t].id, 1) for t in tasks]
    stage.say(name, complete(name, sequence, *results, n=n, slots=slots))
    return given(stage, name)


def recalled(stage: Stage, name: str) -> int:
    """How many tasks this worker is asked to give back."""
    asked = [message.n for peer, message in stage.sent if peer == name and isinstance(message, m.Recall)]
    given(stage, name)
    return sum(asked)


def test_a_worker_gets_as_many_as_its_cores_can_run(stage: Stage) -> None:
    create(stage, task("a", cores=2), task("b", cores=2), task("c", cores=2))
    assert come(stage, "w", 4) == ["a", "b"]
    assert done(stage, "w", 2, "a") == ["c"]


def test_memory_and_gpus_are_counted_as_well(stage: Stage) -> None:
    create(stage, task("a", memory=3 * GIB), task("b", memory=3 * GIB), task("g", gpus=1), task("h", gpus=1))
    assert come(stage, "w", 8, slots=8, has=Resources(8, 5 * GIB, 1)) == ["g", "a"]


def test_the_memory_of_a_worker_that_does_not_know_it_is_enough_for_all(stage: Stage) -> None:
    create(stage, task("a", memory=1 << 50))
    assert come(stage, "w") == ["a"]


def test_a_worker_that_tells_no_slots_gets_what_it_asks_for(stage: Stage) -> None:
    create(stage, task("a", cores=64, gpus=8))
    assert told(stage.ask("p", m.Steal("vm", 1))) == ["a"]


def test_what_a_worker_took_before_it_told_its_slots_takes_its_room(stage: Stage) -> None:
    create(stage, task("big", cores=3), task("another", cores=3))
    stage.say("w", m.Steal("w", 1))
    assert given(stage, "w") == ["big"]
    assert come(stage, "w") == []
    assert come(stage, "v") == ["another"]


def test_large_ones_go_first_and_small_ones_fill_the_rest(stage: Stage) -> None:
    create(stage, "s1", "s2", task("l", cores=3))
    assert come(stage, "w", 4) == ["l", "s1"]


def test_priority_goes_before_size(stage: Stage) -> None:
    create(stage, task("l", cores=3), task("p", priority=1), task("q", cores=2, priority=1))
    assert come(stage, "w", 4) == ["q", "p"]


def test_of_one_kind_they_go_in_their_order(stage: Stage) -> None:
    create(stage, *[task(f"t{i}", cores=2) for i in range(4)])
    assert come(stage, "w", 4) == ["t0", "t1"]
    assert done(stage, "w", 2, "t0", "t1", n=2) == ["t2", "t3"]


def test_a_worker_that_is_idle_but_too_small_waits_and_others_are_served(stage: Stage) -> None:
    create(stage, task("l", cores=4))
    assert come(stage, "small", slots=2) == []
    assert come(stage, "large") == ["l"]
    create(stage, "s")
    assert given(stage, "small") == ["s"]


def test_nobody_gets_more_than_it_can_start_while_a_large_one_is_ready(stage: Stage) -> None:
    create(stage, *[f"s{i}" for i in range(100)])
    assert len(come(stage, "w", 40)) > 4
    create(stage, task("l", cores=4))
    assert recalled(stage, "w") > 0
    assert come(stage, "v", 40) == ["l"]


def test_one_worker_is_kept_for_a_large_one_until_it_fits(stage: Stage) -> None:
    create(stage, *[f"s{i}" for i in range(12)])
    assert come(stage, "w", 4) == ["s0", "s1", "s2", "s3"]
    assert come(stage, "v", 4) == ["s4", "s5", "s6", "s7"]
    create(stage, task("l", cores=4))
    assert done(stage, "w", 2, "s0", n=1) == []
    assert done(stage, "v", 2, "s4", n=1) == ["s8"]
    assert done(stage, "w", 3, "s1", "s2", n=1) == []
    assert done(stage, "w", 4, "s3", n=1) == ["l"]
    assert done(stage, "w", 5, "l", n=4) == ["s9", "s10", "s11"]


def test_a_kept_worker_still_gets_what_is_not_in_the_way(stage: Stage) -> None:
    create(stage, *[f"s{i}" for i in range(6)], "more")
    assert len(come(stage, "w", 6, slots=6)) == 6
    create(stage, task("l", cores=3))
    assert done(stage, "w", 2, "s0", "s1", "s2", "s3", n=2, slots=6) == ["l", "more"]


def test_the_next_large_one_keeps_the_next_worker(stage: Stage) -> None:
    create(stage, *[f"s{i}" for i in range(4)])
    come(stage, "w", 4)
    create(stage, task("l1", cores=4), task("l2", cores=4), "small")
    assert done(stage, "w", 2, "s0", "s1", "s2", "s3", n=4) == ["l1"]
    assert come(stage, "v", 4) == ["l2"]
    assert done(stage, "w", 3, "l1", n=4) == ["small"]


def test_nobody_is_kept_for_a_large_one_of_low_priority(stage: Stage) -> None:
    create(stage, *[task(f"s{i}", priority=1) for i in range(6)])
    come(stage, "w", 4)
    create(stage, task("l", cores=4))
    assert done(stage, "w", 2, "s0", n=1) == ["s4"]
    assert done(stage, "w", 3, "s1", n=1) == ["s5"]
    assert done(stage, "w", 4, "s2", "s3", "s4", "s5", n=1) == ["l"]


def test_a_kept_worker_is_free_again_when_another_took_the_large_one(stage: Stage) -> None:
    create(stage, "s0", "s1", "s2", "s3")
    come(stage, "w", 4)
    create(stage, task("l", cores=4), "small")
    assert done(stage, "w", 2, "s0", n=1) == []
    assert come(stage, "v", 1) == ["l"]
    assert given(stage, "w") == ["small"]


def test_a_kept_worker_is_free_again_when_the_large_one_is_cancelled(stage: Stage) -> None:
    create(stage, "s0", "s1", "s2", "s3")
    come(stage, "w", 4)
    create(stage, task("l", cores=4), "small")
    assert done(stage, "w", 2, "s0", n=1) == []
    stage.order(m.Verb.CANCEL, "l")
    assert given(stage, "w") == ["small"]


def test_when_a_kept_worker_dies_another_is_kept(stage: Stage) -> None:
    create(stage, *[f"s{i}" for i in range(10)])
    come(stage, "w", 4)
    create(stage, task("l", cores=4))
    assert done(stage, "w", 2, "s0", n=1) == []
    assert come(stage, "v", 1) == ["l"]
    stage.lose("w")
    assert done(stage, "v", 2, "l", n=1) == ["s5"]  # what the dead one had goes last


def test_a_large_one_goes_back_to_the_worker_on_which_it_failed_when_an_idle_one_is_too_small() -> None:
    stage = Stage(Policy(retries=1, delay=1.0))
    create(stage, task("big", cores=3), "small", "other")
    assert come(stage, "w", slots=1, has=Resources(4)) == ["big"]
    assert come(stage, "v", slots=2) == ["small"]
    stage.say("w", complete("w", 2, Result(0, 1, 1), n=1))
    assert given(stage, "w") == ["other"]
    stage.say("v", steal("v", 2, slots=2))
    stage.wait(1.0)
    assert stage.states("big") == "ready"
    assert done(stage, "w", 3, "other", slots=1) == ["big"]


def test_an_idle_worker_gets_a_large_one_whatever_became_of_others_like_it() -> None:
    stage = Stage(Policy(retries=1, delay=1.0))
    create(stage, task("a", cores=3), task("b", cores=3), "long")
    assert come(stage, "v", slots=1) == ["long"]
    assert come(stage, "w", slots=1, has=Resources(4)) == ["a"]
    for sequence, id in ((2, 0), (3, 1)):
        stage.say("w", complete("w", sequence, Result(id, 1, 1), n=1))
    assert given(stage, "w") == ["b"]
    stage.wait(1.0)
    assert given(stage, "w") == ["a"]
    stage.say("w", complete("w", 4, Result(0, 2), n=1))
    assert given(stage, "w") == ["b"]
    stage.say("w", complete("w", 5, Result(1, 2), n=1))
    create(stage, task("c", cores=3))
    assert given(stage, "w") == ["c"]


def test_a_full_worker_with_a_suspect_gets_nothing_while_a_large_one_waits_for_a_worker() -> None:
    stage = Stage()
    create(stage, "suspect", task("huge", cores=64))
    assert come(stage, "v", slots=1) == ["suspect"]
    stage.lose("v")
    assert come(stage, "w", slots=1) == ["suspect"]
    create(stage, "innocent")
    stage.say("w", steal("w", 2, 1))
    assert given(stage, "w") == []


def test_a_kind_that_no_worker_could_run_is_told_once_and_waits(stage: Stage) -> None:
    assert come(stage, "w") == []
    create(stage, task("l", cores=8), task("m", cores=8))
    stage.heard()
    stage.wait(6.0)
    stage.wait(6.0)
    unmet = [event for event in stage.heard() if isinstance(event, e.Unmet)]
    assert [(event.asked, event.most) for event in unmet] == [(Resources(8), Resources(4))]
    assert not stage.hub.over
    assert come(stage, "large", slots=8) == ["l"]


def test_what_no_worker_could_run_is_not_told_when_nothing_is_started_any_more(stage: Stage) -> None:
    come(stage, "w")
    create(stage, task("big", cores=8))
    stage.took(stage.hub.drain(stage.now, "enough"))
    stage.wait(6.0)
    assert not any(isinstance(event, e.Unmet) for event in stage.heard())


def test_a_hub_whose_workers_are_all_there_stops_when_nothing_else_is_left() -> None:
    stage = Stage(Policy(elastic=False))
    assert come(stage, "w") == []
    create(stage, task("l", cores=8), "s")
    assert given(stage, "w") == ["s"]
    stage.wait(6.0)
    assert not stage.hub.stop.reason
    done(stage, "w", 2, "s")
    assert stage.hub.stop.reason == "the remaining tasks ask for more than any worker has"
    assert stage.hub.over


def test_what_a_task_misses_is_told(stage: Stage) -> None:
    create(stage, "s", task("l", cores=4), task("g", gpus=1))

    def misses(name: str) -> str:
        return stage.hub.dispatch.misses(stage.hub.graph.names[name])

    assert misses("g") == ""
    assert come(stage, "w", has=Resources(4, GIB)) == ["l"]
    create(stage, task("k", cores=4))
    assert misses("k") == "no worker has 4 cores free"
    assert misses("g") == "it asks for 1 core and 1 GPU, but no worker has that (maximum: 4 cores and 1.0 GiB)"
    assert misses("s") == misses("l") == ""


def test_until_it_is_open_a_hub_hands_out_nothing(stage: Stage) -> None:
    stage.took(stage.hub.open(stage.now, is_open=False))
    create(stage, "s")
    assert come(stage, "w") == []
    stage.took(stage.hub.open(stage.now))
    assert given(stage, "w") == ["s"]


def test_a_worker_that_did_not_say_what_it_has_has_a_core_for_each_slot(stage: Stage) -> None:
    create(stage, task("g", gpus=1), task("l", cores=4), task("h", cores=5))
    stage.say("w", steal("w", 1, 4, slots=4))
    assert given(stage, "w") == ["l"]


def test_slots_beyond_the_cores_count_as_cores(stage: Stage) -> None:
    create(stage, "a", "b", "c")
    assert come(stage, "w", 3, slots=3, has=Resources(1)) == ["a", "b", "c"]


def test_what_was_handed_out_before_a_restart_still_takes_its_room(stage: Stage) -> None:
    create(stage, task("l", cores=3), task("k", cores=3))
    assert come(stage, "w") == ["l"]
    held = ((stage.hub.graph.names["l"].id, 1),)
    stage.say("w", steal("w", 2, 1, slots=4, has=Resources(4), held=held))
    assert given(stage, "w") == []
    assert done(stage, "w", 3, "l") == ["k"]


def test_of_many_kinds_the_largest_that_fit_go_first(stage: Stage) -> None:
    create(stage, *[task(f"m{i}", memory=i + GIB) for i in range(1000)])
    assert come(stage, "w", 4, has=Resources(4, 4 * GIB)) == [f"m{i}" for i in (999, 998, 997)]


def test_another_worker_is_kept_for_a_large_task_when_the_kept_one_is_gone(stage: Stage) -> None:
    stage.create(*"abcdefgh")
    stage.say("p", steal("w", 1, 4, slots=4))
    stage.say("q", steal("v", 1, 4, slots=4))
    stage.say("client", m.Create((task("large", cores=4),)))
    assert list(stage.hub.dispatch.kept.by_location) == ["w"]
    stage.lose("p")
    assert list(stage.hub.dispatch.kept.by_location) == ["v"]
    stage.take()
