"""Job files of HyperQueue: TOML, with a `[[task]]` for each task, or one `[array]` of similar tasks.

Rules, as in HyperQueue. Tasks are identified by ids; a task without one gets the next id above the highest in the file.
The name of a task is the name of the job, or else `task`, and the id.

A setting that dwork does not support is an error when a task could depend on it; otherwise it is ignored and reported.
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
from dwork.taskfile.foreign.invocation import UNKNOWN, Invocation
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


def read(draft: Draft, text: str, _pool: Pool, invocation: Invocation = UNKNOWN) -> None:
    """Read the text of a file into its draft; mistakes name the first line of the task and the key."""
    of_job: Env = (("HQ_JOB_ID", JOB_ID),)
    if invocation.directory:
        of_job += (("HQ_SUBMIT_DIR", invocation.directory),)
    try:
        found = document(text)
    except NotToml as error:
        raise draft.problem(error.line, str(error)) from None
    name = _job(draft, found, text)
    try:
        key, tables = _tables(found)
    except ValueError as error:
        raise draft.problem(1, str(error)) from None
    lines = places(text, key)
    if len(lines) != len(tables):  # written in a form that a regular expression cannot tell from a string
        lines = [1] * len(tables)
    add = _add_tasks if key == "task" else _add_array
    add(draft, name, lines, tables, of_job)


@contextmanager
def _at(draft: Draft, line: int) -> Iterator[None]:
    """Report a ValueError as the mistake of a line."""
    try:
        yield
    except ValueError as error:
        draft.lose(line, error)


def _job(draft: Draft, found: dict[str, Any], text: str) -> str:
    """Check the settings that apply to all tasks, and return the name of the job."""
    name = "task"
    for key, value in found.items():
        line = place(text, key)
        with _at(draft, line):
            _check_keys((key,), _JOB)
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
    """Return the key, `task` or `array`, and the tables of the tasks or of the array."""
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


def _add_tasks(draft: Draft, name: str, lines: list[int], tables: list[dict[str, Any]], of_job: Env) -> None:
    given: list[int | None] = []
    for line, table in zip(lines, tables, strict=True):
        id = None
        with _at(draft, line):
            id = checked("id", id_of, table["id"]) if "id" in table else None
        given.append(id)
    free = count(1 + max((id for id in given if id is not None), default=0))
    numbers = [next(free) if id is None else id for id in given]
    known = None if draft.lost else frozenset(numbers)
    for line, table, id in zip(lines, tables, numbers, strict=True):
        if line in draft.lost:
            continue
        with _at(draft, line):
            _check_keys(table, _TASK)
            if table.get("data_deps"):
                raise ValueError("data_deps: dwork does not pass data between tasks; use files and deps")
            after = checked("deps", _after, table.get("deps", []), known)
            template = _template(draft, line, table, of_job)
            draft.add(line, f"{name}-{id}", *template.of(id, tuple(f"{name}-{n}" for n in after)))


def _after(value: object, known: Collection[int] | None) -> list[int]:
    """Return the ids of the predecessors, which must be known; None: they may be any."""
    if not isinstance(value, list):
        raise ValueError("must be a list of numbers; write, for example, [1, 3]")
    found = list(map(id_of, value))
    for id in found:
        if known is not None and id not in known:
            raise ValueError(f"no task with the id {id} in this file; add it, or correct the id")
    return found


def _add_array(draft: Draft, name: str, lines: list[int], tables: list[dict[str, Any]], of_job: Env) -> None:
    (line,), (table,) = lines, tables
    with _at(draft, line):
        _check_keys(table, _ARRAY)
        numbers, entries = _members(table)
        template = _template(draft, line, table, of_job)
        for id, entry in zip(numbers, entries, strict=True):
            draft.add(line, f"{name}-{id}", *template.of(id, (), entry))


def _members(table: dict[str, Any]) -> tuple[Collection[int], Collection[Env]]:
    """Return the ids of the tasks of an array, and for each the variable that holds its entry."""
    found = table.get("entries", [])
    if not isinstance(found, list):
        raise ValueError('entries: must be a list of strings; write, for example, ["a", "b"]')
    entries: list[Env] = [checked("entries", variables, {"HQ_ENTRY": entry}, "") for entry in found]
    if "ids" not in table and not entries:
        raise ValueError('an array needs ids or entries; write, for example, ids = "1-100"')
    numbers = checked("ids", ids, table["ids"]) if "ids" in table else range(len(entries))
    if entries and len(entries) != len(numbers):
        raise ValueError(f"{len(numbers)} ids but {len(entries)} entries; make the numbers equal")
    return numbers, entries or [()] * len(numbers)


@dataclass(frozen=True, slots=True)
class _Template:
    """What the tasks of one definition have in common. values: fields of Options."""

    program: Program
    values: Values
    env: Env

    def of(self, id: int, after: tuple[str, ...], entry: Env = ()) -> tuple[Command, tuple[str, ...], Options]:
        """Return the command, the predecessors and the options of the task with this id."""
        env = (*self.env, ("HQ_TASK_ID", str(id)), *entry)
        return self.program.of(id), after, Options(env=env, **self.values)


def _template(draft: Draft, line: int, table: dict[str, Any], of_job: Env) -> _Template:
    """Return what a table defines. of_job: the variables that all tasks of the job have."""
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
    variables_of_all = {**dict(env), **dict(own), **dict(of_job)}
    return _Template(program(table, variables_of_all), values, tuple(variables_of_all.items()))


def _crash_limit(value: object) -> None:
    if value == "never-restart":
        raise ValueError(
            "dwork retries a task that lost its worker; remove this key and start the pool with --max-attempts-lost 1"
        )
    if value != "unlimited":
        number(int(value) if isinstance(value, str) and value.isdecimal() else value, 1, 2**16 - 1)


def _check_keys(table: Iterable[str], keys: tuple[str, ...]) -> None:
    for key in table:
        if key not in keys:
            raise unknown_key(key, keys)
