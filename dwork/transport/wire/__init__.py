"""Convert messages to frames and back. Only the files of this folder use protobuf; `table` has a row for each message.

`encode` takes any message. `decode_request` is for a hub, `decode_reply` for a worker or client: the same type may
mean different things in the two directions. Whatever the bytes, both raise only WireError: for a frame that is not a
message, or that breaks the rules of its type. The error's text can be sent to the peer. proto/dwork.proto is the manual
of the protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from google.protobuf.message import DecodeError

from dwork.core import messages as m
from dwork.core.errors import WireError
from dwork.transport._pb.dwork_pb2 import QueryMsg
from dwork.transport.wire.table import REPLIES, REQUESTS, Row

#: By type: how to make the message, and fields with whether it must have or must not have them.
_Getters = Mapping[int, tuple[Callable[[Any], m.Message], list[tuple[str, bool]]]]


def _getters(rows: Iterable[Row]) -> _Getters:
    return {
        QueryMsg.Type.Value(row.name): (
            row.get,
            [(field, True) for field in row.must.split()] + [(field, False) for field in row.must_not.split()],
        )
        for row in rows
    }


_REQUESTS: Final = _getters(REQUESTS)
_REPLIES: Final = _getters(REPLIES)
#: The rows of a class agree on `put`; on the type, too, except those of Control, whose `put` sets it.
_BY_CLASS: Final = {row.message: (QueryMsg.Type.Value(row.name), row.put) for row in (*REQUESTS, *REPLIES)}


def encode(message: m.Message) -> bytes:
    """Return the frame of a message. WireError for a name that is not Unicode: only commands may contain any bytes."""
    q: Any = QueryMsg()
    q.type, put = _BY_CLASS[type(message)]
    try:
        put(message, q)
        return bytes(q.SerializeToString())
    except (UnicodeEncodeError, ValueError) as error:
        raise WireError(f"this {QueryMsg.Type.Name(q.type)} cannot be sent: {error}") from None


def decode_request(frame: bytes) -> m.Message:
    """Return the message of a frame that a hub has received. WireError when it is not a valid request."""
    return _decode(_REQUESTS, frame)


def decode_reply(frame: bytes) -> m.Message:
    """Return the message of a frame that a hub has sent. WireError when it is not a valid reply."""
    return _decode(_REPLIES, frame)


def _decode(getters: _Getters, frame: bytes) -> m.Message:
    q = _parse(frame)
    try:
        found = getters.get(q.type)
        if found is None:
            raise WireError(f"{QueryMsg.Type.Name(q.type)} cannot be sent in this direction")
        get, rules = found
        for field, must in rules:
            if _has(q, field) is not must:
                raise WireError(f"{QueryMsg.Type.Name(q.type)} must {'' if must else 'not '}have {field}")
        return get(q)
    except WireError as error:
        raise WireError(str(error), q.sequence) from None


def _parse(frame: bytes) -> Any:
    try:
        q: Any = QueryMsg.FromString(frame)
    except DecodeError:
        raise WireError(f"these {len(frame)} bytes are not a QueryMsg") from None
    if not q.HasField("type"):
        raise WireError("the type of this QueryMsg is missing or unknown")
    if not q.IsInitialized():  # the parser accepts it
        raise WireError(f"this QueryMsg lacks {q.FindInitializationErrors()[0]}")
    return q


def _has(q: Any, field: str) -> bool:
    if field == "task":
        return bool(q.task or (q.type == QueryMsg.Complete and q.results.id))
    return bool(q.ids if field == "ids" else q.HasField(field))
