"""The rules of the hub's owners, one short test each; tests/simulation/mutants.py breaks each and sees its test fail.

Rules that another file already states as a test of their own are not repeated here.
"""

from __future__ import annotations

import pytest

from dwork.core import events as e
from dwork.core import messages as m
from dwork.core.cause import Cause
from dwork.core.errors import GraphError
from dwork.core.halt import Halt
from dwork.core.messages import Native, Output, Returned, Verb
from dwork.core.min_time import MinTime
from dwork.core.resources import Resources
from dwork.core.task import Result, State, Task
from dwork.hub.graph import Graph, Restored
from dwork.hub.hub import Hub
from dwork.hub.intake import Intake
from dwork.hub.node import Node
from dwork.hub.orphans import Orphans
from dwork.hub.policy import Policy
from dwork.hub.retries import Retries
from dwork.hub.stop import OPEN, Phase
from dwork.hub.workers import WorkerTable
from tests.stage import INF, Stage, complete, finish, steal, task, told

DONE, FAILED, CANCELLED = State.DONE, State.FAILED, State.CANCELLED


def graph_of(*tasks: str | Task) -> Graph:
    graph = Graph()
    graph.add([each if isinstance(each, Task) else Task(each, each) for each in tasks])
    return graph


def order(graph: Graph) -> list[str]:
    return [node.name for node in graph.upcoming(99)]


def held(graph: Graph, n: int = 99) -> list[Node]:
    return graph.take(n, "w")


# -- Graph ------------------------------------------------------------------------------------------------------------


def test_a_task_that_is_refused_leaves_no_name() -> None:
    graph = Graph()
    with pytest.raises(GraphError):
        graph.add([Task("a", "a"), Task("b", "b", ("nosuch",))])
    assert not graph.names


def test_ids_below_the_next_one_are_not_used_again() -> None:
    graph = Graph()
    graph.restore([Restored(0, Task("a", "a"))], next_id=7)
    assert graph.add([Task("b", "b")]).nodes[0].id == 7


def test_a_restored_task_that_was_lost_goes_last() -> None:
    graph = Graph()
    graph.restore([Restored(0, Task("lost", "x"), losses=1, last=1), Restored(1, Task("other", "x"))])
    assert order(graph) == ["other", "lost"]


def test_a_task_that_is_taken_has_one_attempt_more() -> None:
    (node,) = held(graph_of("a"))
    assert (node.attempt, node.holder) == (1, "w")


def test_an_attempt_that_is_adopted_stays_the_same() -> None:
    graph = graph_of("a")
    (node,) = held(graph)
    graph.put_back([node])
    graph.adopt(node, "v")
    assert (node.state, node.attempt, node.holder) == (State.ASSIGNED, 1, "v")


def test_what_a_completion_releases_goes_first() -> None:
    graph = graph_of("a", "z", task("b", "a"))
    graph.finish(held(graph, 1))
    assert order(graph) == ["b", "z"]


def test_only_an_active_task_can_be_cancelled() -> None:
    graph = graph_of("a")
    graph.finish(held(graph))
    with pytest.raises(GraphError):
        graph.cancel(graph.names["a"])


def test_a_task_that_is_put_back_has_no_holder() -> None:
    graph = graph_of("a")
    graph.put_back(held(graph))
    assert graph.names["a"].holder is None


def test_an_attempt_that_did_not_start_does_not_count() -> None:
    graph = graph_of("a")
    graph.untake(held(graph))
    assert graph.names["a"].attempt == 0


def test_an_attempt_that_was_set_aside_does_not_count() -> None:
    graph = graph_of("a")
    graph.set_aside(held(graph))
    assert (graph.names["a"].attempt, graph.ready) == (0, 0)


def test_a_failure_counts_once() -> None:
    graph = graph_of("a")
    (node,) = held(graph)
    assert [graph.count_failure(node), graph.count_failure(node)] == [1, 2]


def test_a_demoted_task_goes_last_until_it_is_promoted() -> None:
    graph = graph_of(task("a", priority=1), "b")
    (node,) = held(graph, 1)
    graph.demote(node, 1)
    graph.put_back([node])
    assert order(graph) == ["b", "a"]
    graph.promote([node])
    held(graph)
    graph.put_back([node])
    graph.put_back([graph.names["b"]])
    assert order(graph) == ["a", "b"]


