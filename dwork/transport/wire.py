"""Convert messages to frames and back. The only module that uses protobuf; proto/dwork.proto is the protocol's manual.

`encode` takes any message. `decode_request` is for a hub, `decode_reply` for a worker or client: the same type may
mean different things in the two directions. Whatever the bytes, both raise only WireError: for a frame that is not a
message, or that breaks the rules of its type. The error's text can be sent to the peer.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from itertools import repeat
from typing import Any

from google.protobuf.message import DecodeError

from dwork.core import messages as m
from dwork.core.errors import WireError
from dwork.core.resources import Resources
from dwork.core.task import PLAIN, Assigned, Command, Options, Result, Task, TaskKey
from dwork.core.text import printable
from dwork.transport._pb.dwork_pb2 import QueryMsg, TaskMsg

#: The fields that a request must have, and those that it must not have, by type.
_RULES: dict[int, tuple[tuple[str, ...], tuple[str, ...]]] = {
    QueryMsg.Create: (("task",), ("name", "n", "location")),
    QueryMsg.Steal: (("location",), ("task", "name")),
    QueryMsg.Complete: (("location", "task"), ("name", "n")),
    QueryMsg.Transfer: (("location", "task"), ("name", "n")),
    QueryMsg.Exit: (("location",), ("task", "name", "n")),
    QueryMsg.OK: ((), ("task", "name", "n", "location")),
    QueryMsg.Lookup: (("name",), ("task", "n", "location")),
    QueryMsg.Output: (("location", "data"), ("task", "name", "n")),
    QueryMsg.Cancel: (("task",), ("name", "n", "location")),
    QueryMsg.Retry: (("task",), ("name", "n", "location")),
    QueryMsg.Hold: (("task",), ("name", "n", "location")),
    QueryMsg.Release: (("task",), ("name", "n", "location")),
    QueryMsg.List: ((), ("task", "location")),
    QueryMsg.Show: (("name",), ("task", "n", "location")),
    QueryMsg.Read: (("stream",), ("task", "name", "n", "location")),
    QueryMsg.Leave: (("task",), ("name", "n", "location")),
    QueryMsg.Drain: ((), ("task", "name", "location")),
    QueryMsg.Workers: ((), ("task", "name", "n", "location")),
    QueryMsg.Watch: ((), ("task", "name", "n", "location")),
    QueryMsg.Await: ((), ("task", "name", "n", "location")),
    QueryMsg.Beat: (("location", "slots"), ("task", "name", "n")),
}
_VERBS = {
    m.Verb.CANCEL: QueryMsg.Cancel,
    m.Verb.RETRY: QueryMsg.Retry,
    m.Verb.HOLD: QueryMsg.Hold,
    m.Verb.RELEASE: QueryMsg.Release,
}


# -- values -----------------------------------------------------------------------------------------------------------


def _bytes(text: str) -> bytes:
    """Return the bytes of a user's text; UTF-8 when the locale lacks a character, as task files are UTF-8."""
    try:
        return os.fsencode(text)
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogateescape")


def _put_options(options: Options, out: Any) -> None:
    out.cores, out.memory, out.gpus, out.priority = options.cores, options.memory, options.gpus, options.priority
    out.min_time = options.min_time
    if options.timeout is not None:
        out.timeout = options.timeout
    if options.retries is not None:
        out.retries = options.retries
    if options.cwd is not None:
        out.cwd = _bytes(options.cwd)
    for name, value in options.env:
        out.env.add(name=_bytes(name), value=_bytes(value))


def _get_options(pb: Any) -> Options:
    return Options(
        cores=pb.cores or 1,
        memory=pb.memory,
        gpus=pb.gpus,
        timeout=pb.timeout if pb.HasField("timeout") else None,
        retries=pb.retries if pb.HasField("retries") else None,
        priority=pb.priority,
        cwd=os.fsdecode(pb.cwd) if pb.HasField("cwd") else None,
        min_time=pb.min_time,
        env=tuple((os.fsdecode(v.name), os.fsdecode(v.value)) for v in pb.env),
    )


