"""Job files of HyperQueue: TOML, with a `[[task]]` for each task, or one `[array]` of like ones.

Rules, as in HyperQueue. Tasks are known by their numbers; those without one get the next above the highest that is
given. Their names here are the job's, or else `task`, and that number.

What has no place here is refused where a task could not do without it; else it is passed over, which is told.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any, Final

from dwork.core.task import Command, Options
from dwork.taskfile.draft import Draft, Pool
from dwork.taskfile.foreign.hyperqueue.program import JOB_ID, Program, program
from dwork.taskfile.foreign.hyperqueue.request import Env, Values, id_of, ids, number, requested, seconds
from dwork.taskfile.foreign.hyperqueue.toml import NotToml, document, place, places
from dwork.taskfile.options import BOUNDS, checked, unknown_key
from dwork.taskfile.text import fit_name
from dwork.taskfile.typed import string, variables

_JOB: Final = ("name", "max_fails", "stream", "data_layer", "task", "array")
_CONFIG: Final = (
    "command", "env", "request", "stdin", "stdout", "stderr", "cwd", "pin", "task_dir", "time_limit", "priority",
    "crash_limit",
)  # fmt: skip
_TASK: Final = ("id", "deps", "data_deps", *_CONFIG)
_ARRAY: Final = ("ids", "entries", *_CONFIG)
_FORM: Final = "write [[task]] above each task, or one [array]"
_LIMIT: Final = "crash_limit is ignored; start the pool with --max-attempts-lost N, which applies to all tasks"


def read(source: str, text: str, _pool: Pool) -> Draft:
    """Return the tasks of a file; a TaskFileError names the line on which a task begins, and the key."""
    draft = Draft(source)
    try:
        found = document(text)
    except NotToml as error:
        raise draft.problem(error.line, str(error)) from None
    name = _job(draft, found, text)
    with _at(draft, 1):
        key, tables = _tables(found)
    lines = places(text, key)
    if len(lines) != len(tables):  # written in another way, which no regular expression tells from a string
        lines = [1] * len(tables)
    add = _add_tasks if key == "task" else _add_array
    add(draft, name, lines, tables)
    return draft


@contextmanager
def _at(draft: Draft, line: int) -> Iterator[None]:
    """Let an error say where it is."""
    try:
        yield
    except ValueError as error:
        raise draft.problem(line, str(error)) from None


def _job(draft: Draft, found: dict[str, Any], text: str) -> str:
    """Look at what holds for all tasks, and return the name of the job."""
    name = "task"
    for key, value in found.items():
        line = place(text, key)
        with _at(draft, line):
            _know((key,), _JOB)
            if key == "name":
                name = checked(key, _name, value)
            elif key == "data_layer" and value:
                raise ValueError("data_layer: dwork does not pass data between tasks; use files")
            elif key == "stream":
                draft.remark(line, "stream is ignored: the output of tasks is kept in logs; read it with dquery log")
            elif key == "max_fails":
                limit = checked(key, number, value, 0, 2**32 - 1) + 1
                draft.remark(line, f"max_fails is ignored; start the pool with --halt now,fail={limit}")
    return name


def _name(value: object) -> str:
    return fit_name(string(value) or "task")


def _tables(found: dict[str, Any]) -> tuple[str, list[dict[str, Any]]]:
    """The tables of a job's tasks, or that of its array."""
    if ("task" in found) == ("array" in found):
        raise ValueError(f"a job needs either tasks or an array; {_FORM}")
    key = "task" if "task" in found else "array"
    tables = found[key]
    if key == "array" and isinstance(tables, dict):
        tables = [tables]
    if not isinstance(tables, list) or not all(isinstance(each, dict) for each in tables):
        raise ValueError(f"{key}: must be a table; {_FORM}")
    if not tables or (key == "array" and len(tables) > 1):
        raise ValueError(f"{key}: expected {'only' if tables else 'at least'} one; {_FORM}")
    return key, tables


