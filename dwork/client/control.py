"""Control: of tasks that are to run or not, and of the workers."""

from __future__ import annotations

from collections.abc import Sequence

from dwork.client.requests import Requests
from dwork.core import messages
from dwork.core.messages import Verb


def control(requests: Requests, verb: Verb, tasks: Sequence[str]) -> int:
    """Do this to tasks; return the number of those that it changed."""
    return requests.number(messages.Control(verb, tuple(tasks)), f"{verb.value} tasks") if tasks else 0


def stop_workers(requests: Requests, locations: Sequence[str]) -> int:
    """Stop workers, as Client.stop_workers does."""
    return requests.number(messages.Leave(tuple(locations)), "stop workers", again=True)


def include_workers(requests: Requests, locations: Sequence[str]) -> int:
    """Give excluded workers tasks again, as Client.include_workers does."""
    return requests.number(messages.Include(tuple(locations)), "include workers", again=True)


def drain(requests: Requests, *, now: bool) -> None:
    """Make the hub hand out no more tasks, as Client.drain does."""
    requests.number(messages.Drain(now), "drain", again=True)