def _put_command(command: Command, pb: Any) -> None:
    if command is None:
        pb.join = True
    elif isinstance(command, str):
        pb.command = _bytes(command)
    else:
        pb.argument.extend([_bytes(word) for word in command])


def _get_command(pb: Any, name: str) -> Command:
    if pb.HasField("command"):
        return os.fsdecode(pb.command)
    return tuple(map(os.fsdecode, pb.argument)) or (None if pb.join else name)


#: The columns of Results, in the order of Result's fields after `task`.
_COLUMNS = ("attempt", "exit_status", "signal", "started", "seconds", "user", "system", "max_rss")


def _put_results(results: tuple[Result, ...], out: Any) -> None:
    tasks, *columns, errors, stdouts, stderrs, sents = zip(*results, strict=True)
    if not isinstance(tasks[0], str):
        out.id.extend(tasks)
    for field, column in zip(_COLUMNS, columns, strict=True):
        if any(column):
            getattr(out, field).extend(column)
    if any(errors) or any(stdouts) or any(stderrs) or any(sents):
        for row, texts in enumerate(zip(errors, stdouts, stderrs, sents, strict=True)):
            if any(texts):
                text = out.text.add(row=row, error=_readable(texts[0]), stdout=texts[1], stderr=texts[2])
                if texts[3]:
                    text.stdout_sent, text.stderr_sent = texts[3]


#: The values of Result's text fields without text, for any number of rows.
_NO_TEXTS = (repeat(""), repeat(b""), repeat(b""), repeat(()))
#: Makes a Result of a row of all its fields, in half the time of calling Result.
_new_result = partial(tuple.__new__, Result)


def _get_results(tasks: Sequence[TaskKey], pb: Any) -> list[Result]:
    n = len(tasks)
    columns = []
    for field in _COLUMNS:
        column = getattr(pb, field)
        if len(column) not in (0, n):
            raise WireError(f"results.{field} must have {n} rows or none, and has {len(column)}")
        columns.append(column or repeat(0, n))
    rows = zip(tasks, *columns, *_NO_TEXTS, strict=False)
    results = list(map(_new_result, rows))
    for text in pb.text:
        if text.row >= n:
            raise WireError(f"results.text is about row {text.row} of {n}")
        sent = (text.stdout_sent, text.stderr_sent) if text.stdout_sent or text.stderr_sent else ()
        results[text.row] = results[text.row]._replace(
            error=_text(text.error), stdout=text.stdout, stderr=text.stderr, sent=sent
        )
    return results


def _put_native(native: m.Native | None, q: Any) -> None:
    if native is None:
        return
    q.slots, q.wait, q.sequence = native.slots, native.wait, native.sequence
    if native.held is not None:
        q.compare = True
        q.ids.extend([id for id, _ in native.held])
        q.attempts.extend([attempt for _, attempt in native.held])
    if native.hello:
        q.hello = True
    if native.beat:
        q.beat = native.beat
    if native.has is not None:
        q.has.cores, q.has.memory, q.has.gpus = native.has


def _get_native(q: Any) -> m.Native | None:
    if not q.slots:
        return None
    held = None
    if q.compare:
        if len(q.ids) != len(q.attempts):
            raise WireError("ids and attempts of the held tasks must have the same length")
        held = tuple(zip(q.ids, q.attempts, strict=True))
    has = Resources(q.has.cores, q.has.memory, q.has.gpus) if q.HasField("has") else None
    return m.Native(q.slots, q.wait, q.sequence, held, q.hello, q.beat, has)


def _text(value: Any) -> str:
    """Return a string field; protobuf returns bytes when they are not UTF-8."""
    if not isinstance(value, str):
        raise WireError("names and locations must be UTF-8")
    return value


