"""What a client does to a graph, with a real hub at the other end."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dwork import AllDone, Client, GraphError, NotHeld, UsageError, WireError
from dwork.client import adding
from dwork.client.status import Found, Status
from dwork.core.task import PLAIN, EndWarning, Options, State, Task
from dwork.hub.policy import Policy


@pytest.fixture
def client(hub: Any) -> Iterator[Client]:
    with Client(hub.address, location="w") as client:
        yield client


def test_tasks_are_created_stolen_and_completed_in_order(client: Client, hub: Any) -> None:
    client.create("b-first")
    client.create("then", "echo then", after="b-first")
    assert client.status() == Status(
        2,
        1,
        {"waiting": 1, "ready": 1, "assigned": 0, "done": 0, "failed": 0, "skipped": 0, "cancelled": 0},
        "dhub: 2 active tasks, 1 ready.",
    )
    (first,) = client.steal(5)
    assert (first.name, first.command, first.attempt, first.origin) == ("b-first", "b-first", 1, "vm")
    assert client.steal() == []
    client.complete(first)
    (then,) = client.steal()
    assert (then.name, then.command) == ("then", "echo then")
    client.complete(then, seconds=1.5, stdout=b"then\n")
    with pytest.raises(AllDone):
        client.steal()
    assert hub.state("then") is State.DONE


def test_before_the_first_task_there_is_nothing_ready_and_it_is_not_all_done(client: Client) -> None:
    assert client.steal() == []


def test_options_and_argument_lists_reach_the_worker(client: Client) -> None:
    options: dict[str, Any] = {"cores": 4, "memory": 2**30, "gpus": 1, "timeout": 60.0, "retries": 2, "priority": -3}
    options["grace"] = 120.0
    client.create("x", ["prog", "a b"], cwd="/tmp", min_time=5.0, env={"K": "V", "E": ""}, warn="USR1@5m", **options)
    (task,) = client.steal()
    assert task.command == ("prog", "a b")
    options["warn"] = EndWarning(10, 300.0)
    assert task.options == Options(cwd="/tmp", min_time=5.0, env=(("K", "V"), ("E", "")), **options)


def test_commands_of_any_bytes_reach_the_worker_and_names_must_be_text(client: Client) -> None:
    client.create("x", "echo \udcff")
    assert client.steal()[0].command == "echo \udcff"
    with pytest.raises(WireError, match="cannot be sent"):
        client.create("echo \udcff")


def test_a_task_may_wait_for_the_end_of_others(client: Client) -> None:
    client.create("a")
    client.create("b")
    client.create("c", after="b", after_any=["a"])
    a, b = client.steal(2)
    client.complete(a, 1)
    assert client.steal() == []
    client.complete(b)
    assert [task.name for task in client.steal()] == ["c"]
    with pytest.raises(UsageError, match="task 'd' has 'a' both in after and in after_any; remove it from one"):
        client.create("d", after="a", after_any="a")
    with pytest.raises(GraphError, match="'d' depends on 'nosuch', which does not exist"):
        client.create("d", after_any="nosuch")


def test_a_success_without_the_files_of_the_task_is_reported_as_a_failure(
    client: Client, hub: Any, tmp_path: Path
) -> None:
    client.create("a", cwd=str(tmp_path), creates="out")
    client.create("b", cwd=str(tmp_path), creates=["out"], retries=1)
    a, b = client.steal(2)
    assert a.options.creates == b.options.creates == ("out",)
    client.complete(a)
    (tmp_path / "out").touch()
    client.complete(b)
    assert (hub.state("a"), hub.state("b")) == (State.FAILED, State.DONE)
    with pytest.raises(UsageError, match="task 'c' creates a file without a name; remove it"):
        client.create("c", creates="")


def test_the_same_task_may_be_created_twice_and_another_of_that_name_may_not(client: Client, hub: Any) -> None:
    client.create("a", cores=2)
    client.create("a", cores=2)
    with pytest.raises(GraphError, match="'a' already exists"):
        client.create("a")
    assert hub.names == ["a"]


def test_an_unknown_predecessor_is_refused_by_name(client: Client) -> None:
    with pytest.raises(GraphError, match="'nosuch'"):
        client.create("a", after=["nosuch"])


def test_a_failed_task_is_told_with_its_exit_status(client: Client, hub: Any) -> None:
    client.create("a")
    client.create("b", after=("a",))
    client.complete(client.steal()[0], 3)
    assert hub.state("a") is State.FAILED
    assert hub.state("b") is State.SKIPPED
    assert client.status().counts["skipped"] == 1


def test_a_negative_exit_status_is_a_signal(client: Client, hub: Any) -> None:
    client.create("a", retries=1)
    task = client.steal()[0]
    client.complete(task, -9)
    assert hub.state("a") is State.WAITING
    with pytest.raises(NotHeld) as caught:
        client.complete(task)
    assert caught.value.tasks == ("a",)


def test_a_completion_of_a_stolen_task_may_be_repeated_and_one_by_name_may_not(client: Client) -> None:
    client.create("a")
    (task,) = client.steal()
    client.complete(task)
    client.complete(task)
    with pytest.raises(NotHeld, match="w does not hold 'a'"):
        client.complete("a")


def test_several_are_completed_in_one_message_and_those_not_held_are_told(client: Client, hub: Any) -> None:
    from dwork.core.task import Result

    client.create_all([Task(name, name) for name in "abc"])
    client.steal(2)
    with pytest.raises(NotHeld) as caught:
        client.complete_all([Result("a"), Result("b", exit_status=1), Result("c"), Result("d")])
    assert caught.value.tasks == ("c", "d")
    assert [hub.state(name) for name in "abc"] == [State.DONE, State.FAILED, State.READY]
    client.complete_all([])


def test_only_the_holder_completes_and_transfers(client: Client, hub: Any) -> None:
    client.create("a")
    (task,) = client.steal()
    with Client(hub.address) as other:
        with pytest.raises(NotHeld):
            other.complete(task)
        with pytest.raises(NotHeld):
            other.transfer("a")
    assert hub.state("a") is State.ASSIGNED


def test_a_task_that_is_given_back_waits_for_what_it_is_told_to(client: Client, hub: Any) -> None:
    client.create("a")
    client.create("b")
    client.transfer(client.steal()[0], after="b")
    assert hub.state("a") is State.WAITING
    (task,) = client.steal()
    assert task.name == "b"
    client.transfer(task)
    assert hub.state("b") is State.READY
    with pytest.raises(GraphError, match="wait for one another"):
        client.steal()
        client.transfer("b", ["a"])


def test_what_a_worker_holds_is_ready_again_when_it_exits(client: Client, hub: Any) -> None:
    client.create_all([Task("a", "a"), Task("b", "b")])
    client.steal(2)
    assert client.exit_worker() is True
    assert client.exit_worker() is False
    assert hub.state("a") is State.READY
    with Client(hub.address, location="other") as other:
        other.steal()
        assert client.exit_worker("other")


def test_lookup_tells_state_number_and_holder(client: Client) -> None:
    client.create("a")
    client.create("b", after="a")
    assert client.lookup("a") == Found("a", State.READY, 0, None)
    client.steal()
    assert client.lookup("a") == Found("a", State.ASSIGNED, 0, "w")
    assert client.lookup("#1") == Found("#1", State.WAITING, 1, None)
    assert client.lookup("nosuch") is None


def test_by_default_a_client_is_told_by_host_and_process(hub: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.getpid", lambda: 42)
    monkeypatch.setenv("DWORK_SERVER", hub.address)
    monkeypatch.setenv("DWORK_WORKER", "of the surrounding task")
    with Client() as client:
        client.create("a")
        client.steal()
        found = client.lookup("a")
        assert found is not None
        assert (client.server, found.location) == (hub.address, "vm:42")


@pytest.mark.parametrize(
    "call",
    [
        lambda c: c.create(""),
        lambda c: c.create("a", []),
        lambda c: c.steal(0),
        lambda c: c.steal(2**31),
        lambda c: c.complete("", 0),
        lambda c: c.complete("a", 256),
        lambda c: c.complete("a", -200),
        lambda c: c.create("a", "b &"),
        lambda c: c.create("b > c &"),
        lambda c: Client(timeout=0),
        lambda c: Client(timeout=float("nan")),
        lambda c: Client("not an address"),
    ],
)
def test_what_makes_no_sense_is_refused_before_it_is_sent(call: Callable[[Client], Any], hub: Any) -> None:
    with Client(hub.address) as client, pytest.raises(UsageError):
        call(client)
    assert not hub.names


def test_a_number_too_large_for_the_wire_is_refused(client: Client) -> None:
    with pytest.raises(WireError, match="cannot be sent"):
        client.create("a", cores=2**40)


def test_an_unknown_option_is_a_type_error(client: Client) -> None:
    with pytest.raises(TypeError, match="core"):
        client.create("a", core=1)


# -- many at once ---------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sets(st.integers(0, 30), max_size=3), min_size=1, max_size=30), st.randoms(), st.integers(1, 9))
def test_tasks_in_any_order_fit_in_any_number_of_messages(
    serve: Any, edges: list[set[int]], shuffled: random.Random, at_once: int
) -> None:
    tasks = [
        Task(f"t{i}", f"t{i}", tuple(f"t{p % i}" for p in sorted(after)) if i else ()) for i, after in enumerate(edges)
    ]
    shuffled.shuffle(tasks)
    served = serve()
    with pytest.MonkeyPatch.context() as patch, Client(served.address) as client:
        patch.setattr(adding, "TASKS_AT_ONCE", at_once)
        assert client.create_all(tasks) == len(tasks)
        assert sorted(served.names) == sorted(task.name for task in tasks)
        steps = 0
        with pytest.raises(AllDone):
            while True:
                stolen = client.steal(7)
                assert stolen, "the graph has a way through"
                for task in stolen:
                    client.complete(task)
                    steps += 1
        assert steps == len(tasks)
    served.stop()


def test_a_cycle_over_several_messages_is_shown(client: Client, hub: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adding, "TASKS_AT_ONCE", 2)
    tasks = [Task("a", "a", ("c",)), Task("b", "b", ("a",)), Task("c", "c", ("b",)), Task("d", "d")]
    with pytest.raises(GraphError, match=r"wait for one another: . -> . -> . -> ."):
        client.create_all(tasks)
    assert not hub.names


def test_a_refusal_says_how_many_were_added_before(client: Client, hub: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adding, "TASKS_AT_ONCE", 2)
    tasks = [Task("a", "a"), Task("b", "b"), Task("c", "c", ("nosuch",)), Task("d", "d")]
    with pytest.raises(GraphError, match=r"'nosuch'.*\(2 tasks were added before\)"):
        client.create_all(tasks)
    assert hub.names == ["a", "b"]
    tasks[2] = Task("c", "c")
    assert client.create_all(iter(tasks)) == 4
    assert hub.names == ["a", "b", "c", "d"]


def test_messages_are_cut_by_size_too(client: Client, hub: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adding, "CHARACTERS_AT_ONCE", 100)
    tasks = [Task(str(i), "x" * 60) for i in range(4)] + [Task("large", ("y" * 300, "z"))]
    assert [len(batch) for batch in adding._batches(tasks)] == [1, 1, 1, 1, 1]
    client.create_all(tasks)
    assert len(hub.names) == 5


def test_a_join_is_done_with_what_it_waits_for(client: Client) -> None:
    client.create_all([Task("a", "a"), Task("all", None, ("a",)), Task("b", "b", ("all",))])
    client.complete(client.steal()[0])
    assert [task.name for task in client.steal(9)] == ["b"]
    found = client.lookup("all")
    assert found is not None and found.state is State.DONE


def test_equal_commands_and_options_cost_nothing_on_the_wire() -> None:
    name = "".join(["a", " b"])
    task = adding._ready_to_send(Task("a b", name, (), Options()), "here")
    assert task.command is task.name and task.options is PLAIN and task.origin == "here"


def test_a_pool_that_counts_unknown_predecessors_as_done_is_not_second_guessed(serve: Any) -> None:
    served = serve(policy=Policy(unknown_is_done=True))
    with Client(served.address) as client:
        client.create("a", after="nosuch")
        assert client.steal()[0].name == "a"
