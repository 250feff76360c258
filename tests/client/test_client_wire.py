"""The client's bytes are those of the C++ dquery, and it understands the C++ dhub; recorded from the originals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dwork import AllDone, Client, GraphError, WireError
from dwork.client import Status
from dwork.task import Assigned

OK, NOT_FOUND, EXIT, ERROR = "0806", "0805", "0807", "0808"
STATUS = "08061a1e646875623a203020616374697665207461736b732c20302072656164792e2000"
TRANSFER = "080312140a01611202766d320b080110a7a585d5f29f9803"


@pytest.mark.parametrize(
    ("call", "request_", "reply", "result"),
    [
        (lambda c: c.status(), "0806", STATUS, Status(0, 0, {}, "dhub: 0 active tasks, 0 ready.")),
        (lambda c: c.steal(), "08013202766d", TRANSFER, [Assigned(0, 0, "a", "a", origin="vm")]),
        (lambda c: c.steal(3), "080120033202766d", NOT_FOUND, []),
        (lambda c: c.create("a"), "080012070a01611202766d", OK, None),
        (lambda c: c.create("a", "a"), "080012070a01611202766d", OK, None),
        (lambda c: c.create("c", after=["a", "b"]), "080012110a01631202766d22030a016122030a0162", OK, None),
        (lambda c: c.complete("a"), "080212070a01611202766d3202766d", OK, None),
        (lambda c: c.complete(Assigned(0, 0, "a", "a")), "080212070a01611202766d3202766d", OK, None),
        (lambda c: c.transfer("a"), "080312070a01611202766d3202766d", OK, None),
        (lambda c: c.exit_worker(), "08073202766d", OK, True),
        (lambda c: c.exit_worker("w9"), "080732027739", NOT_FOUND, False),
    ],
)
def test_requests_and_replies_are_those_of_the_original(
    puppet: Any, call: Callable[[Client], Any], request_: str, reply: str, result: Any
) -> None:
    served = puppet(reply)
    with Client(served.address, location="vm") as client:
        assert call(client) == result
    assert served.next() == request_
    assert served.frames.empty()


def test_exit_is_all_done(puppet: Any) -> None:
    with Client(puppet(EXIT).address) as client, pytest.raises(AllDone):
        client.steal()


def test_error_without_a_reason_is_refusal_all_the_same(puppet: Any) -> None:
    with Client(puppet(ERROR).address) as client, pytest.raises(GraphError, match="does not say why"):
        client.create("a")


def test_the_original_hub_is_named_when_it_cannot_look_up(puppet: Any) -> None:
    with Client(puppet(ERROR).address) as client, pytest.raises(GraphError, match="as an original dhub never does"):
        client.lookup("a")


@pytest.mark.parametrize(
    "call",
    [
        lambda c: c.complete("a", 3),
        lambda c: c.create("a", "b"),
        lambda c: c.create("a", cores=2),
    ],
)
def test_what_the_original_hub_would_drop_is_not_sent_to_it(puppet: Any, call: Callable[[Client], Any]) -> None:
    served = puppet(STATUS, OK)
    with Client(served.address) as client:
        for _ in range(2):
            with pytest.raises(GraphError, match="original dhub, which would drop"):
                call(client)
        client.create("a")
    assert served.next() == "0806"
    assert served.next() == "080012070a01611202766d"


@pytest.mark.parametrize(
    ("call", "reply"),
    [
        (lambda c: c.status(), "ff00"),
        (lambda c: c.status(), ""),
        (lambda c: c.status(), OK),
        (lambda c: c.status(), EXIT),
        (lambda c: c.status(), "08061a0568656c6c6f"),
        (lambda c: c.create("a"), TRANSFER),
        (lambda c: c.steal(), OK),
        (lambda c: c.steal(), "0801"),
        (lambda c: c.lookup("a"), EXIT),
        (lambda c: c.lookup("a"), "08061a0568656c6c6f"),
        (lambda c: c.lookup("a"), OK),
        (lambda c: c.complete("a"), TRANSFER),
        (lambda c: c.exit_worker(), EXIT),
    ],
)
def test_an_answer_that_cannot_be_is_an_error_of_the_wire(
    puppet: Any, call: Callable[[Client], Any], reply: str
) -> None:
    served = puppet(reply)
    with Client(served.address) as client, pytest.raises(WireError, match=served.address):
        call(client)