def _readable(text: str) -> str:
    """Return text for display that fits into a string field: bytes that are not text are escaped, as `\\xff`.

    Text that cannot be sent would end this process, and every worker that gets the same task after it.
    """
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return printable(text)
    return text


def _put_key(key: TaskKey, add: Callable[..., Any], origin: str = "") -> Any:
    origin = _readable(origin)
    return add(name=key, origin=origin) if isinstance(key, str) else add(name="", origin=origin, id=key)


def _get_key(pb: Any) -> TaskKey:
    return int(pb.id) if pb.HasField("id") else _text(pb.name)


# -- encode -----------------------------------------------------------------------------------------------------------


def _create(message: m.Create, q: Any) -> None:
    add = q.task.add
    for name, command, after, options, origin in message.tasks:
        pb = add(name=name, origin=_readable(origin))
        for predecessor in after:
            pb.pred.add(name=predecessor)
        if command is not name:
            _put_command(command, pb)
        if options is not PLAIN:
            _put_options(options, pb.options)


def _steal(message: m.Steal, q: Any) -> None:
    q.location = _readable(message.location)
    if message.n != 1:
        q.n = message.n
    _put_native(message.native, q)


def _beat(message: m.Beat, q: Any) -> None:
    q.location = _readable(message.location)
    _put_native(message.native, q)


def _complete(message: m.Complete, q: Any) -> None:
    q.location = _readable(message.location)
    if message.steal:
        q.steal = message.steal
    is_named = isinstance(message.results[0].task, str)
    if is_named:
        for result in message.results:
            q.task.add(name=result.task, origin=q.location)
    if not is_named or any(result != Result(result.task) for result in message.results):
        _put_results(message.results, q.results)
    _put_native(message.native, q)


def _transfer(message: m.Transfer, q: Any) -> None:
    q.answers = message.answers
    if message.awaited and message.answers:
        q.awaited = True
    tasks = message.tasks
    if message.answers and tasks and all([t.command is t.name and t.options is PLAIN for t in tasks]):
        ids, attempts, names, *_ = zip(*tasks, strict=True)
        q.plain.name.extend(names)
        q.plain.id.extend(ids)
        q.plain.attempt.extend(attempts)
        return
    for id, attempt, name, command, options, origin in tasks:
        pb = q.task.add(name=name, origin=origin, id=id, attempt=attempt)
        if command is not name:
            _put_command(command, pb)
        if options is not PLAIN:
            _put_options(options, pb.options)
        if message.time:
            pb.log.add(state=TaskMsg.Stolen, time=int(message.time * 1e6))


def _give_back(message: m.GiveBack, q: Any) -> None:
    q.location = _readable(message.location)
    for returned in message.tasks:
        pb = _put_key(returned.task, q.task.add, message.location)
        for name in returned.after:
            pb.pred.add(name=name)
    _put_native(message.native, q)


def _lookup(message: m.Lookup, q: Any) -> None:
    q.name = message.name


def _show(message: m.Show, q: Any) -> None:
    q.name = message.name
    if message.first is not None:
        q.ids.append(message.first)


def _exit(message: m.Exit, q: Any) -> None:
    if message.location is not None:
        q.location = _readable(message.location)
    if message.answers:
        q.answers = message.answers


def _await(message: m.Await, q: Any) -> None:
    q.wait = message.wait


def _control(message: m.Control, q: Any) -> None:
    q.type = _VERBS[message.verb]
    for name in message.tasks:
        q.task.add(name=name, origin="")


def _list(message: m.List, q: Any) -> None:
    q.n = message.n
    q.ids.append(message.first)
    q.states.extend(message.states)
    if message.glob is not None:
        q.name = message.glob


def _read(message: m.Read, q: Any) -> None:
    q.stream = message.stream
    q.ids.extend((message.task, message.attempt, message.position))


def _answer(message: m.Answer, q: Any) -> None:
    q.data = message.data
    if message.next is not None:
        q.ids.append(message.next)


