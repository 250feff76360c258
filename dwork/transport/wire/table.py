"""The table of messages: what each one is on the wire, in each direction.

A row has the name of the type, the class of the message, the fields that it must have, those that it must not have,
`put`, which writes the message into a QueryMsg, `get`, which makes the message of one, and what its `ids` are. The
rules of a request are those under REQUESTS in proto/dwork.proto. A reply has none: a hub in another language may leave
out what ours sends.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final, NamedTuple

from dwork.core import messages as m
from dwork.core.messages import Verb
from dwork.transport.wire.replies import (
    get_error,
    get_not_found,
    get_ok,
    get_transfer,
    get_welcome,
    put_answer,
    put_cancel,
    put_error,
    put_exit,
    put_move,
    put_not_found,
    put_ok,
    put_recall,
    put_transfer,
    put_warn,
    put_welcome,
)
from dwork.transport.wire.requests import (
    get_beat,
    get_complete,
    get_control,
    get_create,
    get_give_back,
    get_include,
    get_leave,
    get_list,
    get_output,
    get_read,
    get_steal,
    put_await,
    put_beat,
    put_complete,
    put_control,
    put_create,
    put_drain,
    put_give_back,
    put_leave,
    put_list,
    put_lookup,
    put_output,
    put_read,
    put_show,
    put_steal,
)
from dwork.transport.wire.values import get_cursor, to_text

# What `ids` has, which differs from row to row.
HELD: Final = "held"  # with `compare`: all tasks that the worker holds
CURSOR: Final = "cursor"  # where a list begins, or continues; absent at its end
PIECE: Final = "piece"  # a task, its attempt, and where a piece of its output is
KILL: Final = "kill"  # tasks to kill
WARN: Final = "warn"  # tasks that get a signal


class Row(NamedTuple):
    """A message in one direction; the module docstring describes the fields."""

    name: str
    message: type
    must: str
    must_not: str
    put: Callable[[Any, Any], None]
    get: Callable[[Any], m.Message]
    ids: str = ""


def _nothing(message: m.Message, q: Any) -> None:
    """Write no field: the type is all."""


# fmt: off
#: To a hub.
REQUESTS: Final = (
    #    type        class       must                        must not                put, get, ids
    Row("Create",   m.Create,   "task",                     "name n location",      put_create, get_create),
    Row("Steal",    m.Steal,    "location",                 "task name",            put_steal, get_steal, HELD),
    Row("Complete", m.Complete, "location task",            "name n",               put_complete, get_complete, HELD),
    Row("Transfer", m.GiveBack, "location task",            "name n",               put_give_back, get_give_back, HELD),
    Row("Exit",     m.Exit,     "location",                 "task name n",
        put_exit, lambda q: m.Exit(to_text(q.location))),
    Row("OK",       m.OK,       "",                         "task name n location", put_ok, lambda q: m.OK()),
    Row("Lookup",   m.Lookup,   "name",                     "task n location",
        put_lookup, lambda q: m.Lookup(to_text(q.name))),
    Row("Output",   m.Output,   "location data ids stream", "task name n",          put_output, get_output, PIECE),
    Row("Leave",    m.Leave,    "task",                     "name n location",      put_leave, get_leave),
    Row("Include",  m.Include,  "task",                     "name n location",      put_leave, get_include),
    Row("Drain",    m.Drain,    "",                         "task name location",
        put_drain, lambda q: m.Drain(q.n > 0)),
    Row("Workers",  m.Workers,  "",                         "task name n location", _nothing, lambda q: m.Workers()),
    Row("Watch",    m.Watch,    "",                         "task name n location", _nothing, lambda q: m.Watch()),
    Row("Await",    m.Await,    "",                         "task name n location",
        put_await, lambda q: m.Await(q.wait)),
    Row("Beat",     m.Beat,     "location slots",           "task name n",          put_beat, get_beat, HELD),
    Row("Cancel",   m.Control,  "task",                     "name n location",
        put_control, partial(get_control, Verb.CANCEL)),
    Row("Retry",    m.Control,  "task",                     "name n location",
        put_control, partial(get_control, Verb.RETRY)),
    Row("Hold",     m.Control,  "task",                     "name n location",
        put_control, partial(get_control, Verb.HOLD)),
    Row("Release",  m.Control,  "task",                     "name n location",
        put_control, partial(get_control, Verb.RELEASE)),
    Row("List",     m.List,     "",                         "task location",        put_list, get_list, CURSOR),
    Row("Show",     m.Show,     "name",                     "task n location",
        put_show, lambda q: m.Show(to_text(q.name), get_cursor(q)), CURSOR),
    Row("Read",     m.Read,     "ids stream",               "task name n location", put_read, get_read, PIECE),
)
#: From a hub.
REPLIES: Final = (
    #    type        class
    Row("Transfer", m.Transfer, "", "", put_transfer, get_transfer),
    Row("NotFound", m.NotFound, "", "", put_not_found, get_not_found),
    Row("OK",       m.OK,       "", "", put_ok, get_ok),
    Row("Exit",     m.Exit,     "", "", put_exit, lambda q: m.Exit(answers=q.answers)),
    Row("Answer",   m.Answer,   "", "", put_answer, lambda q: m.Answer(q.data, get_cursor(q)), CURSOR),
    Row("Error",    m.Error,    "", "", put_error, get_error),
    Row("Welcome",  m.Welcome,  "", "", put_welcome, get_welcome),
    Row("Move",     m.Move,     "", "", put_move, lambda q: m.Move(to_text(q.connection))),
    Row("Leave",    m.Leave,    "", "", put_leave, lambda q: m.Leave()),
    Row("Recall",   m.Recall,   "", "", put_recall, lambda q: m.Recall(q.n)),
    Row("Cancel",   m.Cancel,   "", "", put_cancel, lambda q: m.Cancel(tuple(q.ids)), KILL),
    Row("Warn",     m.Warn,     "", "", put_warn, lambda q: m.Warn(tuple(q.ids), q.n), WARN),
)
# fmt: on
