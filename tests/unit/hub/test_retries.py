"""Retries of tasks that failed: they wait, and go to another worker."""

from __future__ import annotations

import pytest

from dwork.core import events as e
from dwork.core import messages as m
from dwork.core.messages import Verb
from dwork.core.task import Result, State
from dwork.hub.graph import Graph, Restored
from dwork.hub.policy import Policy
from dwork.hub.retries import LOOK, Retries
from tests.stage import INF, Stage, complete, fail, finish, served, steal, task, told
from tests.unit.hub.graphs import graph_of, held, order

# -- retries wait -----------------------------------------------------------------------------------------------------


def test_a_retry_waits_twice_as_long_each_time_up_to_a_minute() -> None:
    stage = Stage(Policy(retries=8))
    stage.create("a")
    for n, delay in enumerate([1, 2, 4, 8, 16, 32, 60, 60]):
        fail(stage, "a")
        (retried,) = [event for event in stage.heard() if isinstance(event, e.Retried)]
        assert (retried.attempts_left, retried.delay) == (8 - n, delay)
        assert stage.hub.deadline == stage.now + delay
        assert (stage.state("a"), stage.hub.over) == (State.WAITING, False)
        stage.wait(delay - 0.5)
        assert stage.ask("p", m.Steal("other")) == m.NotFound()
        stage.wait(0.5)
        assert stage.hub.deadline == INF
    fail(stage, "a")
    assert stage.state("a") is State.FAILED
    assert stage.hub.graph.names["a"].attempt == 9
    finish(stage)


def test_the_first_delay_is_the_policys() -> None:
    stage = Stage(Policy(retries=2, delay=0.25))
    stage.create("a")
    fail(stage, "a")
    assert stage.hub.deadline == 100.25
    stage.wait(0.25)
    fail(stage, "a")
    assert stage.hub.deadline == 100.75
    finish(stage)


@pytest.mark.parametrize("delay", [0.0, 1e-300, 1.0])
def test_the_delay_of_the_thousandth_retry_is_a_number(delay: float) -> None:
    graph = Graph()
    graph.restore([Restored(0, task("a"), failures=1100)])
    (node,) = graph.take(1, "w")
    assert 0.0 <= Retries(graph, delay).failed(node, "w", 100.0) <= 60.0


def test_several_that_wait_come_each_in_its_time() -> None:
    stage = Stage(Policy(retries=3))
    stage.create("a", "b")
    assert told(stage.ask("p", m.Steal("vm", 2))) == ["a", "b"]
    stage.ask("p", m.Complete("vm", (Result("b", 0, 1),)))
    stage.now += 0.5
    stage.ask("p", m.Complete("vm", (Result("a", 0, 1),)))
    assert stage.hub.deadline == 101.0
    stage.wait(0.5)
    assert stage.states() == "waiting ready"
    assert stage.hub.deadline == 101.5
    stage.wait(0.5)
    assert stage.states() == "ready ready"
    finish(stage)


def test_a_worker_that_waits_is_served_when_the_retry_is_due() -> None:
    stage = Stage(Policy(retries=1))
    stage.create("a")
    stage.say("p", steal("w", 1))
    stage.take()
    stage.say("p", complete("w", 2, Result(0, 1, 1), n=1))
    assert stage.take() == [("p", m.OK(answers=2))]
    stage.wait(1.0)
    assert served(stage) == [("p", ["a"])]
    assert isinstance(stage.heard()[-1], e.Stolen)
    finish(stage)


def test_a_task_that_waits_for_its_retry_can_be_cancelled_and_tried_again() -> None:
    stage = Stage(Policy(retries=1))
    stage.create("a", task("b", "a"))
    fail(stage, "a")
    assert stage.order(Verb.CANCEL, "a") == m.OK(n=1)
    assert stage.states() == "cancelled skipped"
    assert stage.order(Verb.RETRY, "a") == m.OK(n=1)
    assert stage.states() == "waiting waiting"
    stage.wait(1.0)
    assert stage.states() == "ready waiting"
    assert stage.order(Verb.CANCEL, "a") == m.OK(n=1)
    stage.wait(60.0)
    assert stage.states() == "cancelled skipped"
    finish(stage)


# -- and go elsewhere -------------------------------------------------------------------------------------------------


def test_a_retry_goes_to_another_worker_though_the_first_has_waited_longer() -> None:
    stage = Stage(Policy(retries=1))
    stage.create("a")
    stage.say("p", steal("w", 1))
    stage.say("p", complete("w", 2, Result(0, 1, 1), n=1))
    stage.say("q", steal("w2", 1))
    stage.take()
    stage.wait(1.0)
    assert served(stage) == [("q", ["a"])]
    finish(stage)


def test_a_retry_without_delay_goes_to_another_worker_that_waits() -> None:
    stage = Stage(Policy(retries=1, delay=0.0))
    stage.create("a")
    stage.say("p", steal("w", 1))
    stage.say("q", steal("w2", 1))
    stage.take()
    stage.say("p", complete("w", 2, Result(0, 1, 1), n=1))
    assert [(peer, type(message)) for peer, message in stage.take()] == [("p", m.OK), ("q", m.Transfer)]
    finish(stage)


