"""Convert each request to a QueryMsg and back: `put_X` writes a message, `get_X` returns the one that arrived.

Requests of one or two fields have no `get_X`; their rows in `table` do that.
"""

from __future__ import annotations

from typing import Any, Final

from dwork.core import messages as m
from dwork.core.errors import WireError
from dwork.core.task import Result, Task
from dwork.transport._pb.dwork_pb2 import QueryMsg
from dwork.transport.wire.values import (
    OptionsTable,
    get_command,
    get_cursor,
    get_key,
    get_native,
    get_options_table,
    get_results,
    get_task_options,
    put_command,
    put_cursor,
    put_key,
    put_native,
    put_results,
    readable,
    to_text,
)

#: The type of a Control.
VERBS: Final = {
    m.Verb.CANCEL: QueryMsg.Cancel,
    m.Verb.RETRY: QueryMsg.Retry,
    m.Verb.HOLD: QueryMsg.Hold,
    m.Verb.RELEASE: QueryMsg.Release,
}


# -- the graph --------------------------------------------------------------------------------------------------------


def put_create(message: m.Create, q: Any) -> None:
    add = q.task.add
    table = OptionsTable(q)
    for name, command, after, options, origin, after_any in message.tasks:
        pb = add(name=name, origin=readable(origin))
        for predecessor in after:
            pb.pred.add(name=predecessor)
        if command is not name:
            put_command(command, pb)
        if number := table.number(options):
            pb.shared = number
        if after_any:
            pb.after_any.extend(after_any)


def get_create(q: Any) -> m.Create:
    tasks = []
    table = get_options_table(q)
    for pb in q.task:
        name = to_text(pb.name)
        after = tuple([to_text(dep.name) for dep in pb.pred])
        options = get_task_options(pb, table)
        after_any = tuple(map(to_text, pb.after_any)) if pb.after_any else ()
        tasks.append(Task(name, get_command(pb, name), after, options, to_text(pb.origin), after_any))
    return m.Create(tuple(tasks))


def put_control(message: m.Control, q: Any) -> None:
    q.type = VERBS[message.verb]
    for name in message.tasks:
        q.task.add(name=name, origin="")


def get_control(verb: m.Verb, q: Any) -> m.Control:
    return m.Control(verb, tuple([to_text(pb.name) for pb in q.task]))


def put_lookup(message: m.Lookup, q: Any) -> None:
    q.name = message.name


def put_drain(message: m.Drain, q: Any) -> None:
    if message.now:
        q.n = 1


def put_await(message: m.Await, q: Any) -> None:
    q.wait = message.wait


def put_leave(message: m.Leave | m.Include, q: Any) -> None:
    for location in message.locations:
        q.task.add(name=readable(location), origin="")


def get_leave(q: Any) -> m.Leave:
    return m.Leave(tuple([to_text(pb.name) for pb in q.task]))


def get_include(q: Any) -> m.Include:
    return m.Include(tuple([to_text(pb.name) for pb in q.task]))


# -- what workers send ------------------------------------------------------------------------------------------------


def put_steal(message: m.Steal, q: Any) -> None:
    q.location = readable(message.location)
    if message.n != 1:
        q.n = message.n
    put_native(message.native, q)


def get_steal(q: Any) -> m.Steal:
    return m.Steal(to_text(q.location), q.n if q.HasField("n") else 1, get_native(q))


def put_beat(message: m.Beat, q: Any) -> None:
    q.location = readable(message.location)
    put_native(message.native, q)


def get_beat(q: Any) -> m.Beat:
    native = get_native(q)
    if native is None:
        raise WireError("Beat must have at least 1 slot")
    return m.Beat(to_text(q.location), native)


def put_complete(message: m.Complete, q: Any) -> None:
    q.location = readable(message.location)
    if message.steal:
        q.steal = message.steal
    is_named = isinstance(message.results[0].task, str)
    if is_named:
        for result in message.results:
            q.task.add(name=result.task, origin=q.location)
    if not is_named or any(result != Result(result.task) for result in message.results):
        put_results(message.results, q.results)
    put_native(message.native, q)


def get_complete(q: Any) -> m.Complete:
    keys = q.results.id or [get_key(pb) for pb in q.task]
    return m.Complete(to_text(q.location), tuple(get_results(keys, q.results)), q.steal, get_native(q))


def put_give_back(message: m.GiveBack, q: Any) -> None:
    q.location = readable(message.location)
    for returned in message.tasks:
        pb = put_key(returned.task, q.task.add, message.location)
        for name in returned.after:
            pb.pred.add(name=name)
    put_native(message.native, q)


def get_give_back(q: Any) -> m.GiveBack:
    tasks = tuple([m.Returned(get_key(pb), tuple([to_text(dep.name) for dep in pb.pred])) for pb in q.task])
    return m.GiveBack(to_text(q.location), tasks, get_native(q))


def put_output(message: m.Output, q: Any) -> None:
    q.location, q.stream, q.data = readable(message.location), message.stream, message.data
    q.ids.append(message.task)
    if message.attempt:
        q.ids.extend((message.attempt, message.position))


def get_output(q: Any) -> m.Output:
    if len(q.ids) not in (1, 3) or q.stream not in (1, 2):
        raise WireError("Output must have a task, or task, attempt and position, in ids, and stream 1 or 2")
    task, attempt, position = q.ids if len(q.ids) == 3 else (q.ids[0], 0, 0)
    return m.Output(to_text(q.location), task, q.stream, q.data, attempt, position if attempt else 0)


# -- inquiries --------------------------------------------------------------------------------------------------------


def put_list(message: m.List, q: Any) -> None:
    q.n = message.n
    put_cursor(message.first, q)
    q.states.extend(message.states)
    if message.glob is not None:
        q.name = message.glob


def get_list(q: Any) -> m.List:
    states = tuple([to_text(state) for state in q.states])
    glob = to_text(q.name) if q.HasField("name") else None
    return m.List(states, glob, get_cursor(q) or 0, q.n if q.HasField("n") else 1000)


def put_show(message: m.Show, q: Any) -> None:
    q.name = message.name
    put_cursor(message.first, q)


def put_read(message: m.Read, q: Any) -> None:
    q.stream = message.stream
    q.ids.extend((message.task, message.attempt, message.position))


def get_read(q: Any) -> m.Read:
    if len(q.ids) != 3 or q.stream not in (1, 2):
        raise WireError("Read must have task, attempt and position in ids, and stream 1 or 2")
    task, attempt, position = q.ids
    return m.Read(task, attempt, q.stream, position)