def test_a_suspended_task_leaves_its_holder() -> None:
    graph = graph_of("a")
    (node,) = held(graph)
    graph.suspend([node])
    assert (node.state, node.holder) == (State.WAITING, None)


def test_a_task_that_is_suspended_twice_is_released_twice() -> None:
    graph = graph_of("a")
    nodes = list(graph.upcoming(1))
    graph.suspend(nodes)
    graph.suspend(nodes)
    graph.release(nodes)
    assert not graph.ready
    graph.release(nodes)
    assert graph.ready == 1


def test_a_released_task_goes_behind_the_others() -> None:
    graph = graph_of("a", "b")
    nodes = held(graph, 1)
    graph.suspend(nodes)
    graph.release(nodes)
    assert order(graph) == ["b", "a"]


def test_a_revived_task_has_no_failures() -> None:
    graph = graph_of("a")
    (node,) = held(graph)
    graph.count_failure(node)
    graph.fail(node)
    assert graph.revive([node]) == [node]
    assert (node.failures, node.state) == (0, State.READY)


def test_a_skipped_task_whose_culprit_is_revived_gets_another_culprit() -> None:
    graph = graph_of("a", "b", task("c", "a", "b"))
    a, b = held(graph)
    graph.fail(a)
    graph.fail(b)
    graph.revive([a])
    assert graph.names["c"].culprit is b


def test_a_revoked_task_has_no_holder() -> None:
    graph = graph_of("a")
    nodes = held(graph)
    graph.finish(nodes)
    graph.revoke(nodes)
    assert (nodes[0].state, nodes[0].holder) == (State.READY, None)


def test_a_held_task_that_must_wait_for_another_leaves_its_holder() -> None:
    graph = graph_of("a", "b")
    a, _ = held(graph)
    graph.extend([(a, ("b",))])
    assert (a.state, a.holder) == (State.WAITING, None)


# -- WorkerTable ------------------------------------------------------------------------------------------------------


@pytest.fixture
def table() -> WorkerTable:
    """w at p has one slot, two tasks and a Steal that waits; nothing is noted."""
    table = WorkerTable()
    worker = table.add("w")
    table.meet(worker, "p", 1, None)
    table.give(worker, held(graph_of("a", "b")))
    table.park(worker, 1, 1)
    table.touched.clear()
    table.reshaped.clear()
    return table


def test_the_slots_of_a_worker_that_comes_again_count_once(table: WorkerTable) -> None:
    table.meet(table["w"], "p2", 3, None)
    assert table.slots == 3
    table.check()


def test_the_slots_of_a_worker_that_is_gone_count_no_more(table: WorkerTable) -> None:
    table.take(table["w"], [0, 1])
    table.remove(table["w"])
    assert (table.slots, table.parked) == (0, {})


def test_a_worker_that_joins_or_leaves_makes_dispatch_reconsider_its_reservations(table: WorkerTable) -> None:
    worker = table["w"]
    table.meet(worker, "p", 2, None)
    assert table.reshaped == [worker]
    table.reshaped.clear()
    table.take(worker, [0, 1])
    table.remove(worker)
    assert table.reshaped == [worker]


def test_a_worker_that_has_room_again_is_noticed_by_dispatch(table: WorkerTable) -> None:
    table.take(table["w"], [0])
    assert table.touched == {"p"}


def test_a_steal_that_waits_is_noticed_by_dispatch(table: WorkerTable) -> None:
    table.park(table["w"], 1, 2)
    assert table.touched == {"p"}


def test_a_worker_that_holds_more_than_it_can_run_is_loaded_until_it_does_not(table: WorkerTable) -> None:
    assert list(table.loaded) == ["w"]
    table.take(table["w"], [0])
    assert not table.loaded


def test_a_task_of_several_cores_takes_their_room(table: WorkerTable) -> None:
    worker = table.add("v")
    table.meet(worker, "q", 4, Resources(4))
    table.give(worker, held(graph_of(task("wide", cores=3))))
    assert worker.free == 1
    table.check()