def _ok(message: m.OK, q: Any) -> None:
    if message.name is not None:
        q.name = message.name
    if message.n is not None:
        q.n = message.n
    if message.location is not None:
        q.location = _readable(message.location)
    if message.answers:
        q.answers = message.answers
    for state, n in message.counts:
        q.count.add(state=state, n=n)
    if message.data:
        q.data = message.data


def _not_found(message: m.NotFound, q: Any) -> None:
    for key in message.tasks:
        _put_key(key, q.task.add)
    if message.answers:
        q.answers = message.answers


def _error(message: m.Error, q: Any) -> None:
    q.error = _readable(message.text)
    if message.answers:
        q.answers = message.answers


def _welcome(message: m.Welcome, q: Any) -> None:
    q.server, q.wants_output, q.output_limit = message.server, message.output, message.limit
    if message.connection:
        q.connection = message.connection
    if message.beat:
        q.beat = message.beat
    if message.again:
        q.again = True
    q.env_keep.extend(message.execution.keep)
    q.env_drop.extend(message.execution.drop)
    for name, value in message.execution.set:
        q.env.add(name=_bytes(name), value=_bytes(value))
    if message.execution.pin is not None:
        q.pin = message.execution.pin
    if message.execution.enforce_memory:
        q.enforce_memory = True


def _move(message: m.Move, q: Any) -> None:
    q.connection = message.connection


def _drain(message: m.Drain, q: Any) -> None:
    if message.now:
        q.n = 1


def _leave(message: m.Leave, q: Any) -> None:
    for location in message.locations:
        q.task.add(name=_readable(location), origin="")


def _recall(message: m.Recall, q: Any) -> None:
    q.n = message.n


def _cancel(message: m.Cancel, q: Any) -> None:
    q.ids.extend(message.tasks)


def _output(message: m.Output, q: Any) -> None:
    q.location, q.stream, q.data = _readable(message.location), message.stream, message.data
    q.ids.append(message.task)
    if message.attempt:
        q.ids.extend((message.attempt, message.position))


_ENCODERS: dict[type, tuple[int, Callable[[Any, Any], None]]] = {
    m.Create: (QueryMsg.Create, _create),
    m.Steal: (QueryMsg.Steal, _steal),
    m.Complete: (QueryMsg.Complete, _complete),
    m.Transfer: (QueryMsg.Transfer, _transfer),
    m.GiveBack: (QueryMsg.Transfer, _give_back),
    m.Beat: (QueryMsg.Beat, _beat),
    m.Lookup: (QueryMsg.Lookup, _lookup),
    m.List: (QueryMsg.List, _list),
    m.Show: (QueryMsg.Show, _show),
    m.Read: (QueryMsg.Read, _read),
    m.Answer: (QueryMsg.Answer, _answer),
    m.NotFound: (QueryMsg.NotFound, _not_found),
    m.OK: (QueryMsg.OK, _ok),
    m.Exit: (QueryMsg.Exit, _exit),
    m.Error: (QueryMsg.Error, _error),
    m.Welcome: (QueryMsg.Welcome, _welcome),
    m.Move: (QueryMsg.Move, _move),
    m.Leave: (QueryMsg.Leave, _leave),
    m.Drain: (QueryMsg.Drain, _drain),
    m.Workers: (QueryMsg.Workers, lambda message, q: None),
    m.Watch: (QueryMsg.Watch, lambda message, q: None),
    m.Await: (QueryMsg.Await, _await),
    m.Recall: (QueryMsg.Recall, _recall),
    m.Cancel: (QueryMsg.Cancel, _cancel),
    m.Output: (QueryMsg.Output, _output),
    m.Control: (QueryMsg.Cancel, _control),  # which sets the type for its verb
}


def encode(message: m.Message) -> bytes:
    """Return the frame of a message. WireError for a name that is not Unicode: only commands may contain any bytes."""
    type_, put = _ENCODERS[type(message)]
    q: Any = QueryMsg()
    q.type = type_
    try:
        put(message, q)
        return bytes(q.SerializeToString())
    except (UnicodeEncodeError, ValueError) as error:
        raise WireError(f"this {QueryMsg.Type.Name(q.type)} cannot be sent: {error}") from None


