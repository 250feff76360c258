"""Queries: how a run ends, how it is doing, its tasks and their output, its workers."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator, Sequence
from typing import Final

from dwork.client.exchange import Exchange
from dwork.client.requests import Requests
from dwork.client.status import End, Found
from dwork.core import messages
from dwork.core.errors import GraphError, WireError
from dwork.core.rows import OutputPiece, RunView, TaskDetails, TaskRow, WorkerRow
from dwork.core.task import State

#: Seconds after which a hub answers a query for the end of its run in any case, so that its loss is noticed.
LAP: Final = 5.0


def lookup(requests: Requests, name: str) -> Found | None:
    """Return the state of a task, as Client.lookup does."""
    try:
        reply = requests.ask(messages.Lookup(name), again=True)
    except GraphError as error:
        text = f"the hub at {requests.server} does not look up tasks; an original dhub cannot: {error}"
        raise GraphError(text) from None
    if isinstance(reply, messages.NotFound):
        return None
    if not isinstance(reply, messages.OK):
        raise requests.strange(reply)
    try:
        return Found(name, State(reply.name), reply.n, reply.location)
    except ValueError:
        raise WireError(
            f"the hub at {requests.server} reports an unknown state {reply.name!r}; use the dquery of its version"
        ) from None


def end(requests: Requests, seconds: float = math.inf) -> End | None:
    """Wait for the end of the run, as Client.wait does."""
    give_up = time.monotonic() + seconds
    with contextlib.closing(Exchange(requests.connection, requests.timeout)) as exchange:
        while True:
            lap = max(0.0, min(LAP, give_up - time.monotonic()))
            what = "report the end of its run"
            reply = requests.ask_ours(messages.Await(lap), what, again=True, exchange=exchange, wait=lap)
            if isinstance(reply, messages.OK):
                view = requests.unpacked(reply.data, RunView) if reply.data else None
                return End(reply.n or 0, requests.status_of(reply), view)
            if not isinstance(reply, messages.NotFound):
                raise requests.strange(reply)
            if time.monotonic() >= give_up:
                return None


def view(requests: Requests) -> RunView:
    """Return the state of the run."""
    reply = requests.ask_ours(messages.Watch(), "be watched", again=True)
    if not isinstance(reply, messages.Answer):
        raise requests.strange(reply)
    return requests.unpacked(reply.data, RunView)


def tasks(requests: Requests, states: Sequence[str], glob: str | None) -> Iterator[TaskRow]:
    """Yield tasks, as Client.tasks does."""
    wanted = tuple(states)
    first: int | None = 0
    while first is not None:
        answer = requests.answer(messages.List(wanted, glob, first), "list tasks")
        if answer is None:
            raise requests.strange(messages.NotFound())
        yield from requests.unpacked(answer.data, list[TaskRow])
        if answer.next is not None and answer.next <= first:  # the loop would never end
            raise requests.strange(answer)
        first = answer.next


def task(requests: Requests, key: str, *, whole: bool = False) -> TaskDetails | None:
    """Return the details of a task, as Client.task does."""
    answer = requests.answer(messages.Show(key, 0 if whole else None), "show a task")
    if answer is None:
        return None
    row = requests.unpacked(answer.data, TaskDetails)
    while whole and answer.next is not None:
        answer = requests.answer(messages.Show(row["name"], answer.next), "show a task")
        if answer is None:
            raise requests.strange(messages.NotFound())
        row["predecessors"]["first"] += requests.unpacked(answer.data, TaskDetails)["predecessors"]["first"]
    return row


def output(requests: Requests, row: TaskRow, piece: OutputPiece) -> bytes:
    """Return a piece of output, as Client.output does."""
    request = messages.Read(row["id"], piece["attempt"], piece["stream"], piece["position"])
    answer = requests.answer(request, "read output")
    if answer is None:
        raise GraphError(f"this piece of the output of #{row['id']} is no longer in the record")
    return answer.data


def workers(requests: Requests) -> list[WorkerRow]:
    """Return all workers."""
    answer = requests.answer(messages.Workers(), "list workers")
    if answer is None:
        raise requests.strange(messages.NotFound())
    return requests.unpacked(answer.data, list[WorkerRow])