def test_a_worker_that_has_given_something_up_can_be_asked_for_more(table: WorkerTable) -> None:
    table["w"].recalled = True
    table.take(table["w"], [0])
    assert not table["w"].recalled


def test_a_worker_gives_up_only_what_it_holds(table: WorkerTable) -> None:
    node = table["w"].held[1]
    assert table.take(table["w"], [7, 1]) == [None, node]
    assert list(table["w"].held) == [0]


def test_a_steal_that_is_withdrawn_and_put_back_waits_behind_the_others(table: WorkerTable) -> None:
    other = table.add("v")
    table.meet(other, "q", 1, None)
    table.park(other, 1, 1)
    parked = table.withdraw("p")
    assert parked is not None and list(table.parked) == ["q"]
    table.put_back(parked)
    assert list(table.parked) == ["q", "p"]


def test_a_worker_drops_only_its_own_steal(table: WorkerTable) -> None:
    other = table.add("v")
    table.meet(other, "p", 1, None)
    table.unpark(other)
    assert list(table.parked) == ["p"]
    table.unpark(table["w"])
    assert not table.parked


def test_another_worker_is_kept_for_a_large_task_when_the_kept_one_is_gone(stage: Stage) -> None:
    stage.create(*"abcdefgh")
    stage.say("p", steal("w", 1, 4, slots=4))
    stage.say("q", steal("v", 1, 4, slots=4))
    stage.say("client", m.Create((task("large", cores=4),)))
    assert list(stage.hub.dispatch.kept.by_location) == ["w"]
    stage.lose("p")
    assert list(stage.hub.dispatch.kept.by_location) == ["v"]
    stage.take()


# -- Stop, Shutdown ---------------------------------------------------------------------------------------------------


def test_the_first_reason_of_a_stop_stays() -> None:
    assert OPEN.further(Phase.CLOSED, "a", for_later=True).further(Phase.KILLING, "b", for_later=True).reason == "a"


def test_a_later_phase_of_a_stop_never_goes_back() -> None:
    stop = OPEN.further(Phase.IN_DOUBT, "a", for_later=True).further(Phase.CLOSED, "b", for_later=True)
    assert stop.phase is Phase.IN_DOUBT


def test_what_is_left_to_another_run_stays_so_when_too_much_fails() -> None:
    stop = OPEN.further(Phase.CLOSED, "a", for_later=True).further(Phase.KILLING, "b", for_later=False)
    assert stop.interrupts


def test_running_tasks_are_killed_some_seconds_before_the_job_ends(stage: Stage) -> None:
    stage.create("a")
    stage.say("p", steal("w", 1))
    stage.took(stage.hub.expect_end(160.0, 10.0, MinTime(), stage.now))
    stage.take()
    assert stage.hub.deadline == 150.0
    stage.wait(50.0)
    assert stage.take() == [("p", m.Cancel((0,)))]
    assert stage.hub.stop.kills


def test_another_stop_does_not_put_off_when_killed_tasks_must_have_ended(stage: Stage) -> None:
    stage.create("a")
    stage.say("p", steal("w", 1))
    stage.took(stage.hub.drain(stage.now, "once", running=True))
    stage.wait(20.0)
    stage.took(stage.hub.drain(stage.now, "again", running=True))
    stage.wait(10.0)
    assert stage.states() == "ready"
    stage.take()


def test_a_pool_that_stops_already_does_not_stop_for_failures() -> None:
    stage = Stage(Policy(halt=Halt(True, 1)))
    stage.create("a", "b")
    stage.say("p", steal("w", 1, 2, slots=2))
    stage.took(stage.hub.drain(stage.now, "enough"))
    stage.heard()
    stage.say("p", complete("w", 2, Result(0, 1, 1), slots=2))
    assert not any(isinstance(event, e.Stopping) for event in stage.heard())
    stage.take()


def test_a_rank_that_may_have_died_is_a_warning_for_two_seconds(stage: Stage) -> None:
    stage.create("a", "b")
    stage.say("p", steal("w", 1, 2, slots=2))
    stage.hub.suspect_deaths(stage.now)
    stage.now += 1.9
    stage.say("p", complete("w", 2, Result(0, 1, 138, 10), slots=2))
    assert stage.hub.stop.in_doubt
    stage.take()