# -- decode -----------------------------------------------------------------------------------------------------------


def _tasks(q: Any) -> tuple[Task, ...]:
    tasks = []
    for pb in q.task:
        name = _text(pb.name)
        after = tuple([_text(dep.name) for dep in pb.pred])
        options = _get_options(pb.options) if pb.HasField("options") else PLAIN
        tasks.append(Task(name, _get_command(pb, name), after, options, _text(pb.origin)))
    return tuple(tasks)


def _assigned(q: Any) -> tuple[Assigned, ...]:
    plain = q.plain
    if len(plain.id) != len(plain.name) or len(plain.attempt) != len(plain.name):
        raise WireError("the columns of plain must have the same length")
    names = [_text(name) for name in plain.name]
    tasks = list(map(Assigned, plain.id, plain.attempt, names, names))
    for pb in q.task:
        name = _text(pb.name)
        options = _get_options(pb.options) if pb.HasField("options") else PLAIN
        tasks.append(Assigned(pb.id, pb.attempt, name, _get_command(pb, name), options, _text(pb.origin)))
    return tuple(tasks)


def _results(q: Any) -> tuple[Result, ...]:
    if q.results.id:
        return tuple(_get_results(q.results.id, q.results))
    return tuple(_get_results([_get_key(pb) for pb in q.task], q.results))


def _returned(q: Any) -> tuple[m.Returned, ...]:
    return tuple(m.Returned(_get_key(pb), tuple(_text(dep.name) for dep in pb.pred)) for pb in q.task)


def _execution(q: Any) -> m.Execution:
    keep, drop = (tuple([_text(glob) for glob in globs]) for globs in (q.env_keep, q.env_drop))
    variables = tuple([(os.fsdecode(v.name), os.fsdecode(v.value)) for v in q.env])
    pin = q.pin if q.HasField("pin") else None
    return m.Execution(keep=keep, drop=drop, set=variables, pin=pin, enforce_memory=q.enforce_memory)


def _one_output(q: Any) -> m.Output:
    if len(q.ids) not in (1, 3) or q.stream not in (1, 2):
        raise WireError("Output must have a task, or task, attempt and position, in ids, and stream 1 or 2")
    task, attempt, position = q.ids if len(q.ids) == 3 else (q.ids[0], 0, 0)
    return m.Output(_text(q.location), task, q.stream, q.data, attempt, position if attempt else 0)


def _one_beat(q: Any) -> m.Beat:
    native = _get_native(q)
    if native is None:
        raise WireError("Beat must have at least 1 slot")
    return m.Beat(_text(q.location), native)


def _one_list(q: Any) -> m.List:
    states = tuple([_text(state) for state in q.states])
    first = q.ids[0] if q.ids else 0
    return m.List(states, _text(q.name) if q.HasField("name") else None, first, q.n if q.HasField("n") else 1000)


def _one_read(q: Any) -> m.Read:
    if len(q.ids) != 3 or q.stream not in (1, 2):
        raise WireError("Read must have task, attempt and position in ids, and stream 1 or 2")
    task, attempt, position = q.ids
    return m.Read(task, attempt, q.stream, position)


def _one_control(verb: m.Verb, q: Any) -> m.Control:
    return m.Control(verb, tuple([_text(pb.name) for pb in q.task]))


