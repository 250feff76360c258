"""Threads, hubs that go away, answers that never come."""

from __future__ import annotations

import gc
import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from dwork import AllDone, Client, TransportError, UsageError
from dwork.core.task import Assigned, State, Task
from dwork.transport.zmq import Dealer

STATUS = "08061a1e646875623a203020616374697665207461736b732c20302072656164792e2000"
OK = "0806"


def test_threads_share_a_client_and_each_gets_its_own_answers(hub: Any) -> None:
    ran: list[str] = []

    def work(number: int) -> None:
        for i in range(50):
            client.create(f"{number}-{i}", f"echo {number}-{i}")
            found = client.lookup(f"{number}-{i}")
            assert found is not None and found.name == f"{number}-{i}"
        while True:
            try:
                tasks = client.steal(3, wait=5)
            except AllDone:
                return
            for task in tasks:
                assert task.command == f"echo {task.name}"
                client.complete(task)
                ran.append(task.name)

    with Client(hub.address) as client, ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(work, number) for number in range(4)]:
            done.result(timeout=20)
    assert sorted(ran) == sorted(f"{number}-{i}" for number in range(4) for i in range(50))


def test_a_client_lives_through_a_hub_that_goes_away_and_comes_back(serve: Any) -> None:
    first = serve()
    with Client(first.address, location="w") as client:
        client.create("a")
        first.stop()
        second = serve(first.address)
        client.create("b")
        assert [task.name for task in client.steal(9)] == ["b"]
        assert second.names == ["b"]


@pytest.mark.parametrize("call", [lambda c: c.status().active, lambda c: c.steal(9)])
def test_a_request_to_a_hub_that_is_away_is_answered_when_it_is_back(
    serve: Any, call: Callable[[Client], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = serve()
    sent = threading.Event()
    send = Dealer.send

    def tell(dealer: Dealer, *arguments: Any) -> None:
        send(dealer, *arguments)
        sent.set()

    with Client(first.address) as client, ThreadPoolExecutor(1) as pool:
        client.status()
        first.stop()
        monkeypatch.setattr(Dealer, "send", tell)
        asked = pool.submit(call, client)
        assert sent.wait(5)
        serve(first.address)
        assert asked.result(timeout=10) in (0, [])


@pytest.mark.parametrize(
    ("call", "reply"),
    [
        (lambda c: c.status(), STATUS),
        (lambda c: c.create("a"), OK),
        (lambda c: c.complete(Assigned(7, 2, "a", "a")), OK),
    ],
)
def test_what_may_be_done_twice_is_asked_again_when_no_answer_comes(
    puppet: Any, call: Callable[[Client], Any], reply: str
) -> None:
    served = puppet(None, reply)
    with Client(served.address, timeout=2) as client:
        call(client)
    assert served.next() == served.next()


@pytest.mark.parametrize(
    "call",
    [
        lambda c: c.steal(),
        lambda c: c.complete("a"),
        lambda c: c.transfer("a"),
        lambda c: c.exit_worker(),
    ],
)
def test_what_must_not_be_done_twice_is_asked_once(puppet: Any, call: Callable[[Client], Any]) -> None:
    served = puppet(None, "0808")
    with (
        Client(served.address, timeout=0.5) as client,
        pytest.raises(TransportError, match="may have been carried out"),
    ):
        call(client)
    served.next()
    assert served.frames.empty()


def test_an_answer_that_comes_too_late_is_not_taken_for_another(puppet: Any) -> None:
    served = puppet(None, STATUS)
    with Client(served.address, timeout=0.3) as client:
        with pytest.raises(TransportError):
            client.steal()
        assert client.status().active == 0


def test_an_interrupted_request_leaves_no_answer_behind(hub: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: Any) -> bool:
        raise KeyboardInterrupt

    with Client(hub.address) as client:
        client.create("a")
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(Dealer, "wait", interrupt)
            client.lookup("a")
        assert client.status().active == 1


def test_nobody_answers_is_told_in_one_line_and_in_time() -> None:
    start = time.monotonic()
    with Client("127.0.0.1:9", timeout=0.3) as client, pytest.raises(TransportError) as caught:
        client.status()
    assert 0.25 < time.monotonic() - start < 2
    text = str(caught.value)
    assert text.startswith("no answer from tcp://127.0.0.1:9 within 0.3 s; check that the pool or dhub is running")
    assert "connection file" in text and "\n" not in text


def test_a_host_that_does_not_exist_is_nobody_too() -> None:
    with Client("no-such-host.invalid", timeout=0.2) as client, pytest.raises(TransportError, match="no-such-host"):
        client.status()


def test_steal_waits_until_something_is_ready(hub: Any) -> None:
    with Client(hub.address) as client, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(client.steal, 5, math.inf)
        with Client(hub.address, location="other") as other:
            other.create_all([Task("a", "a")])
        assert [task.name for task in waiting.result(timeout=10)] == ["a"]


def test_steal_waits_no_longer_than_it_is_told(hub: Any) -> None:
    start = time.monotonic()
    with Client(hub.address) as client:
        assert client.steal(wait=0.2) == []
    assert 0.15 < time.monotonic() - start < 3


def test_a_closed_client_says_so_and_stops_waiting(hub: Any) -> None:
    client = Client(hub.address)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(client.steal, 1, math.inf)
        client.close()
        client.close()
        with pytest.raises(UsageError, match="closed"):
            waiting.result(timeout=10)
    with pytest.raises(UsageError, match="closed"):
        client.status()


def test_a_forgotten_client_in_a_cycle_of_references_closes_its_socket(hub: Any) -> None:
    client = Client(hub.address)
    client.status()
    client.itself = client  # type: ignore[attr-defined]
    closed = client._exchange._dealers
    del client
    gc.collect()
    assert not closed


def test_tasks_that_were_stolen_with_the_answer_lost_are_freed_by_exit(
    hub: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Client(hub.address, timeout=0.3) as client:
        client.create("a")
        with monkeypatch.context() as patch, pytest.raises(TransportError):
            patch.setattr(Dealer, "receive", lambda _: [])
            client.steal()
        client.exit_worker()
        assert hub.state("a") is State.READY