# -- Endings ----------------------------------------------------------------------------------------------------------


def test_a_cancelled_task_that_is_done_all_the_same_is_to_be_cancelled_no_more(stage: Stage) -> None:
    stage.create("a")
    stage.say("p", steal("w", 1))
    stage.order(Verb.CANCEL, "a")
    stage.say("p", complete("w", 2, Result(0, 1)))
    assert stage.states() == "done"
    assert not stage.hub._endings.to_cancel
    stage.take()


def test_a_cancelled_task_that_was_killed_is_to_be_cancelled_no_more(stage: Stage) -> None:
    stage.create("a")
    stage.say("p", steal("w", 1))
    stage.order(Verb.CANCEL, "a")
    stage.say("p", complete("w", 2, Result(0, 1, 143, 15)))
    assert stage.states() == "cancelled"
    assert not stage.hub._endings.to_cancel
    stage.take()


def test_a_task_that_failed_for_good_is_no_suspect(stage: Stage) -> None:
    stage.create("a")
    stage.say("p", steal("w", 1))
    stage.lose("p")
    stage.say("q", steal("v", 1))
    stage.say("q", complete("v", 2, Result(0, 2, 1)))
    assert stage.states() == "failed"
    assert not stage.hub.retries.lost
    stage.take()


def test_skipped_tasks_are_reported_by_culprit(stage: Stage) -> None:
    stage.create("a", "b", task("c", "a"), task("d", "b"))
    stage.order(Verb.CANCEL, "a", "b")
    skipped = [event for event in stage.heard() if isinstance(event, e.Skipped)]
    assert sorted([named.name for named in event.tasks] for event in skipped) == [["c"], ["d"]]


def test_an_end_more_than_a_second_before_the_end_of_the_job_counts(stage: Stage) -> None:
    stage.create("a", "b")
    stage.say("p", steal("w", 1, 2, slots=2))
    stage.say("p", complete("w", 2, Result(0, 1), slots=2))
    stage.wait(0.6)
    stage.say("p", complete("w", 3, Result(1, 1), slots=2))
    stage.wait(0.6)
    stage.took(stage.hub.end_of_job(stage.now, "SIGTERM"))
    assert stage.states() == "done ready"
    stage.take()


def test_the_copy_of_a_task_that_has_ended_elsewhere_is_killed(stage: Stage) -> None:
    stage.create("a")
    stage.say("p", steal("w", 1))
    stage.lose("p")
    stage.say("q", steal("v", 1))
    stage.say("p", steal("w", 2, held=((0, 1),)))
    stage.take()
    stage.say("q", complete("v", 2, Result(0, 2)))
    assert stage.take()[0] == ("p", m.Cancel((0,)))


# -- Returns ----------------------------------------------------------------------------------------------------------


def test_the_output_of_an_attempt_that_was_taken_back_does_not_count() -> None:
    stage = Stage(output=True)
    stage.create("a")
    stage.say("p", steal("w", 1))
    stage.say("p", m.Output("w", 0, 1, b"old", 1, 0))
    stage.say("p", m.GiveBack("w", (Returned(0),), Native(1, INF, 2)))
    stage.say("p", steal("w", 3))
    stage.heard()
    stage.say("p", m.Output("w", 0, 1, b"new", 1, 0))
    assert [event.data for event in stage.heard() if isinstance(event, e.Printed)] == [b"new"]
    stage.take()


def test_a_peer_of_the_original_dialect_cannot_take_back_an_end(stage: Stage) -> None:
    stage.create("a")
    assert told(stage.ask("p", m.Steal("vm"))) == ["a"]
    stage.ask("p", m.Complete("vm", (Result("a"),)))
    assert stage.ask("p", m.GiveBack("vm", (Returned("a"),))) == m.NotFound(("a",))
    assert stage.states() == "done"


def test_a_transfer_of_an_earlier_attempt_that_never_arrived_takes_nothing_back(stage: Stage) -> None:
    stage.create("a")
    stage.say("p", steal("w", 1))
    ((_, transfer),) = stage.take()
    assert stage.ask("q", m.Exit("w")) == m.OK()
    stage.say("q", steal("v", 1))
    stage.took(stage.hub.lose({"p": [transfer]}, stage.now, "gone"))
    assert stage.states() == "assigned"
    stage.take()