_REQUESTS: dict[int, Callable[[Any], m.Message]] = {
    QueryMsg.Create: lambda q: m.Create(_tasks(q)),
    QueryMsg.Steal: lambda q: m.Steal(_text(q.location), q.n if q.HasField("n") else 1, _get_native(q)),
    QueryMsg.Complete: lambda q: m.Complete(_text(q.location), _results(q), q.steal, _get_native(q)),
    QueryMsg.Transfer: lambda q: m.GiveBack(_text(q.location), _returned(q), _get_native(q)),
    QueryMsg.Exit: lambda q: m.Exit(_text(q.location)),
    QueryMsg.OK: lambda q: m.OK(),
    QueryMsg.Lookup: lambda q: m.Lookup(_text(q.name)),
    QueryMsg.Output: _one_output,
    QueryMsg.Beat: _one_beat,
    QueryMsg.Leave: lambda q: m.Leave(tuple([_text(pb.name) for pb in q.task])),
    QueryMsg.Workers: lambda q: m.Workers(),
    QueryMsg.Watch: lambda q: m.Watch(),
    QueryMsg.Await: lambda q: m.Await(q.wait),
    QueryMsg.Drain: lambda q: m.Drain(q.n > 0),
    QueryMsg.List: _one_list,
    QueryMsg.Show: lambda q: m.Show(_text(q.name), q.ids[0] if q.ids else None),
    QueryMsg.Read: _one_read,
    **{type_: partial(_one_control, verb) for verb, type_ in _VERBS.items()},
}

_REPLIES: dict[int, Callable[[Any], m.Message]] = {
    QueryMsg.Transfer: lambda q: m.Transfer(_assigned(q), q.answers, awaited=q.awaited),
    QueryMsg.NotFound: lambda q: m.NotFound(tuple([_get_key(pb) for pb in q.task]), q.answers),
    QueryMsg.OK: lambda q: m.OK(
        _text(q.name) if q.HasField("name") else None,
        q.n if q.HasField("n") else None,
        _text(q.location) if q.HasField("location") else None,
        q.answers,
        tuple((_text(c.state), c.n) for c in q.count),
        q.data,
    ),
    QueryMsg.Exit: lambda q: m.Exit(answers=q.answers),
    QueryMsg.Answer: lambda q: m.Answer(q.data, q.ids[0] if q.ids else None),
    QueryMsg.Error: lambda q: m.Error(_text(q.error) or "the hub answered Error without a reason", q.answers),
    QueryMsg.Welcome: lambda q: m.Welcome(
        _text(q.server), q.wants_output, _text(q.connection), q.output_limit, q.beat, q.again, _execution(q)
    ),
    QueryMsg.Leave: lambda q: m.Leave(),
    QueryMsg.Move: lambda q: m.Move(_text(q.connection)),
    QueryMsg.Recall: lambda q: m.Recall(q.n),
    QueryMsg.Cancel: lambda q: m.Cancel(tuple(q.ids)),
}


def decode_request(frame: bytes) -> m.Message:
    """Return the message of a frame that a hub has received. WireError when it is not a valid request."""
    q = _parse(frame)
    try:
        _check_fields(q)
        return _convert(_REQUESTS, q)
    except WireError as error:
        raise WireError(str(error), q.sequence) from None


def decode_reply(frame: bytes) -> m.Message:
    """Return the message of a frame that a hub has sent. WireError when it is not a valid reply."""
    return _convert(_REPLIES, _parse(frame))


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


def _check_fields(q: Any) -> None:
    """Raise WireError when a request lacks a field that its type must have, or has one that it must not have."""
    must, must_not = _RULES.get(q.type, ((), ()))
    name = QueryMsg.Type.Name(q.type)
    for wanted in must:
        if not _has(q, wanted):
            raise WireError(f"{name} must have {wanted}")
    for unwanted in must_not:
        if _has(q, unwanted):
            raise WireError(f"{name} must not have {unwanted}")


def _has(q: Any, field: str) -> bool:
    if field == "task":
        return bool(q.task or (q.type == QueryMsg.Complete and q.results.id))
    return bool(q.HasField(field))


def _convert(table: dict[int, Callable[[Any], m.Message]], q: Any) -> m.Message:
    make = table.get(q.type)
    if make is None:
        raise WireError(f"{QueryMsg.Type.Name(q.type)} cannot be sent in this direction")
    return make(q)
