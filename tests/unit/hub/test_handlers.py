"""The requests of clients and of peers of the original dialect, one at a time."""

from __future__ import annotations

import pytest

from dwork.core import events as e
from dwork.core import messages as m
from dwork.core.messages import Native
from dwork.core.task import Assigned, Result, Task
from dwork.hub.policy import Policy
from tests.stage import INF, Stage, finish, steal, task, told


def test_the_original_dialect_from_create_to_exit(stage: Stage) -> None:
    stage.create(Task("a", "a", origin="vm"), Task("b", "b", ("a",)))
    assert stage.ask("p", m.Steal("vm")) == m.Transfer((Assigned(0, 1, "a", "a", origin="vm"),), time=100.0)
    assert stage.ask("p", m.Steal("vm")) == m.NotFound()
    assert stage.ask("p", m.Complete("vm", (Result("a"),))) == m.OK()
    assert told(stage.ask("q", m.Steal("vm"))) == ["b"]
    assert stage.ask("q", m.Complete("vm", (Result("b"),))) == m.OK()
    assert stage.ask("p", m.Steal("vm")) == m.Exit()


def test_an_original_steal_before_the_first_task_finds_nothing(stage: Stage) -> None:
    assert stage.ask("p", m.Steal("vm")) == m.NotFound()


def test_an_original_steal_gets_as_many_as_it_asks_for(stage: Stage) -> None:
    stage.create(*"abcde")
    assert told(stage.ask("p", m.Steal("vm", 3))) == ["a", "b", "c"]
    assert told(stage.ask("p", m.Steal("vm", 99))) == ["d", "e"]


@pytest.mark.parametrize("n", [0, -1, -(2**31)])
@pytest.mark.parametrize("native", [None, Native(1, INF, 1)])
def test_a_steal_of_nothing_is_an_error_and_changes_nothing(stage: Stage, n: int, native: Native | None) -> None:
    stage.create("a")
    assert isinstance(stage.ask("p", m.Steal("w", n, native)), m.Error)
    assert not stage.hub.workers


def test_status_counts_what_is_active_and_ready(stage: Stage) -> None:
    stage.create("a", "b", task("c", "a"), Task("j", None, ("b",)))
    stage.ask("p", m.Steal("vm"))
    status = stage.ask("p", m.OK())
    assert isinstance(status, m.OK)
    assert (status.name, status.n) == ("dhub: 3 active tasks, 1 ready.", 1)
    assert dict(status.counts) == {
        "waiting": 1, "ready": 1, "assigned": 1, "done": 0, "failed": 0, "skipped": 0, "cancelled": 0,
    }  # fmt: skip


def test_lookup_tells_state_and_holder_by_name_or_number(stage: Stage) -> None:
    stage.create("a", "b")
    stage.ask("p", m.Steal("vm"))
    assert stage.ask("p", m.Lookup("a")) == m.OK("assigned", 0, "vm")
    assert stage.ask("p", m.Lookup("#1")) == m.OK("ready", 1)
    for nothing in ("c", "#2", "#", "#-1", "#" + "9" * 5000, ""):
        assert stage.ask("p", m.Lookup(nothing)) == m.NotFound((nothing,))


def test_exit_makes_its_tasks_ready(stage: Stage) -> None:
    stage.create("a", "b")
    stage.ask("p", m.Steal("vm", 2))
    stage.heard()
    assert stage.ask("q", m.Exit("vm")) == m.OK()
    assert stage.ask("q", m.Exit("vm")) == m.NotFound()
    assert stage.hub.graph.ready == 2
    requeued, left = stage.heard()
    assert isinstance(requeued, e.Requeued) and isinstance(left, e.Left)


def test_an_illegal_create_is_an_error_and_says_why(stage: Stage) -> None:
    stage.create("a")
    for bad in (task("b", "nosuch"), Task("a", "other"), task("c", "c")):
        reply = stage.ask("p", m.Create((task("fine"), bad)))
        assert isinstance(reply, m.Error) and reply.text
    assert len(stage.hub.graph) == 1


def test_creating_again_is_ok_and_no_event(stage: Stage) -> None:
    stage.create("a")
    stage.heard()
    stage.create("a")
    assert stage.heard() == []


def test_what_is_no_request_is_an_error(stage: Stage) -> None:
    stage.took(stage.hub.receive("p", m.NotFound(), 0.0))
    ((_, reply),) = stage.take()
    assert isinstance(reply, m.Error)


def test_an_unknown_predecessor_is_done_when_the_policy_says_so() -> None:
    stage = Stage(Policy(unknown_is_done=True))
    stage.create(task("b", "nosuch"))
    assert told(stage.ask("p", m.Steal("vm"))) == ["b"]
    finish(stage)


def test_a_peer_of_the_original_dialect_is_sent_nothing_unasked(stage: Stage) -> None:
    stage.create(*"abcd")
    stage.ask("p", m.Steal("vm", 4))
    stage.say("q", steal("w", 1))  # it idles while vm holds four, and vm cannot be told
    assert stage.take() == []
    stage.took(stage.hub.drain(100.0, "enough", running=True))
    stage.took(stage.hub.dismiss(stage.now))
    assert {peer for peer, _ in stage.take()} == {"q"}


def test_a_pool_that_ends_at_once_waits_for_nobody_who_cannot_be_told(stage: Stage) -> None:
    stage.create("a", "b")
    stage.ask("p", m.Steal("vm", 2))
    stage.took(stage.hub.drain(stage.now, "enough"))
    assert not stage.hub.over  # who holds something may end it
    stage.took(stage.hub.drain(stage.now, "enough", running=True))
    assert stage.hub.over and stage.states() == "ready ready"
    assert stage.ask("p", m.Complete("vm", (Result("a"),))) == m.NotFound(("a",))


def test_a_status_query_shows_what_the_hub_speaks(stage: Stage) -> None:
    status = stage.ask("p", m.OK())
    assert isinstance(status, m.OK) and status.version == m.OURS