def test_the_task_of_a_lost_worker_goes_last(stage: Stage) -> None:
    stage.create("a", "b")
    stage.say("p", steal("w", 1))
    stage.lose("p")
    stage.take()
    assert order(stage.hub.graph) == ["b", "a"]


def test_a_copy_that_still_runs_is_assigned_to_its_worker_again_and_is_no_suspect(stage: Stage) -> None:
    stage.create("a")
    stage.say("p", steal("w", 1))
    stage.lose("p")
    stage.say("p", steal("w", 2, held=((0, 1),)))
    node = stage.hub.graph.names["a"]
    assert (node.state, node.holder, node.attempt) == (State.ASSIGNED, "w", 1)
    assert not stage.hub.retries.lost and not stage.hub._state.orphans
    stage.take()


def test_a_copy_is_not_assigned_again_after_a_stop(stage: Stage) -> None:
    stage.create("a")
    stage.say("p", steal("w", 1))
    stage.lose("p")
    stage.took(stage.hub.drain(stage.now, "enough"))
    stage.say("p", steal("w", 2, held=((0, 1),)))
    assert stage.states() == "ready"
    stage.take()


def test_a_copy_that_failed_is_forgotten(stage: Stage) -> None:
    stage.create("a")
    stage.say("p", steal("w", 1))
    stage.lose("p")
    stage.say("p", complete("w", 2, Result(0, 1, 1), held=()))
    assert stage.states() == "ready"
    assert not stage.hub._state.orphans
    stage.take()


def test_a_task_that_another_worker_has_finished_is_killed_where_it_runs(stage: Stage) -> None:
    stage.create("a")
    stage.say("p", steal("w", 1))
    stage.lose("p")
    stage.say("q", steal("v", 1))
    stage.take(), stage.heard()
    stage.say("p", complete("w", 2, Result(0, 1), held=()))
    assert stage.take()[0] == ("q", m.Cancel((0,)))
    assert [event.cause for event in stage.heard() if isinstance(event, e.Requeued)] == [Cause.ELSEWHERE]


# -- Outcomes ---------------------------------------------------------------------------------------------------------


def test_a_task_that_a_worker_has_ended_counts_once_for_it(stage: Stage) -> None:
    stage.create("a", "b")
    stage.say("p", steal("w", 1, 2, slots=2))
    stage.say("p", complete("w", 2, Result(0, 1), Result(1, 1, 1), Result(0, 1), slots=2))
    assert stage.hub.workers["w"].ended == 2
    stage.take()


def test_a_cancelled_task_is_not_retried_while_the_pool_stops(stage: Stage) -> None:
    stage.create("a")
    stage.say("p", steal("w", 1))
    stage.order(Verb.CANCEL, "a")
    stage.took(stage.hub.drain(stage.now, "enough", running=True))
    stage.say("p", complete("w", 2, Result(0, 1, 143, 15)))
    assert stage.states() == "cancelled"
    stage.take()


def test_no_success_counts_after_the_end_of_the_job(stage: Stage) -> None:
    stage.create("a")
    stage.say("p", steal("w", 1))
    stage.took(stage.hub.end_of_job(stage.now, "SIGTERM"))
    stage.say("p", complete("w", 2, Result(0, 1)))
    assert stage.states() == "ready"
    stage.take()


# -- Membership -------------------------------------------------------------------------------------------------------


def test_each_message_of_a_worker_shows_that_it_is_alive(stage: Stage) -> None:
    stage.create("a")
    stage.say("p", steal("w", 1, beat=5.0))
    for sequence in range(2, 30):
        stage.now += 5.0
        stage.say("p", m.Beat("w", Native(1, INF, sequence, beat=5.0)))
        stage.took(stage.hub.tick(stage.now))
    assert stage.states() == "assigned"
    stage.take()


def test_a_silent_worker_is_lost_and_its_peer_dropped(stage: Stage) -> None:
    stage.create("a")
    stage.say("p", steal("w", 1, beat=5.0))
    stage.take()
    for _ in range(4):
        stage.now += 15.0
        step = stage.hub.tick(stage.now)
        stage.took(step)
    assert step.dropped == ["p"]
    assert stage.states() == "ready"


