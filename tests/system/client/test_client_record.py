"""What a client reads from the record of a hub, and does to tasks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import pytest

from dwork import Client, GraphError, TransportError, UsageError, WireError
from dwork.core.messages import OK as OK_REPLY
from dwork.core.messages import Answer, Create, List, Output, Read, Show
from dwork.core.task import State, Task
from dwork.hub.policy import Policy
from dwork.transport import HUB, wire
from dwork.transport.zmq import Dealer
from tests.rows import BEFORE_IT_RAN, task_row

STATUS = "08061a1e646875623a203020616374697665207461736b732c20302072656164792e2000"
ERROR, OK, NOT_FOUND = "0808", "0806", "0805"


@pytest.fixture
def client(kept: Any) -> Iterator[Client]:
    with Client(kept.address, location="node1:3") as client:
        yield client


def answer(value: Any, go_on: int | None = None) -> bytes:
    return wire.encode(Answer(json.dumps(value).encode(), go_on))


def test_tasks_are_rows_in_the_order_of_their_ids(client: Client) -> None:
    client.create_all([Task("a", "true"), Task("join", None, ("a",)), Task("b", ("echo", "x y"), ("join",))])
    assert list(client.tasks()) == [
        {"id": 0, "name": "a", "state": "ready", "held": False, "command": "true", "reason": None, **BEFORE_IT_RAN},
        {"id": 2, "name": "b", "state": "waiting", "held": False, "command": "echo 'x y'", "reason": None}
        | BEFORE_IT_RAN,
    ]


def test_tasks_are_chosen_by_state_and_by_name(client: Client) -> None:
    client.create_all([Task(name, "x") for name in ("a1", "a2", "b1", "a*")])
    client.complete(client.steal()[0])

    def names(*arguments: Any) -> list[str]:
        return [row["name"] for row in client.tasks(*arguments)]

    assert names("done") == ["a1"]
    assert names(["ready"], "a?") == ["a2", "a*"]
    assert names((), "a*") == ["a1", "a2", "a*"]
    assert names((), "b1") == ["b1"]
    assert names(["done", "ready"]) == ["a1", "a2", "b1", "a*"]
    assert names((), "") == []
    with pytest.raises(GraphError, match="'running' is not a state"):
        names(["running"])


def test_many_tasks_come_in_pages_that_are_asked_for_when_they_are_needed(client: Client, kept: Any) -> None:
    client.create_all([Task(str(i), "x") for i in range(2500)])
    rows = client.tasks()
    assert [row["id"] for row in islice(rows, 1001)] == list(range(1001))
    client.cancel("2400")
    assert [row["state"] for row in rows][-101:-98] == ["ready", "cancelled", "ready"]


def test_a_page_may_be_empty_before_the_last(puppet: Any) -> None:
    served = puppet(answer([], 7), answer([task_row(9, "a", "done")]))
    with Client(served.address) as client:
        assert [row["id"] for row in client.tasks("done", "a")] == [9]
    assert wire.decode_request(bytes.fromhex(served.next())) == List(("done",), "a")
    assert wire.decode_request(bytes.fromhex(served.next())) == List(("done",), "a", 7)


def test_a_task_is_told_with_its_attempts_and_what_it_comes_after(keep: Any) -> None:
    hub = keep(policy=Policy(retries=1, delay=0.0))
    with Client(hub.address, location="node1:3") as client:
        client.create("a", env={"K": "V"}, timeout=90)
        client.create("b", after=["a"])
        client.complete(client.steal()[0], -9, stderr=b"oops\xff\n", seconds=2.5, started=1e9)
        (again,) = client.steal()
        row = client.task("a")
        assert row is not None
        assert (row["state"], row["attempt"], row["worker"]) == ("assigned", 2, "node1:3")
        assert (row["hand"]["attempt"], row["hand"]["worker"]) == (2, "node1:3")
        assert row["options"] == {"timeout": 90, "env": [["K", "V"]]}
        (first,) = row["attempts"]
        assert (first["outcome"], first["signal"], first["stderr"]) == ("failed", 9, "oops\\xff\n")
        assert first["ended"] - first["started"] == 2.5
        assert row["successors"] == {"total": 1}
        client.complete(again)
        row = client.task("#1")
        assert row is not None and (row["name"], row["state"]) == ("b", "ready")
        assert row["predecessors"] == {
            "total": 1,
            "first": [{"id": 0, "name": "a", "state": "done", "join": False, "after_any": False}],
        }
        assert client.task("nosuch") is None and client.task("#99") is None and client.task("#" + "9" * 30) is None
        assert dict(client.counts()) == dict(client.status().counts)


def test_of_many_predecessors_some_are_told_or_when_it_is_to_be_whole_all(client: Client) -> None:
    names = [str(i) for i in range(2345)]
    client.create_all([*(Task(name, "x") for name in names), Task("last", "x", tuple(names))])
    for task in client.steal(3):
        client.complete(task)
    some = client.task("last")
    assert some is not None and some["predecessors"]["total"] == 2345
    assert [each["name"] for each in some["predecessors"]["first"]] == names[3:103]
    whole = client.task("last", whole=True)
    assert whole is not None
    assert [each["name"] for each in whole["predecessors"]["first"]] == names
    assert whole["predecessors"]["first"][0]["state"] == "done"
    assert client.task("nosuch", whole=True) is None


def test_output_is_what_was_printed(client: Client) -> None:
    client.create("a")
    (task,) = client.steal()
    for stream, data in ((1, b"\0one"), (2, b"err"), (1, b"two\n")):
        client._exchange._dealers[0].send(HUB, wire.encode(Output("node1:3", task.id, stream, data)))
    while_it_runs = client.task("a")
    assert while_it_runs is not None
    assert [client.output(while_it_runs, piece) for piece in while_it_runs["output"]] == [b"\0one", b"two\n", b"err"]
    client.complete(task, stdout=b"three")
    row = client.task("a")
    assert row is not None
    assert [client.output(row, piece) for piece in row["output"]] == [b"\0one", b"two\n", b"three", b"err"]
    with pytest.raises(GraphError, match="no longer in the record"):
        client.output(row, {"attempt": 9, "stream": 1, "position": 0})


def test_output_whose_file_is_gone_is_an_error(client: Client, tmp_path: Any) -> None:
    client.create("a")
    client.complete(client.steal()[0], stdout=b"x")
    row = client.task("a")
    assert row is not None
    (tmp_path / "logs" / "node1_3.log").unlink()
    with pytest.raises(GraphError, match="No such file"):
        client.output(row, row["output"][0])


def test_tasks_are_cancelled_retried_held_and_released(client: Client, kept: Any) -> None:
    client.create_all([Task(name, "x") for name in ("a", "b", "c")])
    client.create("after", after=["a"])
    assert client.hold("a", "#1") == 2
    assert [row["held"] for row in client.tasks()] == [True, True, False, False]
    assert client.release("?") == 2
    assert client.cancel("?") == 3
    assert kept.state("after") is State.SKIPPED
    assert client.retry("*") == 3
    assert kept.state("after") is State.WAITING
    assert client.cancel() == client.hold(*[]) == 0
    assert client.retry("*") == 0


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda c: c.cancel("nosuch"), "there is no task 'nosuch'"),
        (lambda c: c.cancel("a", "#99"), "there is no task '#99'"),
        (lambda c: c.cancel("z*"), "no task name matches"),
        (lambda c: c.retry("a"), "only a failed"),
        (lambda c: c.release("a"), "it is not held"),
        (lambda c: c.hold("join"), "nothing to run"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_changes(
    client: Client, kept: Any, call: Callable[[Client], Any], text: str
) -> None:
    client.create_all([Task("a", "x"), Task("join", None, ("a",))])
    before = list(client.tasks())
    with pytest.raises(GraphError, match=text):
        call(client)
    assert list(client.tasks()) == before


CALLS: dict[str, Callable[[Client], Any]] = {
    "list tasks": lambda c: list(c.tasks()),
    "show a task": lambda c: c.task("a"),
    "read output": lambda c: c.output({"id": 1}, {"attempt": 1, "stream": 1, "position": 0}),
    "cancel tasks": lambda c: c.cancel("a"),
    "retry tasks": lambda c: c.retry("a"),
    "hold tasks": lambda c: c.hold("a"),
    "release tasks": lambda c: c.release("a"),
}


@pytest.mark.parametrize(("what", "call"), CALLS.items(), ids=list(CALLS))
def test_the_original_hub_cannot(puppet: Any, what: str, call: Callable[[Client], Any]) -> None:
    served = puppet(ERROR, STATUS, ERROR)
    with Client(served.address) as client:
        for _ in range(2):
            with pytest.raises(GraphError, match=f"is an original dhub, which cannot {what}"):
                call(client)


@pytest.mark.parametrize("what", ["list tasks", "show a task", "read output"])
def test_a_hub_without_a_record_says_so(hub: Any, what: str) -> None:
    with Client(hub.address) as client, pytest.raises(GraphError, match="keeps no record"):
        CALLS[what](client)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize(
    "reply",
    [
        STATUS.replace("0806", "0807", 1),
        wire.encode(Answer(b"")),
        wire.encode(Answer(b"[" * 100_000)),
        wire.encode(Answer(b"\xff")),
        answer(None),
        answer([1]),
        answer([{}]),
        answer({"id": 1}),
        answer([], 0),
    ],
)
def test_an_answer_that_cannot_be_is_an_error_of_the_wire(
    puppet: Any, reply: bytes, call: Callable[[Client], Any]
) -> None:
    served = puppet(reply)
    with Client(served.address) as client:
        if call is CALLS["read output"] and reply[0:2] == b"\x08\x1a":
            assert isinstance(call(client), bytes)
        else:
            with pytest.raises(WireError, match=r"is not a hub|is not understood"):
                call(client)


@pytest.mark.parametrize("what", ["list tasks", "show a task", "read output"])
def test_questions_are_asked_again_when_no_answer_comes(puppet: Any, what: str) -> None:
    served = puppet(None, answer([task_row(1, "a", "done")] if what == "list tasks" else None))
    if what == "show a task":
        served = puppet(None, NOT_FOUND)
    with Client(served.address, timeout=2) as client:
        CALLS[what](client)
    assert served.next() == served.next()


@pytest.mark.parametrize("what", ["cancel tasks", "retry tasks", "hold tasks", "release tasks"])
def test_what_is_done_to_tasks_is_asked_for_once(puppet: Any, what: str) -> None:
    served = puppet(None, OK)
    with (
        Client(served.address, timeout=0.3) as client,
        pytest.raises(TransportError, match="may have been carried out"),
    ):
        CALLS[what](client)
    served.next()
    assert served.frames.empty()


def test_a_closed_client_says_so_in_the_middle_of_a_list(client: Client) -> None:
    client.create_all([Task(str(i), "x") for i in range(1001)])
    rows = client.tasks()
    next(rows)
    client.close()
    with pytest.raises(UsageError, match="closed"):
        list(rows)


@pytest.mark.parametrize(
    "request_",
    [
        List(first=2**63 - 1),
        List(first=2**64 - 1),
        List(n=-5),
        List(n=0),
        Show("a", 2**64 - 1),
        Show("#" + "9" * 18),
        Read(2**64 - 1, 1, 1, 0),
        Read(1, 2**64 - 1, 1, 2**64 - 1),
    ],
    ids=repr,
)
def test_no_number_in_a_question_harms_the_hub(kept: Any, request_: Any) -> None:
    with Client(kept.address) as client:
        client.create_all([Task(str(i), "x") for i in range(2000)])
        dealer = Dealer(kept.address, linger=0)
        dealer.send(HUB, wire.encode(request_))
        assert dealer.wait(10)
        ((_, frame),) = dealer.receive()
        dealer.close()
        assert len(frame) < 500_000
        assert client.status().active == 2000


def test_a_question_is_answered_after_what_came_before_it(kept: Any) -> None:
    dealer = Dealer(kept.address, linger=0)
    for name in map(str, range(100)):  # so that hub and record have much to do at once
        for message in (Create((Task(name, "x"),)), Show(name), List(glob=name)):
            dealer.send(HUB, wire.encode(message))
    frames: list[bytes] = []
    while len(frames) < 300:
        assert dealer.wait(10)
        frames += [frame for _, frame in dealer.receive()]
    dealer.close()
    replies = list(map(wire.decode_reply, frames))
    assert replies[::3] == [OK_REPLY()] * 100
    shown = [json.loads(reply.data) for reply in replies[1::3] if isinstance(reply, Answer)]
    listed = [json.loads(reply.data) for reply in replies[2::3] if isinstance(reply, Answer)]
    assert [row["name"] for row in shown] == [row["name"] for (row,) in listed] == list(map(str, range(100)))
