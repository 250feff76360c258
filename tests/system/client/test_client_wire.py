"""The client's bytes are those of the C++ dquery, and it understands the C++ dhub; recorded from the originals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dwork import AllDone, Client, GraphError, TransportError, WireError
from dwork.client.queries import LAP
from dwork.client.status import End, Status
from dwork.core import messages
from dwork.core.peer_version import Version
from dwork.core.row_json import pack
from dwork.core.task import Assigned
from dwork.core.version import __version__
from dwork.transport import wire
from tests.rows import run_view

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


def frame(message: messages.Message) -> bytes:
    return wire.encode(message)


def status_of(version: Version | None) -> bytes:
    """A status of a hub of ours that speaks this; None: of a time when hubs did not send it."""
    counts = (("waiting", 1),)
    return frame(messages.OK(name="dhub: 1 active tasks, 0 ready.", n=0, counts=counts, version=version))


NEWEST = [(Client.watch, "cannot be watched"), (Client.wait, "cannot report the end of its run")]
UNKNOWN_TYPE = frame(messages.Error("the type of this QueryMsg is missing or unknown"))


@pytest.mark.parametrize(("ask", "what"), NEWEST)
def test_an_original_hub_that_cannot_be_watched_or_waited_for_is_named(
    puppet: Any, ask: Callable[[Client], Any], what: str
) -> None:
    served = puppet(UNKNOWN_TYPE, STATUS)
    with Client(served.address) as client, pytest.raises(GraphError, match=f"is an original dhub, which {what}"):
        ask(client)


@pytest.mark.parametrize("ask", [Client.watch, Client.wait, lambda client: client.hold("a")])
def test_a_hub_of_another_protocol_that_refuses_is_named_with_its_reason_and_both_versions(
    puppet: Any, ask: Callable[[Client], Any]
) -> None:
    served = puppet(UNKNOWN_TYPE, status_of(Version(messages.PROTOCOL + 1, "9.9")))
    with Client(served.address) as client, pytest.raises(GraphError) as refused:
        ask(client)
    assert str(refused.value) == (
        f"the type of this QueryMsg is missing or unknown; the hub at {served.address} speaks protocol "
        f"{messages.PROTOCOL + 1} (dwork 9.9), this client protocol {messages.PROTOCOL} (dwork {__version__}): "
        "use the same dwork on both"
    )


def test_a_hub_that_would_silently_drop_what_a_task_waits_for_gets_no_such_task(puppet: Any) -> None:
    for status, reason in (
        (STATUS, "is an original dhub, which would silently drop after_any"),
        (status_of(Version(1, "0.1")), r"would silently drop after_any; the hub at .* speaks protocol 1 \(dwork 0.1\)"),
    ):
        served = puppet(status)
        with Client(served.address) as client, pytest.raises(GraphError, match=reason):
            client.create("b", after_any="a")


@pytest.mark.parametrize("version", [messages.OURS, Version(messages.PROTOCOL, "0.0.1")])
def test_a_hub_of_the_same_protocol_refuses_in_its_own_words(puppet: Any, version: Version) -> None:
    served = puppet(frame(messages.Error("there is no task 'a'")), status_of(version))
    with Client(served.address) as client, pytest.raises(GraphError, match=r"^there is no task 'a'$"):
        client.cancel("a")


@pytest.mark.parametrize("answer", [b"[]", b"{", b"7", b"{}"])
def test_a_view_that_is_no_object_is_not_understood(puppet: Any, answer: bytes) -> None:
    address = puppet(frame(messages.Answer(answer))).address
    with (
        Client(address) as client,
        pytest.raises(WireError, match=r"not understood.*; use the dquery of its version"),
    ):
        client.watch()


def test_who_waits_asks_again_until_the_run_is_over(puppet: Any) -> None:
    end = messages.OK(name="dhub: 0 active tasks, 0 ready.", n=1, counts=(("failed", 2),), data=pack(run_view()))
    served = puppet(frame(messages.NotFound()), frame(messages.NotFound()), frame(end))
    with Client(served.address) as client:
        found = client.wait()
    assert found == End(1, Status(0, 0, {"failed": 2}, "dhub: 0 active tasks, 0 ready."), run_view())
    assert [wire.decode_request(bytes.fromhex(served.next())) for _ in range(3)] == [messages.Await(LAP)] * 3


def test_who_waits_so_long_only_is_told_that_it_is_not_over(hub: Any) -> None:
    with Client(hub.address) as client:
        client.create("a")
        assert client.wait(0.05) is None
        assert client.status().active == 1


def test_an_answer_that_a_parked_question_waits_for_may_take_longer_than_others(hub: Any) -> None:
    with Client(hub.address, timeout=0.2) as client:
        assert client.wait(1.0) is None


def test_a_hub_that_goes_without_a_word_is_missed(puppet: Any) -> None:
    with Client(puppet(frame(messages.NotFound())).address, timeout=0.2) as client, pytest.raises(TransportError):
        client.wait(0.5)


def test_exit_is_all_done(puppet: Any) -> None:
    with Client(puppet(EXIT).address) as client, pytest.raises(AllDone):
        client.steal()


def test_error_without_a_reason_is_refusal_all_the_same(puppet: Any) -> None:
    with Client(puppet(ERROR).address) as client, pytest.raises(GraphError, match="without a reason"):
        client.create("a")


def test_the_original_hub_is_named_when_it_cannot_look_up(puppet: Any) -> None:
    with Client(puppet(ERROR).address) as client, pytest.raises(GraphError, match="an original dhub cannot"):
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
            with pytest.raises(GraphError, match="original dhub, which would silently drop"):
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