def test_a_silent_worker_is_lost_sooner_when_a_rank_may_have_died(stage: Stage) -> None:
    stage.create("a")
    stage.say("p", steal("w", 1, beat=2.0))
    stage.hub.suspect_deaths(stage.now)
    for _ in range(6):
        stage.wait(0.9)
    assert stage.states() == "ready"
    stage.take()


def test_a_worker_joins_once_however_many_messages_it_sends(stage: Stage) -> None:
    for sequence in (1, 2, 3):
        stage.say("p", steal("w", sequence))
    assert [event.location for event in stage.heard() if isinstance(event, e.Joined)] == ["w"]
    stage.take()


def test_the_copy_of_a_task_that_was_lost_too_often_is_not_kept() -> None:
    stage = Stage(Policy(losses=1))
    stage.create("a")
    stage.say("p", steal("w", 1))
    stage.lose("p")
    assert stage.states() == "failed"
    assert not stage.hub._state.orphans
    stage.take()
    finish(stage)


def test_the_copy_of_a_cancelled_task_is_not_kept(stage: Stage) -> None:
    stage.create("a")
    stage.say("p", steal("w", 1))
    stage.order(Verb.CANCEL, "a")
    stage.take()
    stage.lose("p")
    assert stage.states() == "cancelled"
    assert not stage.hub._state.orphans


# -- TaskControl ------------------------------------------------------------------------------------------------------


def test_a_task_is_held_until_it_is_released(stage: Stage) -> None:
    stage.create("a")
    node = stage.hub.graph.names["a"]
    stage.order(Verb.HOLD, "a")
    assert stage.hub.is_held(node)
    stage.order(Verb.RELEASE, "a")
    assert not stage.hub.is_held(node)
    assert stage.states() == "ready"


def test_a_restored_task_that_was_held_is_held() -> None:
    hub = Hub()
    hub.restore([Restored(0, Task("a", "a"), suspended=True)], 100.0)
    assert hub.is_held(hub.graph.names["a"])
    hub.check()


def test_a_task_of_a_peer_of_the_original_dialect_leaves_it_when_it_is_cancelled(stage: Stage) -> None:
    stage.create("a")
    stage.ask("p", m.Steal("vm"))
    stage.order(Verb.CANCEL, "a")
    assert not stage.hub.workers["vm"].held


# -- Retries ----------------------------------------------------------------------------------------------------------


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


def test_a_task_that_was_lost_twice_is_a_suspect_after_one_worker_turns_out_to_live(retries: Retries) -> None:
    a = retries._graph.names["a"]
    retries.suspect([a])
    retries.suspect([a])
    retries.acquit(a)
    assert retries.lost == {a: 1}
    retries.acquit(a)
    assert not retries.lost


def test_the_losses_of_earlier_runs_count() -> None:
    stage = Stage(Policy(losses=2))
    stage.took(stage.hub.restore([Restored(0, task("a"), attempt=1, losses=1)], stage.now))
    stage.say("p", steal("w", 1))
    stage.lose("p")
    assert stage.states() == "failed"
    stage.take()


def test_a_task_that_has_ended_is_neither_a_suspect_nor_avoided(retries: Retries) -> None:
    a = retries._graph.names["a"]
    retries.suspect([a])
    retries._failed_on[a] = "w"
    retries.forget([a])
    assert not retries.lost and not retries._failed_on


# -- Orphans, Intake --------------------------------------------------------------------------------------------------


def test_a_copy_is_known_by_worker_and_attempt_until_it_is_dropped() -> None:
    orphans, (node,) = Orphans(), held(graph_of("a"))
    orphans.add([node], "w")
    orphans.add([node], "v")
    assert (orphans.attempt(node, "w"), orphans.attempt(node, "u")) == (1, 0)
    orphans.drop(node, "w")
    assert (orphans.attempt(node, "w"), orphans.attempt(node, "v")) == (0, 1)


def test_all_copies_of_an_ended_task_are_to_be_killed() -> None:
    orphans, (node,) = Orphans(), held(graph_of("a"))
    orphans.add([node], "w")
    orphans.add([node], "v")
    assert orphans.end([node]) == {"w": [0], "v": [0]}
    assert not orphans


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
