"""Convert each reply to a QueryMsg and back: `put_X` writes a message, `get_X` returns the one that arrived.

`put_exit` and `put_ok` write requests as well: a message does not know its direction.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import repeat
from typing import Any

from dwork.core import messages as m
from dwork.core.argv import arguments
from dwork.core.errors import WireError
from dwork.core.shell import Shell
from dwork.core.task import PLAIN, Assigned, Command
from dwork.core.text import printable
from dwork.transport._pb.dwork_pb2 import TaskMsg
from dwork.transport.wire.values import (
    OptionsTable,
    get_command,
    get_execution,
    get_key,
    get_options,
    get_options_table,
    get_task_options,
    get_version,
    put_command,
    put_cursor,
    put_execution,
    put_key,
    put_options,
    put_version,
    readable,
    to_text,
)


def put_answers(message: m.Exit | m.OK | m.NotFound | m.Error, q: Any) -> None:
    if message.answers:
        q.answers = message.answers


def put_transfer(message: m.Transfer, q: Any) -> None:
    q.answers = message.answers
    tasks = message.tasks
    if not message.answers:
        _put_original(message, q)
        return
    if message.awaited:
        q.awaited = True
    table = OptionsTable(q)
    if tasks and _have_only_names(tasks):
        ids, attempts, names, *_ = zip(*tasks, strict=True)
        q.plain.name.extend(names)
        q.plain.id.extend(ids)
        q.plain.attempt.extend(attempts)
        if number := table.number(tasks[0].options):
            q.plain.shared = number
        return
    for id, attempt, name, command, options, origin in tasks:
        pb = q.task.add(name=name, origin=origin, id=id, attempt=attempt)
        if command is not name:
            put_command(command, pb)
        if number := table.number(options):
            pb.shared = number


def _put_original(message: m.Transfer, q: Any) -> None:
    """Write tasks for a peer of the original dialect, which need not know of shells."""
    for id, attempt, name, command, options, origin in message.tasks:
        pb = q.task.add(name=name, origin=origin, id=id, attempt=attempt)
        if command is not name or options.shell is not None:
            put_command(_without_shell(command, options.shell), pb)
        if options is not PLAIN:
            put_options(replace(options, shell=None), pb.options)
        if message.time:
            pb.log.add(state=TaskMsg.Stolen, time=int(message.time * 1e6))


def _without_shell(command: Command, shell: Shell | None) -> Command:
    return command if shell is None else arguments(command, shell, directly=False, marked=False)


def _have_only_names(tasks: tuple[Assigned, ...]) -> bool:
    """Whether all tasks are just names, with the same options."""
    options = tasks[0].options
    return all([task.command is task.name and task.options is options for task in tasks])


def get_transfer(q: Any) -> m.Transfer:
    plain = q.plain
    if len(plain.id) != len(plain.name) or len(plain.attempt) != len(plain.name):
        raise WireError("the columns of plain must have the same length")
    table = get_options_table(q)
    names = [to_text(name) for name in plain.name]
    tasks = list(map(Assigned, plain.id, plain.attempt, names, names, repeat(get_options(plain, table))))
    for pb in q.task:
        name = to_text(pb.name)
        options = get_task_options(pb, table)
        tasks.append(Assigned(pb.id, pb.attempt, name, get_command(pb, name), options, to_text(pb.origin)))
    return m.Transfer(tuple(tasks), q.answers, awaited=q.awaited)


def get_ok(q: Any) -> m.OK:
    return m.OK(
        to_text(q.name) if q.HasField("name") else None,
        q.n if q.HasField("n") else None,
        to_text(q.location) if q.HasField("location") else None,
        q.answers,
        tuple([(to_text(c.state), c.n) for c in q.count]),
        q.data,
        get_version(q) if q.HasField("protocol") else None,
    )


def put_not_found(message: m.NotFound, q: Any) -> None:
    for key in message.tasks:
        put_key(key, q.task.add)
    put_answers(message, q)


def get_not_found(q: Any) -> m.NotFound:
    return m.NotFound(tuple([get_key(pb) for pb in q.task]), q.answers)


def put_error(message: m.Error, q: Any) -> None:
    q.error = printable(message.text)
    put_version(message.version, q)
    put_answers(message, q)


def get_error(q: Any) -> m.Error:
    text = printable(to_text(q.error) or "the hub answered Error without a reason")
    return m.Error(text, q.answers, get_version(q) if q.HasField("protocol") else None)


def put_welcome(message: m.Welcome, q: Any) -> None:
    q.server, q.wants_output, q.output_limit = message.server, message.output, message.limit
    if message.connection:
        q.connection = message.connection
    if message.beat:
        q.beat = message.beat
    if message.again:
        q.again = True
    put_execution(message.execution, q)
    put_version(message.version, q)


def get_welcome(q: Any) -> m.Welcome:
    return m.Welcome(
        to_text(q.server),
        q.wants_output,
        to_text(q.connection),
        q.output_limit,
        q.beat,
        q.again,
        get_execution(q),
        get_version(q),
    )


def put_move(message: m.Move, q: Any) -> None:
    q.connection = message.connection


def put_recall(message: m.Recall, q: Any) -> None:
    q.n = message.n


def put_cancel(message: m.Cancel, q: Any) -> None:
    q.ids.extend(message.tasks)


def put_warn(message: m.Warn, q: Any) -> None:
    q.ids.extend(message.tasks)
    q.n = message.signal


def put_exit(message: m.Exit, q: Any) -> None:
    if message.location is not None:
        q.location = readable(message.location)
    put_answers(message, q)


def put_ok(message: m.OK, q: Any) -> None:
    if message.name is not None:
        q.name = message.name
    if message.n is not None:
        q.n = message.n
    if message.location is not None:
        q.location = readable(message.location)
    put_answers(message, q)
    for state, n in message.counts:
        q.count.add(state=state, n=n)
    if message.data:
        q.data = message.data
    put_version(message.version, q)


def put_answer(message: m.Answer, q: Any) -> None:
    q.data = message.data
    put_cursor(message.next, q)
