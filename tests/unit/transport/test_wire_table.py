"""The table of messages: it has a row for each message, each row is true, and the manual says the same."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, get_args

import pytest

from dwork.core import messages as m
from dwork.core.cause import Cause
from dwork.core.peer_version import Version
from dwork.core.resources import Resources
from dwork.core.shell import Shell
from dwork.core.task import Assigned, EndWarning, Options, Result, Task
from dwork.transport import wire
from dwork.transport._pb.dwork_pb2 import QueryMsg
from dwork.transport.wire.table import HELD, REPLIES, REQUESTS
from tests.conftest import ROOT

SHELL = Shell(("bash", "-e"), ("module load x",), ("tasks.txt:2",))
OPTIONS = Options(2, 3, 4, 5.0, 6, 7, "/there", 8.0, (("A", "b"),), SHELL, ("out",), 9.0, EndWarning(10, 11.0))
VERSION = Version(3, "0.4")
NATIVE = m.Native(2, 9.0, 7, ((1, 2), (3, 4)), True, 5.0, Resources(4, 5, 6), VERSION)
RESULT = Result(5, 1, 143, 15, 1e9, 2.0, 0.5, 0.25, 4096, Cause.MEMORY, "why", b"out", b"err", (7, 8), 2)

#: For each row two messages: one with all fields, one with as few as there can be.
SENT: dict[tuple[str, str], tuple[m.Message, m.Message]] = {
    ("request", "Create"): (
        m.Create((Task("a", "cmd", ("b",), OPTIONS, "host", ("c",)),)),
        m.Create((Task("a", "a"),)),
    ),
    ("request", "Steal"): (m.Steal("w", 3, NATIVE), m.Steal("w")),
    ("request", "Complete"): (m.Complete("w", (RESULT,), 4, NATIVE), m.Complete("w", (Result("a"),))),
    ("request", "Transfer"): (m.GiveBack("w", (m.Returned("a", ("b",)),), NATIVE), m.GiveBack("w", (m.Returned(1),))),
    ("request", "Exit"): (m.Exit("w"), m.Exit("")),
    ("request", "OK"): (m.OK(), m.OK()),
    ("request", "Lookup"): (m.Lookup("a"), m.Lookup("")),
    ("request", "Output"): (m.Output("w", 1, 2, b"x", 3, 4), m.Output("w", 0, 1, b"")),
    ("request", "Leave"): (m.Leave(("w", "v*")), m.Leave(("",))),
    ("request", "Include"): (m.Include(("w", "v*")), m.Include(("",))),
    ("request", "Drain"): (m.Drain(True), m.Drain()),
    ("request", "Workers"): (m.Workers(), m.Workers()),
    ("request", "Watch"): (m.Watch(), m.Watch()),
    ("request", "Await"): (m.Await(3.0), m.Await()),
    ("request", "Beat"): (m.Beat("w", NATIVE), m.Beat("w", m.Native())),
    ("request", "Cancel"): (m.Control(m.Verb.CANCEL, ("a", "#1")), m.Control(m.Verb.CANCEL, ("",))),
    ("request", "Retry"): (m.Control(m.Verb.RETRY, ("a", "#1")), m.Control(m.Verb.RETRY, ("",))),
    ("request", "Hold"): (m.Control(m.Verb.HOLD, ("a", "#1")), m.Control(m.Verb.HOLD, ("",))),
    ("request", "Release"): (m.Control(m.Verb.RELEASE, ("a", "#1")), m.Control(m.Verb.RELEASE, ("",))),
    ("request", "List"): (m.List(("done",), "a*", 3, 4), m.List()),
    ("request", "Show"): (m.Show("a", 2), m.Show("")),
    ("request", "Read"): (m.Read(1, 2, 2, 3), m.Read(0, 0, 1, 0)),
    ("reply", "Transfer"): (
        m.Transfer((Assigned(1, 2, "a", ("x", "y"), OPTIONS, "host"),), 3, awaited=True),
        m.Transfer(()),
    ),
    ("reply", "NotFound"): (m.NotFound(("a", 2), 3), m.NotFound()),
    ("reply", "OK"): (m.OK("text", 1, "w", 2, (("done", 3),), b"x", VERSION), m.OK()),
    ("reply", "Exit"): (m.Exit(answers=3), m.Exit()),
    ("reply", "Answer"): (m.Answer(b"[]", 5), m.Answer(b"")),
    ("reply", "Error"): (m.Error("why", 3, VERSION), m.Error("why")),
    ("reply", "Welcome"): (
        m.Welcome(
            "tcp://h:1",
            True,
            "{}",
            4,
            5.0,
            True,
            m.Execution(
                keep=("A*",), drop=("B",), set=(("C", "d"),), pin=True, enforce_memory=True, leftovers=m.Leftovers.FAIL
            ),
            VERSION,
        ),
        m.Welcome(),
    ),
    ("reply", "Move"): (m.Move("{}"), m.Move("")),
    ("reply", "Leave"): (m.Leave(), m.Leave()),
    ("reply", "Recall"): (m.Recall(3), m.Recall(0)),
    ("reply", "Cancel"): (m.Cancel((1, 300)), m.Cancel(())),
    ("reply", "Warn"): (m.Warn((1, 300), 10), m.Warn((), 0)),
}
#: A hub of ours sends it to C++ peers alone, and nothing of ours reads it.
UNREAD = {"Transfer.time"}

ROWS = {**{("request", row.name): row for row in REQUESTS}, **{("reply", row.name): row for row in REPLIES}}


def unset(value: Any) -> Iterator[str]:
    """The fields of a message, and of the values in it, that are as they are by default."""
    name = type(value).__name__
    if is_dataclass(value):
        for field in fields(value):
            default = None if field.default is MISSING else field.default
            if getattr(value, field.name) == default:
                yield f"{name}.{field.name}"
            yield from unset(getattr(value, field.name))
    elif isinstance(value, tuple):
        for field_name, default in getattr(value, "_field_defaults", {}).items():
            if getattr(value, field_name) == default:
                yield f"{name}.{field_name}"
        for part in value:
            yield from unset(part)


def test_every_message_has_its_row() -> None:
    assert {row.message for row in REQUESTS} == set(get_args(m.Request))
    assert {row.message for row in REPLIES} == set(get_args(m.Reply))
    assert ROWS.keys() == SENT.keys() and len(ROWS) == len(REQUESTS) + len(REPLIES)


def test_rows_of_one_class_can_be_sent_without_knowing_the_direction() -> None:
    for row in ROWS.values():
        same = [other for other in ROWS.values() if other.message is row.message]
        assert {other.put for other in same} == {row.put}
        assert row.message is m.Control or {other.name for other in same} == {row.name}


def test_the_messages_of_these_tests_have_every_field() -> None:
    missing: dict[type, set[str]] = {}
    for key, (message, _) in SENT.items():
        assert type(message) is ROWS[key].message
        missing.setdefault(type(message), set(unset(message))).intersection_update(unset(message))
    assert set().union(*missing.values()) == UNREAD


@pytest.mark.parametrize("which", [0, 1], ids=["all fields", "defaults"])
@pytest.mark.parametrize("key", SENT, ids="-".join)
def test_each_row_brings_back_what_it_has_sent(key: tuple[str, str], which: int) -> None:
    message = SENT[key][which]
    frame = wire.encode(message)
    assert QueryMsg.Type.Name(QueryMsg.FromString(frame).type) == ROWS[key].name
    decode = wire.decode_request if key[0] == "request" else wire.decode_reply
    assert decode(frame) == message


def test_a_peer_that_sends_no_version_speaks_the_first_one() -> None:
    hello = wire.decode_request(QueryMsg(type=QueryMsg.Steal, location="w", slots=1, hello=True).SerializeToString())
    assert isinstance(hello, m.Steal) and hello.native is not None and hello.native.version == Version(1, "")
    welcome = wire.decode_reply(QueryMsg(type=QueryMsg.Welcome).SerializeToString())
    assert isinstance(welcome, m.Welcome) and welcome.version == Version(1, "")
    assert wire.decode_reply(QueryMsg(type=QueryMsg.OK).SerializeToString()) == m.OK(version=None)


@pytest.mark.parametrize("key", SENT, ids="-".join)
def test_a_row_says_what_its_ids_are_if_it_has_any(key: tuple[str, str]) -> None:
    q = QueryMsg.FromString(wire.encode(SENT[key][0]))
    assert bool(q.ids) == bool(ROWS[key].ids)
    assert q.compare == (ROWS[key].ids == HELD)


def manual() -> dict[str, tuple[str, str]]:
    """What the manual says of each request: the fields that it must have, and those that it must not have."""
    text = (ROOT / "proto" / "dwork.proto").read_text().partition("// REQUESTS")[2]
    head, *lines = re.search(r"//   type .*\n(//   .*\n)+", text)[0].splitlines()  # type: ignore[index]
    first, second, third, end = (head.index(word) for word in ("type", "must", "not", "reply"))
    found: dict[str, tuple[str, str]] = {}
    name = ""
    for line in lines:
        name = line[first:second].strip() or name
        must, must_not = found.get(name, ("", ""))
        found[name] = (f"{must} {line[second:third]}", f"{must_not} {line[third:end]}")
    return {name: (words(must), words(must_not)) for name, (must, must_not) in found.items()}


def words(cell: str) -> str:
    return " ".join(re.findall(r"\w+", cell))


def test_the_manual_has_the_rules_of_the_rows() -> None:
    assert manual() == {row.name: (row.must, row.must_not) for row in REQUESTS}


def test_the_manual_begins_with_the_version_of_the_protocol() -> None:
    first = (ROOT / "proto" / "dwork.proto").read_text().partition("\n")[0]
    assert first == f"// The dwork protocol, version {m.PROTOCOL}."


def test_a_reply_has_no_rules() -> None:
    assert [row for row in REPLIES if row.must or row.must_not] == []