def test_a_retry_goes_to_the_same_worker_when_nobody_else_is_there() -> None:
    stage = Stage(Policy(retries=2, delay=0.0))
    stage.create("a", "b")
    fail(stage, "a")
    fail(stage, "b")
    fail(stage, "a")
    stage.say("p", steal("vm", 1))
    assert served(stage) == [("p", ["b"])]
    stage.say("p", complete("vm", 2, Result(1, 2), n=1))
    assert served(stage) == [("p", ["a"])]
    finish(stage)


def test_when_it_failed_on_all_who_wait_the_first_of_them_gets_it() -> None:
    stage = Stage(Policy(retries=9, delay=0.0))
    stage.create("a", "b")
    stage.say("p", steal("w", 1))
    stage.say("q", steal("w2", 1))
    stage.say("p", complete("w", 2, Result(0, 1, 1)))
    stage.say("q", complete("w2", 2, Result(1, 1, 1)))
    stage.take()
    stage.order(Verb.HOLD, "a", "b")
    stage.say("q", steal("w2", 3))
    stage.say("p", steal("w", 3))
    stage.order(Verb.RELEASE, "a")
    assert served(stage) == [("q", ["a"])]
    stage.order(Verb.RELEASE, "b")
    assert served(stage) == [("p", ["b"])]
    stage.say("p", complete("w", 4, Result(1, 2, 1), n=1))  # and now on both, and w waits alone
    assert served(stage) == [("p", ["b"])]
    finish(stage)


def test_an_idle_worker_gets_what_failed_on_it_before_a_busy_one_does() -> None:
    stage = Stage(Policy(retries=1))
    stage.create("a", "b")
    stage.say("p", steal("w", 1))
    stage.say("q", steal("busy", 1))
    stage.say("q", steal("busy", 2))  # ahead of need
    stage.say("p", complete("w", 2, Result(0, 1, 1), n=1))
    stage.take()
    stage.wait(1.0)
    assert served(stage) == [("p", ["a"])]
    finish(stage)


def test_a_worker_gets_what_has_not_failed_on_it_first_and_the_rest_keeps_its_place() -> None:
    stage = Stage(Policy(retries=1, delay=0.0))
    stage.create("a", "b")
    fail(stage, "a")
    fail(stage, "b")
    stage.create("c", "d")
    assert told(stage.ask("p", m.Steal("vm", 1))) == ["c"]
    assert told(stage.ask("p", m.Steal("other", 1))) == ["a"]
    assert told(stage.ask("p", m.Steal("vm", 9))) == ["d"]
    assert told(stage.ask("p", m.Steal("vm", 9))) == ["b"]
    assert [stage.hub.graph.names[name].attempt for name in "abcd"] == [2, 2, 1, 1]
    finish(stage)


def test_only_so_many_are_looked_through_for_something_else() -> None:
    stage = Stage(Policy(retries=1, delay=0.0))
    stage.create(*map(str, range(LOOK)))
    for i in range(LOOK):
        fail(stage, str(i))
    stage.create("fine")
    assert told(stage.ask("p", m.Steal("vm", 9))) == ["0"]
    assert told(stage.ask("p", m.Steal("vm", 9))) == ["fine"]
    finish(stage)


def test_a_task_that_ended_is_avoided_no_more() -> None:
    stage = Stage(Policy(retries=1, delay=0.0))
    stage.create("a")
    fail(stage, "a")
    fail(stage, "a")
    stage.order(Verb.RETRY, "a")
    stage.create("b")
    assert told(stage.ask("p", m.Steal("vm", 1))) == ["a"]
    finish(stage)


# -- what is remembered -----------------------------------------------------------------------------------------------


@pytest.fixture
def retries() -> Retries:
    """Of a graph with two tasks: a is assigned to w, b is ready."""
    graph = graph_of("a", "b")
    held(graph, 1)
    return Retries(graph, 1.0)


def test_a_failed_task_waits_longer_after_each_failure(retries: Retries) -> None:
    graph = retries._graph
    (a,) = [node for node in graph.names.values() if node.state is State.ASSIGNED]
    for delay in (1.0, 2.0):
        graph.count_failure(a)
        assert retries.failed(a, "w", 100.0) == delay
        assert order(graph) == ["b"]
        retries.tick(100.0 + delay)
        assert order(graph) == ["b", "a"]
        graph.untake([node for node in graph.take(2, "w") if node is not a])


def test_a_task_that_has_ended_is_neither_a_suspect_nor_avoided(retries: Retries) -> None:
    a = retries._graph.names["a"]
    retries.suspect([a])
    retries._failed_on[a] = "w"
    retries.forget([a])
    assert not retries.lost and not retries._failed_on


def test_a_task_that_was_lost_twice_is_a_suspect_after_one_worker_turns_out_to_live(retries: Retries) -> None:
    a = retries._graph.names["a"]
    retries.suspect([a])
    retries.suspect([a])
    retries.acquit(a)
    assert retries.lost == {a: 1}
    retries.acquit(a)
    assert not retries.lost
