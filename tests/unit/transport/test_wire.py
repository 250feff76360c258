"""Frames: the very bytes of the C++ peers, every message there and back, and rubbish."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from hypothesis import example, given
from hypothesis import strategies as st

from dwork.core import messages as m
from dwork.core.cause import Cause
from dwork.core.errors import WireError
from dwork.core.messages import Returned, Verb
from dwork.core.task import PLAIN, Assigned, EndWarning, Options, Result, Task
from dwork.core.text import printable
from dwork.transport import wire
from dwork.transport._pb import dwork_pb2
from dwork.transport._pb.dwork_pb2 import QueryMsg, TaskMsg
from dwork.transport.wire.table import REQUESTS as ROWS

ROOT = Path(__file__).parents[3]

# -- the C++ peers ----------------------------------------------------------------------------------------------------

REQUESTS = [
    ("0806", m.OK()),
    ("08013202766d", m.Steal("vm")),
    ("080120033202766d", m.Steal("vm", 3)),
    ("080012070a01611202766d", m.Create((Task("a", "a", origin="vm"),))),
    (
        "080012160a01631202766d22030a016122080a066e6f73756368",
        m.Create((Task("c", "c", ("a", "nosuch"), origin="vm"),)),
    ),
    ("080212070a01611202766d3202766d", m.Complete("vm", (Result("a"),))),
    ("08073202766d", m.Exit("vm")),
    ("0803120c0a01611202766d22030a016132027732", m.GiveBack("w2", (Returned("a", ("a",)),))),
]

REPLIES = [
    ("08061a1e646875623a203020616374697665207461736b732c20302072656164792e2000", m.OK(
        "dhub: 0 active tasks, 0 ready.", 0
    )),
    ("0807", m.Exit()),
    ("0806", m.OK()),
    ("0805", m.NotFound()),
    ("080312140a01611202766d320b080110a7a585d5f29f9803", m.Transfer((Assigned(0, 0, "a", "a", origin="vm"),))),
]  # fmt: skip


def original_schema() -> Any:
    """QueryMsg as the C++ peers know it: without all that is numbered 16 and up."""
    file = descriptor_pb2.FileDescriptorProto()
    dwork_pb2.DESCRIPTOR.CopyToProto(file)
    file.name, file.package = "original.proto", "original"

    def strip(message: Any) -> None:
        kept = [field for field in message.field if field.number < 16]
        del message.field[:]
        message.field.extend(kept)
        for field in [field for field in message.field if field.type_name]:
            field.type_name = field.type_name.replace(".dwork.", ".original.")
        for enum in message.enum_type:
            values = [value for value in enum.value if value.number < 16]
            del enum.value[:]
            enum.value.extend(values)
        for nested in message.nested_type:
            strip(nested)

    kept = [message for message in file.message_type if message.name in ("TaskMsg", "QueryMsg")]
    del file.message_type[:]
    file.message_type.extend(kept)
    for message in file.message_type:
        strip(message)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("original.QueryMsg"))


ORIGINAL = original_schema()


def as_original(frame: bytes) -> str:
    """What a C++ peer sees of a frame, in hex."""
    q = ORIGINAL.FromString(frame)
    q.DiscardUnknownFields()
    return str(q.SerializeToString().hex())


@pytest.mark.parametrize(("frame", "message"), REQUESTS)
def test_a_request_of_a_cpp_peer_is_understood(frame: str, message: m.Message) -> None:
    assert wire.decode_request(bytes.fromhex(frame)) == message


@pytest.mark.parametrize(("frame", "message"), [row for row in REQUESTS if row[0][:4] != "0803"])
def test_a_request_of_ours_has_the_bytes_of_a_cpp_peer(frame: str, message: m.Message) -> None:
    assert wire.encode(message).hex() == frame


@pytest.mark.parametrize(("frame", "message"), REPLIES)
def test_a_reply_of_a_cpp_hub_is_understood(frame: str, message: m.Message) -> None:
    assert wire.decode_reply(bytes.fromhex(frame)) == message


@pytest.mark.parametrize(("frame", "message"), REPLIES[:-1])
def test_a_reply_of_ours_has_the_bytes_of_a_cpp_hub(frame: str, message: m.Message) -> None:
    assert wire.encode(message).hex() == frame


def test_an_error_of_a_cpp_hub_is_understood_without_a_reason() -> None:
    error = wire.decode_reply(b"\x08\x08")
    assert isinstance(error, m.Error)
    assert error.text


def test_a_cpp_peer_sees_a_transfer_of_ours_as_one_of_its_hub() -> None:
    transfer = m.Transfer((Assigned(7, 1, "a", "a", Options(cores=3), "vm"),), time=1804256466818343 / 1e6)
    seen = as_original(wire.encode(transfer))
    theirs = ORIGINAL.FromString(bytes.fromhex(REPLIES[-1][0]))
    theirs.task[0].log[0].time = 1804256466818343
    assert seen == theirs.SerializeToString().hex()


def test_a_cpp_peer_sees_what_it_knows_of_our_other_messages() -> None:
    assert as_original(wire.encode(m.Error("because"))) == "0808"
    assert as_original(wire.encode(m.NotFound(answers=4))) == "0805"
    assert as_original(wire.encode(m.Exit(answers=4))) == "0807"
    assert as_original(wire.encode(m.Steal("vm", 3, m.Native(4, 9.0, 2, ((1, 1),), True)))) == "080120033202766d"
    named = m.Complete("vm", (Result("a", 3, 1, cause=Cause.NOT_STARTED, error="no"),), 2, m.Native(4))
    assert as_original(wire.encode(named)) == "080212070a01611202766d3202766d"
    create = m.Create((Task("a", ("x", "y"), (), Options(env=(("A", "b"),)), "vm"),))
    assert as_original(wire.encode(create)) == "080012070a01611202766d"


# -- our own types ----------------------------------------------------------------------------------------------------

CONTROLS = [
    ("081212050a0161120012060a0223311200", m.Control(Verb.CANCEL, ("a", "#1"))),
    ("081412050a0161120012060a0223311200", m.Control(Verb.RETRY, ("a", "#1"))),
    ("081512050a01611200", m.Control(Verb.HOLD, ("a",))),
    ("081612050a012a1200", m.Control(Verb.RELEASE, ("*",))),
]


@pytest.mark.parametrize(("frame", "message"), CONTROLS)
def test_a_control_keeps_its_bytes(frame: str, message: m.Control) -> None:
    assert wire.encode(message).hex() == frame
    assert wire.decode_request(bytes.fromhex(frame)) == message


def test_cancel_is_a_control_to_the_hub_and_numbers_to_a_worker() -> None:
    assert wire.encode(m.Cancel((1, 300))).hex() == "0812b2010301ac02"
    assert wire.decode_reply(bytes.fromhex("0812b2010301ac02")) == m.Cancel((1, 300))
    with pytest.raises(WireError, match="Cancel must have task"):
        wire.decode_request(bytes.fromhex("0812b2010301ac02"))
    assert wire.decode_reply(bytes.fromhex(CONTROLS[0][0])) == m.Cancel(())


# -- there and back ---------------------------------------------------------------------------------------------------

UINT32, UINT64 = 2**32 - 1, 2**64 - 1
NAMES = st.text(max_size=8)
RAW = st.binary(max_size=8).map(os.fsdecode)
FLOATS = st.floats(allow_nan=False)
OPTIONS = st.just(PLAIN) | st.builds(
    Options,
    cores=st.integers(1, UINT32),
    memory=st.integers(0, UINT64),
    gpus=st.integers(0, UINT32),
    timeout=st.none() | FLOATS,
    retries=st.none() | st.integers(0, UINT32),
    priority=st.integers(-(2**31), 2**31 - 1),
    cwd=st.none() | RAW,
    min_time=FLOATS,
    env=st.lists(st.tuples(RAW, RAW), max_size=2).map(tuple),
    creates=st.lists(RAW, max_size=2).map(tuple),
    grace=st.none() | FLOATS,
    warn=st.none() | st.builds(EndWarning, st.integers(0, UINT32), FLOATS),
)
COMMANDS = st.none() | RAW | st.lists(RAW, min_size=1, max_size=3).map(tuple)
IDS = st.integers(0, UINT64)
KEYS = NAMES | IDS
NATIVE = st.builds(
    m.Native,
    slots=st.integers(1, UINT32),
    wait=FLOATS,
    sequence=st.integers(0, UINT64),
    held=st.none() | st.lists(st.tuples(IDS, st.integers(0, UINT32)), max_size=3).map(tuple),
    hello=st.booleans(),
    beat=FLOATS,
)


def several(one: st.SearchStrategy[Any], least: int = 1) -> st.SearchStrategy[Any]:
    return st.lists(one, min_size=least, max_size=4).map(tuple)


#: An error without a cause would become OTHER.
CAUSES = st.sampled_from([cause for cause in Cause if cause is not Cause.ITSELF])


def results(keys: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    small = st.integers(0, UINT32)
    return several(
        keys.map(Result)
        | st.builds(
            Result, keys, small, small, small, FLOATS, FLOATS, FLOATS, FLOATS, IDS, CAUSES,
            NAMES.map(printable),
            st.binary(max_size=4), st.binary(max_size=4), st.just(()) | st.tuples(IDS, st.integers(1, UINT64)),
            small,
        )
    )  # fmt: skip


TASKS = st.builds(Task, NAMES, COMMANDS, several(NAMES, 0), OPTIONS, NAMES, several(NAMES, 0))
SEQUENCE = st.integers(0, UINT64)
INT32 = st.integers(-(2**31), 2**31 - 1)
REQUEST = st.one_of(
    st.builds(m.Create, several(TASKS)),
    st.builds(m.Steal, NAMES, INT32, st.none() | NATIVE),
    st.builds(m.Complete, NAMES, results(NAMES) | results(IDS), st.integers(0, UINT32), st.none() | NATIVE),
    st.builds(m.GiveBack, NAMES, several(st.builds(Returned, KEYS, several(NAMES, 0))), st.none() | NATIVE),
    st.builds(m.Exit, NAMES),
    st.just(m.OK()),
    st.builds(m.Lookup, NAMES),
    st.builds(m.Output, NAMES, IDS, st.sampled_from([1, 2]), st.binary(max_size=9)),
    st.builds(
        m.Output,
        NAMES,
        IDS,
        st.sampled_from([1, 2]),
        st.binary(max_size=9),
        attempt=st.integers(1, UINT32),
        position=IDS,
    ),
    st.builds(m.Control, st.sampled_from(Verb), several(NAMES)),
    st.builds(m.Beat, NAMES, NATIVE),
    st.builds(m.Leave, several(NAMES)),
    st.builds(m.Include, several(NAMES)),
    st.just(m.Workers()),
    st.just(m.Watch()),
    st.builds(m.Await, st.floats(allow_nan=False)),
    st.builds(m.Drain, st.booleans()),
    st.builds(m.List, several(NAMES, 0), st.none() | NAMES, IDS, INT32),
    st.builds(m.Show, NAMES, st.none() | IDS),
    st.builds(m.Read, IDS, IDS, st.sampled_from([1, 2]), IDS),
)
REPLY = st.one_of(
    st.builds(
        m.Transfer,
        several(
            st.builds(Assigned, IDS, st.integers(0, UINT32), NAMES, COMMANDS, OPTIONS, NAMES).filter(
                lambda task: task.command is not task.name  # as of two empty ones: then it is sent without its origin
            ),
            0,
        ),
        SEQUENCE,
    ),
    # Plain ones: the name is the command, and nothing else is to be said.
    st.builds(
        lambda names, n: m.Transfer(tuple(Assigned(i, i + 1, name, name) for i, name in enumerate(names)), n),
        several(NAMES),
        SEQUENCE,
    ),
    st.builds(m.Exit, st.none(), SEQUENCE),
    st.builds(m.OK, st.none() | NAMES, st.none() | INT32, st.none() | NAMES, SEQUENCE,
              several(st.tuples(NAMES, IDS), 0)),
    st.builds(m.NotFound, several(KEYS, 0), SEQUENCE),
    st.builds(m.Error, st.text(min_size=1).map(printable)),
    st.builds(m.Welcome, NAMES, st.booleans(), NAMES, IDS, FLOATS, st.booleans()),
    st.builds(m.Move, NAMES),
    st.just(m.Leave()),
    st.builds(m.Answer, st.binary(max_size=9), st.none() | IDS),
    st.builds(m.Recall, INT32),
    st.builds(m.Warn, several(IDS, 0), INT32),
    st.builds(m.Cancel, several(IDS, 0)),
)  # fmt: skip


@given(REQUEST)
@example(m.Complete("w", (Result("a"),), 1, m.Native(1, 0.0, 7)))
@example(m.Control(Verb.RELEASE, ("",)))
def test_each_request_comes_back_as_it_was(message: m.Message) -> None:
    assert wire.decode_request(wire.encode(message)) == message


@given(REPLY)
@example(m.Transfer((), 3))
@example(m.Transfer((Assigned(1, 1, "a", "a"),), 3, awaited=True))
def test_each_reply_comes_back_as_it_was(message: m.Message) -> None:
    assert wire.decode_reply(wire.encode(message)) == message


def with_text(**fields: Any) -> Result:
    """The result of a frame with these fields in Results.Text, from a peer of any version."""
    complete = QueryMsg(type=QueryMsg.Complete, location="w", task=[TaskMsg(name="a", origin="")])
    complete.results.text.add(row=0, **fields)
    message = wire.decode_request(complete.SerializeToString())
    assert isinstance(message, m.Complete)
    return message.results[0]


def test_a_cause_that_only_another_version_knows_is_another_one_than_ours() -> None:
    assert with_text(cause=len(Cause)).cause is with_text(cause=2**32 - 1).cause is Cause.OTHER
    assert with_text(error="timed out after 2 s").cause is Cause.OTHER
    assert with_text(stdout=b"x").cause is Cause.ITSELF


def test_the_manual_of_the_protocol_lists_the_causes_in_their_order() -> None:
    comment = (ROOT / "proto" / "dwork.proto").read_text().partition("other than by itself (0)")[2]
    words = re.findall(r"\b(\d+) ([a-z ]+)", comment.partition("A hub treats")[0].replace("//", ""))
    assert [(int(number), " ".join(word.split())) for number, word in words] == [
        (number, cause.value) for number, cause in enumerate(Cause) if cause is not Cause.ITSELF
    ]


def test_an_infinite_wait_and_a_name_of_64_kib_travel() -> None:
    steal = m.Steal("w" * 65536, 1, m.Native(wait=float("inf")))
    assert wire.decode_request(wire.encode(steal)) == steal


def test_plain_tasks_and_ok_results_are_small_on_the_wire() -> None:
    n = 1000
    transfer = m.Transfer(tuple(Assigned(i, 1, name, name) for i, name in enumerate(map(str, range(n)))), 1)
    assert len(wire.encode(transfer)) < 10 * n
    complete = m.Complete("w", tuple(Result(i, 1) for i in range(n)), 1, m.Native(1, 0.0, 1))
    assert len(wire.encode(complete)) < 4 * n


def test_a_command_of_any_bytes_travels() -> None:
    command = os.fsdecode(b"echo \xff\xfe")
    create = m.Create((Task("a", command),))
    assert wire.decode_request(wire.encode(create)) == create


@pytest.mark.parametrize(
    "message",
    [
        m.Create((Task("\udcff", "x"),)),
        m.Steal("w", 2**31),
        m.Complete("w", (Result(1, exit_status=-1),)),
        m.Create((Task("a", "x", (), Options(cores=-1)),)),
    ],
)
def test_what_cannot_be_sent_is_a_wire_error(message: m.Message) -> None:
    with pytest.raises(WireError, match="cannot be sent"):
        wire.encode(message)


@pytest.mark.parametrize(
    ("message", "decode", "as_sent"),
    [
        (m.Error("no \udcff"), wire.decode_reply, m.Error("no \\xff")),
        (m.Steal("w\udcff"), wire.decode_request, m.Steal("w\\xff")),
        (m.Exit("é\udcff"), wire.decode_request, m.Exit("é\\xff")),
        (m.Leave(("w\udcff*",)), wire.decode_request, m.Leave(("w\\xff*",))),
        (
            m.Complete("w\udcff", (Result(1, 2, 126, cause=Cause.NOT_STARTED, error="cannot start /a\udcff"),)),
            wire.decode_request,
            m.Complete("w\\xff", (Result(1, 2, 126, cause=Cause.NOT_STARTED, error="cannot start /a\\xff"),)),
        ),
        (
            m.Create((Task("a", "a", origin="h\udcff"),)),
            wire.decode_request,
            m.Create((Task("a", "a", origin="h\\xff"),)),
        ),
        (m.OK(location="w\ud800"), wire.decode_reply, m.OK(location="w\\ud800")),
    ],
)
def test_text_for_people_travels_whatever_bytes_it_came_from(
    message: m.Message, decode: Callable[[bytes], m.Message], as_sent: m.Message
) -> None:
    assert decode(wire.encode(message)) == as_sent


@pytest.mark.parametrize("verb", Verb)
def test_a_control_that_cannot_be_sent_is_called_by_its_verb(verb: Verb) -> None:
    with pytest.raises(WireError, match=f"this {verb.name.title()} cannot be sent"):
        wire.encode(m.Control(verb, ("\udcff",)))


# -- what a type must and must not have -------------------------------------------------------------------------------

RULES = {row.name: (row.must, row.must_not) for row in ROWS}


def legal(kind: str) -> Any:
    """A QueryMsg with exactly what it must have."""
    q = QueryMsg(type=QueryMsg.Type.Value(kind))
    for field in RULES[kind][0].split():
        put(q, field)
    return q


def put(q: Any, field: str) -> None:
    match field:
        case "task":
            q.task.add(name="a", origin="")
        case "ids":
            q.ids.extend((1, 1, 0))
        case "n":
            q.n = 0
        case "slots" | "stream":
            setattr(q, field, 1)
        case "data":
            q.data = b""
        case _:
            setattr(q, field, "")


@pytest.mark.parametrize("kind", RULES)
def test_a_request_with_what_it_must_have_is_taken(kind: str) -> None:
    wire.decode_request(legal(kind).SerializeToString())


@pytest.mark.parametrize(("kind", "field"), [(k, f) for k, (must, _) in RULES.items() for f in must.split()])
def test_a_request_without_what_it_must_have_is_refused(kind: str, field: str) -> None:
    q = legal(kind)
    q.ClearField(field)
    with pytest.raises(WireError, match=f"^{kind} must have {field}$"):
        wire.decode_request(q.SerializeToString())


@pytest.mark.parametrize(("kind", "field"), [(k, f) for k, (_, not_) in RULES.items() for f in not_.split()])
def test_a_request_with_what_it_must_not_have_is_refused(kind: str, field: str) -> None:
    q = legal(kind)
    put(q, field)
    with pytest.raises(WireError, match=f"^{kind} must not have {field}$"):
        wire.decode_request(q.SerializeToString())


def test_only_a_complete_may_tell_its_tasks_by_number() -> None:
    for kind in ("Create", "Transfer", "Cancel", "Retry", "Hold", "Release"):
        q = legal(kind)
        q.ClearField("task")
        q.results.id.append(1)
        with pytest.raises(WireError, match="must have task"):
            wire.decode_request(q.SerializeToString())


# -- rubbish ----------------------------------------------------------------------------------------------------------


def survives(frame: bytes) -> None:
    for decode in (wire.decode_request, wire.decode_reply):
        try:
            decode(frame)
        except WireError as error:
            assert str(error).isprintable()


@given(st.binary(max_size=60))
def test_random_bytes_are_a_message_or_a_wire_error(frame: bytes) -> None:
    survives(frame)
    survives(b"\x08" + frame)


@given(REQUEST | REPLY, st.data())
def test_a_frame_cut_short_or_changed_is_a_message_or_a_wire_error(message: m.Message, data: st.DataObject) -> None:
    frame = wire.encode(message)
    survives(frame[: data.draw(st.integers(0, len(frame)))])
    at = data.draw(st.integers(0, len(frame) - 1))
    survives(frame[:at] + data.draw(st.binary(max_size=3)) + frame[at + 1 :])


RUBBISH = {
    "an empty frame": (b"", "missing or unknown"),
    "no type": (b"\x32\x01a", "missing or unknown"),
    "a type that we do not know": (b"\x08\x63", "missing or unknown"),
    "a name that is no UTF-8": (bytes.fromhex("08001206 0a01ff 120161".replace(" ", "")), "UTF-8|not a QueryMsg"),
    "a predecessor that is no UTF-8": (bytes.fromhex("0800120b0a01611201612203" + "0a01ff"), "UTF-8|not a QueryMsg"),
    "a task without a name": (bytes.fromhex("080012021200"), "lacks task.0..name"),
    "a length beyond the end": (bytes.fromhex("080012ffffffff07"), "not a QueryMsg"),
    "a packed column beyond the end": (bytes.fromhex("0802b201ffffffff0f"), "not a QueryMsg"),
    "a reply's type": (b"\x08\x10", "Welcome cannot be sent in this direction"),
}


@pytest.mark.parametrize("what", RUBBISH)
def test_rubbish_is_refused_with_a_reason(what: str) -> None:
    frame, reason = RUBBISH[what]
    with pytest.raises(WireError, match=reason):
        wire.decode_request(frame)
    survives(frame)


def complete(n: int) -> Any:
    q = QueryMsg(type=QueryMsg.Complete, location="w")
    q.results.id.extend(range(n))
    return q


@pytest.mark.parametrize("column", ["attempt", "exit_status", "signal", "started", "seconds", "user", "system"])
def test_columns_of_unequal_length_are_refused(column: str) -> None:
    for rows in (1, 3):
        q = complete(2)
        getattr(q.results, column).extend([1] * rows)
        with pytest.raises(WireError, match=f"results.{column} must have 2 rows or none, and has {rows}"):
            wire.decode_request(q.SerializeToString())


def test_columns_must_fit_the_tasks_that_are_named() -> None:
    q = legal("Complete")
    q.results.attempt.extend([1, 1])
    with pytest.raises(WireError, match="must have 1 rows"):
        wire.decode_request(q.SerializeToString())


def test_text_about_a_row_that_is_not_there_is_refused() -> None:
    q = complete(2)
    q.results.text.add(row=2, error="x")
    with pytest.raises(WireError, match="row 2 of 2"):
        wire.decode_request(q.SerializeToString())


@pytest.mark.parametrize(("names", "ids", "attempts"), [(2, 1, 2), (1, 2, 2), (1, 1, 0)])
def test_a_plain_transfer_of_unequal_columns_is_refused(names: int, ids: int, attempts: int) -> None:
    q = QueryMsg(type=QueryMsg.Transfer)
    q.plain.name.extend("a" * names)
    q.plain.id.extend(range(ids))
    q.plain.attempt.extend([1] * attempts)
    with pytest.raises(WireError, match="same length"):
        wire.decode_reply(q.SerializeToString())


@pytest.mark.parametrize(("ids", "stream"), [((1, 1), 1), ((1, 1, 1, 1), 1), ((1, 1, 1), 0), ((1, 1, 1), 3)])
def test_read_must_have_one_position_and_a_stream(ids: tuple[int, ...], stream: int) -> None:
    q = QueryMsg(type=QueryMsg.Read, ids=ids, stream=stream)
    with pytest.raises(WireError, match="task, attempt and position in ids, and stream 1 or 2"):
        wire.decode_request(q.SerializeToString())


def test_a_beat_must_come_from_a_worker_with_slots() -> None:
    with pytest.raises(WireError, match="at least 1 slot"):
        wire.decode_request(QueryMsg(type=QueryMsg.Beat, location="w", slots=0).SerializeToString())


@pytest.mark.parametrize(("ids", "attempts"), [((1,), ()), ((), (1,)), ((1, 2), (1,))])
def test_held_tasks_must_come_with_their_attempts(ids: tuple[int, ...], attempts: tuple[int, ...]) -> None:
    q = QueryMsg(type=QueryMsg.Steal, location="w", slots=1, compare=True, ids=ids, attempts=attempts)
    with pytest.raises(WireError, match="must have the same length"):
        wire.decode_request(q.SerializeToString())


@pytest.mark.parametrize(("ids", "stream"), [((1, 2), 1), ((1, 2, 3, 4), 1), ((1,), 0), ((1, 2, 3), 3)])
def test_output_must_tell_one_task_and_a_stream(ids: tuple[int, ...], stream: int) -> None:
    q = QueryMsg(type=QueryMsg.Output, location="w", data=b"x", ids=ids, stream=stream)
    with pytest.raises(WireError, match="a task, or task, attempt and position, in ids, and stream 1 or 2"):
        wire.decode_request(q.SerializeToString())


@pytest.mark.parametrize("kind", ["NotFound", "Error", "Welcome", "Recall", "Answer"])
def test_a_reply_does_not_go_to_a_hub(kind: str) -> None:
    with pytest.raises(WireError, match=f"{kind} cannot be sent in this direction"):
        wire.decode_request(QueryMsg(type=QueryMsg.Type.Value(kind)).SerializeToString())


@pytest.mark.parametrize(
    "kind",
    ["Create", "Steal", "Complete", "Lookup", "Output", "Retry", "Hold", "Release", "Beat", "List", "Show", "Read"],
)
def test_a_request_does_not_go_to_a_worker(kind: str) -> None:
    with pytest.raises(WireError, match=f"{kind} cannot be sent in this direction"):
        wire.decode_reply(QueryMsg(type=QueryMsg.Type.Value(kind)).SerializeToString())


# -- the schema -------------------------------------------------------------------------------------------------------


def test_the_generated_module_is_that_of_the_proto_file(tmp_path: Path) -> None:
    try:
        from grpc_tools import protoc
    except ImportError:
        if os.environ.get("CI"):
            raise
        pytest.skip("grpcio-tools is not installed")
    out = tmp_path / "dwork.desc"
    assert protoc.main(["protoc", f"-I{ROOT / 'proto'}", f"--descriptor_set_out={out}", "dwork.proto"]) == 0
    fresh = descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes()).file[0]
    kept = descriptor_pb2.FileDescriptorProto()
    dwork_pb2.DESCRIPTOR.CopyToProto(kept)
    for file in (fresh, kept):
        clean(file)
    assert kept == fresh, "run `make proto`"


def clean(file: Any) -> None:
    """Leave out what only one of the two ways to a descriptor tells."""

    def walk(message: Any) -> None:
        for field in message.field:
            field.ClearField("json_name")
        for nested in message.nested_type:
            walk(nested)

    for message in file.message_type:
        walk(message)
