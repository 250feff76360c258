"""Convert the values of which messages are made, such as options and results, to the fields of a QueryMsg and back.

`put_X(value, field)` writes a value, `get_X(field)` returns it. WireError when a field has a value that it cannot have.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import repeat
from typing import Any

from dwork.core import messages as m
from dwork.core.cause import Cause
from dwork.core.errors import WireError
from dwork.core.peer_version import Version
from dwork.core.resources import Resources
from dwork.core.shell import Shell
from dwork.core.task import PLAIN, Command, EndWarning, Options, Result, TaskKey
from dwork.core.text import printable, user_bytes, user_text


def to_text(value: Any) -> str:
    """Return a string field; protobuf returns bytes when they are not UTF-8."""
    if not isinstance(value, str):
        raise WireError("names and locations must be UTF-8")
    return value


def readable(text: str) -> str:
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


def put_key(key: TaskKey, add: Callable[..., Any], origin: str = "") -> Any:
    origin = readable(origin)
    return add(name=key, origin=origin) if isinstance(key, str) else add(name="", origin=origin, id=key)


def get_key(pb: Any) -> TaskKey:
    return int(pb.id) if pb.HasField("id") else to_text(pb.name)


def put_cursor(at: int | None, q: Any) -> None:
    """Write where a list begins or continues, unless that is None."""
    if at is not None:
        q.ids.append(at)


def get_cursor(q: Any) -> int | None:
    return q.ids[0] if q.ids else None


class OptionsTable:
    """The options of the tasks of one message, each object once."""

    def __init__(self, q: Any) -> None:
        self._q = q
        self._numbers = {id(PLAIN): 0}

    def number(self, options: Options) -> int:
        """Return the number under which a task refers to its options; 0: the defaults."""
        number = self._numbers.get(id(options))
        if number is None:
            put_options(options, self._q.shared_options.add())
            number = self._numbers[id(options)] = len(self._numbers)
        return number


def get_options_table(q: Any) -> list[Options]:
    """Return the options to which the numbers in a message refer."""
    return [PLAIN, *map(_get_options, q.shared_options)]


def get_options(pb: Any, table: list[Options]) -> Options:
    """Return the options of a TaskMsg or Plain."""
    if pb.shared >= len(table):
        raise WireError(f"a task has options {pb.shared} of {len(table) - 1}")
    return table[int(pb.shared)]


def get_task_options(pb: Any, table: list[Options]) -> Options:
    return _get_options(pb.options) if pb.HasField("options") else get_options(pb, table)


def put_options(options: Options, out: Any) -> None:
    out.cores, out.memory, out.gpus, out.priority = options.cores, options.memory, options.gpus, options.priority
    out.min_time = options.min_time
    if options.timeout is not None:
        out.timeout = options.timeout
    if options.grace is not None:
        out.grace = options.grace
    if options.warn is not None:
        out.warn_signal, out.warn_before = options.warn
    if options.retries is not None:
        out.retries = options.retries
    if options.cwd is not None:
        out.cwd = user_bytes(options.cwd)
    for name, value in options.env:
        out.env.add(name=user_bytes(name), value=user_bytes(value))
    if (shell := options.shell) is not None:
        out.shell.word.extend(map(user_bytes, shell.words))
        out.shell.setup.extend(map(user_bytes, shell.setup))
        out.shell.place.extend(map(readable, shell.places))
    if options.creates:
        out.creates.extend(map(user_bytes, options.creates))


def _get_options(pb: Any) -> Options:
    return Options(
        cores=pb.cores or 1,
        memory=pb.memory,
        gpus=pb.gpus,
        timeout=pb.timeout if pb.HasField("timeout") else None,
        retries=pb.retries if pb.HasField("retries") else None,
        priority=pb.priority,
        cwd=user_text(pb.cwd) if pb.HasField("cwd") else None,
        min_time=pb.min_time,
        env=tuple((user_text(v.name), user_text(v.value)) for v in pb.env),
        shell=_get_shell(pb.shell) if pb.HasField("shell") else None,
        creates=tuple(map(user_text, pb.creates)),
        warn=EndWarning(pb.warn_signal, pb.warn_before) if pb.HasField("warn_signal") else None,
        grace=pb.grace if pb.HasField("grace") else None,
    )


def _get_shell(pb: Any) -> Shell:
    if not pb.word:
        raise WireError("a shell has no program")
    words, setup = (tuple(map(user_text, texts)) for texts in (pb.word, pb.setup))
    return Shell(words, setup, tuple(map(to_text, pb.place)))


def put_command(command: Command, pb: Any) -> None:
    if command is None:
        pb.join = True
    elif isinstance(command, str):
        pb.command = user_bytes(command)
    else:
        pb.argument.extend([user_bytes(word) for word in command])


def get_command(pb: Any, name: str) -> Command:
    if pb.HasField("command"):
        return user_text(pb.command)
    return tuple(map(user_text, pb.argument)) or (None if pb.join else name)


#: The columns of Results, in the order of Result's fields after `task`.
_COLUMNS = ("attempt", "exit_status", "signal", "started", "seconds", "user", "system", "max_rss")


def put_results(results: tuple[Result, ...], out: Any) -> None:
    tasks, *columns, causes, errors, stdouts, stderrs, sents, lefts = zip(*results, strict=True)
    if not isinstance(tasks[0], str):
        out.id.extend(tasks)
    for field, column in zip(_COLUMNS, columns, strict=True):
        if any(column):
            getattr(out, field).extend(column)
    is_itself = causes.count(Cause.ITSELF) == len(causes)
    if not is_itself or any(errors) or any(stdouts) or any(stderrs) or any(sents) or any(lefts):
        for row, (cause, *texts) in enumerate(zip(causes, errors, stdouts, stderrs, sents, lefts, strict=True)):
            if cause is not Cause.ITSELF or any(texts):
                number = _NUMBERS[cause] or None  # None is not sent
                error, stdout, stderr, sent, left = texts
                text = out.text.add(row=row, cause=number, error=printable(error), stdout=stdout, stderr=stderr)
                if sent:
                    text.stdout_sent, text.stderr_sent = sent
                if left:
                    text.left = left


#: A cause is its position in Cause.
_CAUSES = tuple(Cause)
_NUMBERS = {cause: number for number, cause in enumerate(_CAUSES)}
#: The values of Result's fields that are in Text, without one, for any number of rows.
_NO_TEXTS = (repeat(Cause.ITSELF), repeat(""), repeat(b""), repeat(b""), repeat(()), repeat(0))
#: Makes a Result of a row of all its fields, in half the time of calling Result.
_new_result = partial(tuple.__new__, Result)


def get_results(tasks: Sequence[TaskKey], pb: Any) -> list[Result]:
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
            cause=_cause(text),
            error=to_text(text.error),
            stdout=text.stdout,
            stderr=text.stderr,
            sent=sent,
            left=text.left,
        )
    return results


def _cause(text: Any) -> Cause:
    """Return the cause; OTHER when it is one of a newer peer, or when an older peer sends only the text."""
    if text.cause >= len(_CAUSES):
        return Cause.OTHER
    cause = _CAUSES[text.cause]
    return Cause.OTHER if cause is Cause.ITSELF and text.error else cause


def put_native(native: m.Native | None, q: Any) -> None:
    if native is None:
        return
    q.slots, q.wait, q.sequence = native.slots, native.wait, native.sequence
    if native.held is not None:
        q.compare = True
        q.ids.extend([id for id, _ in native.held])
        q.attempts.extend([attempt for _, attempt in native.held])
    if native.hello:
        q.hello = True
    if native.hello or native.held is not None:
        put_version(native.version, q)
    if native.beat:
        q.beat = native.beat
    if native.has is not None:
        q.has.cores, q.has.memory, q.has.gpus = native.has


def get_native(q: Any) -> m.Native | None:
    if not q.slots:
        return None
    held = None
    if q.compare:
        if len(q.ids) != len(q.attempts):
            raise WireError("ids and attempts of the held tasks must have the same length")
        held = tuple(zip(q.ids, q.attempts, strict=True))
    has = Resources(q.has.cores, q.has.memory, q.has.gpus) if q.HasField("has") else None
    version = get_version(q) if q.hello or held is not None else m.OURS
    return m.Native(q.slots, q.wait, q.sequence, held, q.hello, q.beat, has, version)


def put_version(version: Version | None, q: Any) -> None:
    if version is not None:
        q.protocol, q.version = version


def get_version(q: Any) -> Version:
    return Version(q.protocol, to_text(q.version))


_LEFTOVERS = tuple(m.Leftovers)


def put_execution(execution: m.Execution, q: Any) -> None:
    q.env_keep.extend(map(user_bytes, execution.keep))
    q.env_drop.extend(map(user_bytes, execution.drop))
    for name, value in execution.set:
        q.env.add(name=user_bytes(name), value=user_bytes(value))
    if execution.pin is not None:
        q.pin = execution.pin
    if execution.enforce_memory:
        q.enforce_memory = True
    if execution.leftovers is not m.Leftovers.KEEP:
        q.leftovers = _LEFTOVERS.index(execution.leftovers)


def get_execution(q: Any) -> m.Execution:
    keep, drop = (tuple(map(user_text, globs)) for globs in (q.env_keep, q.env_drop))
    variables = tuple([(user_text(v.name), user_text(v.value)) for v in q.env])
    pin = q.pin if q.HasField("pin") else None
    leftovers = _LEFTOVERS[min(q.leftovers, len(_LEFTOVERS) - 1)]  # of those of a newer hub, the strictest one here
    return m.Execution(
        keep=keep, drop=drop, set=variables, pin=pin, enforce_memory=q.enforce_memory, leftovers=leftovers
    )