def _add_tasks(draft: Draft, name: str, lines: list[int], tables: list[dict[str, Any]]) -> None:
    given: list[int | None] = []
    for line, table in zip(lines, tables, strict=True):
        with _at(draft, line):
            given.append(checked("id", id_of, table["id"]) if "id" in table else None)
    free = count(1 + max((id for id in given if id is not None), default=0))
    numbers = [next(free) if id is None else id for id in given]
    known = frozenset(numbers)
    for line, table, id in zip(lines, tables, numbers, strict=True):
        with _at(draft, line):
            _know(table, _TASK)
            if table.get("data_deps"):
                raise ValueError("data_deps: dwork does not pass data between tasks; use files and deps")
            after = checked("deps", _after, table.get("deps", []), known)
            like = _like(draft, line, table)
            draft.add(line, f"{name}-{id}", *like.of(id, tuple(f"{name}-{n}" for n in after)))


def _after(value: object, known: frozenset[int]) -> list[int]:
    if not isinstance(value, list):
        raise ValueError("must be a list of numbers; write, for example, [1, 3]")
    found = list(map(id_of, value))
    for id in found:
        if id not in known:
            raise ValueError(f"no task with the id {id} in this file; add it, or correct the id")
    return found


def _add_array(draft: Draft, name: str, lines: list[int], tables: list[dict[str, Any]]) -> None:
    (line,), (table,) = lines, tables
    with _at(draft, line):
        _know(table, _ARRAY)
        numbers, entries = _members(table)
        like = _like(draft, line, table)
        for id, entry in zip(numbers, entries, strict=True):
            draft.add(line, f"{name}-{id}", *like.of(id, (), entry))


def _members(table: dict[str, Any]) -> tuple[Collection[int], Collection[Env]]:
    """The numbers of the tasks of an array, and the variable of each that holds its entry."""
    found = table.get("entries", [])
    if not isinstance(found, list):
        raise ValueError('entries: must be a list of strings; write, for example, ["a", "b"]')
    entries: list[Env] = [checked("entries", variables, {"HQ_ENTRY": entry}, "") for entry in found]
    if "ids" not in table and not entries:
        raise ValueError('an array needs ids or entries; write, for example, ids = "1-100"')
    numbers = checked("ids", ids, table["ids"]) if "ids" in table else range(len(entries))
    if entries and len(entries) != len(numbers):
        raise ValueError(f"{len(numbers)} ids but {len(entries)} entries; write as many of one as of the other")
    return numbers, entries or [()] * len(numbers)


@dataclass(frozen=True, slots=True)
class _Like:
    """What tasks of one definition have in common; values: of Options."""

    program: Program
    values: Values
    env: Env

    def of(self, id: int, after: tuple[str, ...], entry: Env = ()) -> tuple[Command, tuple[str, ...], Options]:
        """What, after what, and how the task of this number is to run."""
        command, cwd = self.program.of(id)
        env = (*self.env, ("HQ_TASK_ID", str(id)), *entry)
        return command, after, Options(cwd=cwd, env=env, **self.values)


def _like(draft: Draft, line: int, table: dict[str, Any]) -> _Like:
    remark = partial(draft.remark, line)
    values, env = checked("request", requested, table.get("request", []), remark)
    if "time_limit" in table:
        values["timeout"] = checked("time_limit", seconds, "timeout", table["time_limit"])
    if "priority" in table:
        values["priority"] = checked("priority", number, table["priority"], *BOUNDS["priority"])
    pin = table.get("pin", "none")
    if pin not in ("none", "taskset", "omp"):
        raise ValueError('pin: unknown value; write "none", "taskset" or "omp"')
    if pin != "none":
        remark("pin is ignored: a worker with several slots gives each task its own CPUs; for one slot, use --pin")
    if table.get("task_dir"):
        raise ValueError("task_dir: dwork creates no directory for a task; create one in the command with mktemp -d")
    if "crash_limit" in table:
        checked("crash_limit", _crash_limit, table["crash_limit"])
        remark(_LIMIT)
    own = checked("env", variables, table.get("env", {}), '{ NAME = "value" }')
    return _Like(program(table, remark), values, tuple({**dict(env), **dict(own), "HQ_JOB_ID": JOB_ID}.items()))


def _crash_limit(value: object) -> None:
    if value == "never-restart":
        raise ValueError(
            "dwork retries a task that lost its worker; remove it, and start the pool with --max-attempts-lost 1"
        )
    if value != "unlimited":
        number(value, 0, 2**32 - 1)


def _know(table: Iterable[str], keys: tuple[str, ...]) -> None:
    for key in table:
        if key not in keys:
            raise unknown_key(key, keys)
