"""Adding tasks: checked, in an order in which each comes after its predecessors, and in messages of limited size."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator
from typing import Final

from dwork.client.requests import Requests
from dwork.core import messages
from dwork.core.errors import GraphError, TransportError, UsageError
from dwork.core.shell_syntax.fault import fault, language_of, left_behind
from dwork.core.task import PLAIN, Task
from dwork.core.toposort import topological
from dwork.host import shell

#: Maximum number of tasks in one message, and of characters in their names and commands.
TASKS_AT_ONCE: Final = 10_000
CHARACTERS_AT_ONCE: Final = 8_000_000


def add(requests: Requests, tasks: Iterable[Task]) -> int:
    """Add tasks and return their number, as Client.create_all does."""
    host = socket.gethostname()
    mine = [_ready_to_send(task, host) for task in tasks]
    if any(task.command is not task.name or task.options is not PLAIN for task in mine):
        requests.need_ours("commands and options")
    if any(task.after_any for task in mine):
        requests.need_protocol(2, "after_any")
    if any(task.options.creates for task in mine):
        requests.need_protocol(2, "creates")
    if any(task.options.grace is not None for task in mine):
        requests.need_protocol(2, "grace")
    if any(task.options.warn is not None for task in mine):
        requests.need_protocol(2, "warn")
    sent = 0
    for batch in _batches(_in_order(mine)):
        try:
            requests.ok(messages.Create(batch), again=True)
        except (GraphError, TransportError) as error:
            if not sent:
                raise
            raise type(error)(f"{error} ({sent} tasks were added before)") from None
        sent += len(batch)
    return sent


def _ready_to_send(task: Task, host: str) -> Task:
    """Return the task in its shortest form on the wire, with its origin."""
    name, command, after, options, origin, after_any = task
    if not name:
        raise UsageError("a task needs a name")
    if command == ():
        raise UsageError(f"the command of task {name!r} is an empty list; give the program and its arguments")
    if (twice := task.named_twice) is not None:
        raise UsageError(f"task {name!r} has {twice!r} both in after and in after_any; remove it from one")
    if "" in options.creates:
        raise UsageError(f"task {name!r} creates a file without a name; remove it")
    dialect, runs = language_of(options.shell, shell.dialect(), shell.runs)
    text = left_behind(command, dialect=dialect) if command == name else fault(command, dialect=dialect, runs=runs)
    if text:
        raise UsageError(f"task {name!r}: {text}")
    return Task(
        name,
        name if command == name else command,
        after,
        PLAIN if options == PLAIN else options,
        origin or host,
        after_any,
    )


def _in_order(tasks: list[Task]) -> list[Task]:
    """Return the tasks, sorted if they need several messages and some stand before their predecessors."""
    if len(tasks) <= 1 or len(next(_batches(tasks))) == len(tasks):
        return tasks
    position = {task.name: i for i, task in enumerate(tasks)}
    if all(position.get(name, -1) <= i for i, task in enumerate(tasks) for name in task.predecessors):
        return tasks
    order, cycle = topological([[position[p] for p in task.predecessors if p in position] for task in tasks])
    if cycle:
        names = [tasks[i].name for i in (*cycle, cycle[0])]
        raise GraphError("these tasks wait for one another: " + " -> ".join(names))
    return [tasks[i] for i in order]


def _batches(tasks: Iterable[Task]) -> Iterator[tuple[Task, ...]]:
    batch: list[Task] = []
    size = 0
    for task in tasks:
        command = task.command or ""
        more = sum(map(len, (task.name, *task.predecessors, *((command,) if isinstance(command, str) else command))))
        if batch and (len(batch) == TASKS_AT_ONCE or size + more > CHARACTERS_AT_ONCE):
            yield tuple(batch)
            batch, size = [], 0
        batch.append(task)
        size += more
    if batch:
        yield tuple(batch)
