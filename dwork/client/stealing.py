"""What a worker does: steals tasks, reports how they ended, gives them back, and leaves. location: its name."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from dwork.client.requests import Requests
from dwork.core import messages
from dwork.core.errors import AllDone, NotHeld, UsageError
from dwork.core.task import Assigned, Result, TaskKey

#: Seconds between a waiting client's requests for a ready task: the first and the longest pause.
SOON, LATER = 0.05, 0.5


def steal(requests: Requests, location: str, n: int, wait: float) -> list[Assigned]:
    """Steal tasks, as Client.steal does."""
    if not 1 <= n < 2**31:
        raise UsageError(f"cannot steal {n} tasks; ask for 1 or more")
    give_up = time.monotonic() + wait
    pause = SOON
    while True:
        reply = requests.ask(messages.Steal(location, n))
        if isinstance(reply, messages.Transfer):
            return list(reply.tasks)
        if isinstance(reply, messages.Exit):
            raise AllDone("all tasks are finished")
        if not isinstance(reply, messages.NotFound):
            raise requests.strange(reply)
        left = give_up - time.monotonic()
        if not left > 0:
            return []
        requests.exchange.pause(min(pause, left))
        pause = min(pause * 1.5, LATER)


def complete(requests: Requests, location: str, results: Iterable[Result]) -> None:
    """Report how tasks ended, as Client.complete_all does."""
    reported = tuple(results)
    for result in reported:
        if not isinstance(result.task, str) or not result.task:
            raise UsageError(f"{result.task!r} is not a task name")
        if not 0 <= result.exit_status < 256:
            raise UsageError(f"{result.exit_status} is not an exit status; give 0 to 255")
    if not all(result.ok for result in reported):
        requests.need_ours("exit statuses")
    if reported:
        _of_held(requests, messages.Complete(location, reported), again=all(result.attempt for result in reported))


def transfer(requests: Requests, location: str, name: str, after: Sequence[str]) -> None:
    """Give back a task, as Client.transfer does."""
    _of_held(requests, messages.GiveBack(location, (messages.Returned(name, tuple(after)),)))


def exit_worker(requests: Requests, location: str) -> bool:
    """Report that a worker is gone; return whether the hub knew it."""
    reply = requests.ask(messages.Exit(location))
    if not isinstance(reply, messages.OK | messages.NotFound):
        raise requests.strange(reply)
    return isinstance(reply, messages.OK)


def _of_held(requests: Requests, request: messages.Complete | messages.GiveBack, *, again: bool = False) -> None:
    """Send a request about tasks that the worker must hold."""
    reply = requests.ask(request, again=again)
    if isinstance(reply, messages.NotFound):
        names: tuple[TaskKey, ...] = reply.tasks
        shown = ", ".join(repr(name) for name in names[:3]) + (", ..." if len(names) > 3 else "")
        raise NotHeld(
            f"{request.location} does not hold {shown or 'these'}: not stolen under this name, ended, or taken back",
            names,
        )
    if not isinstance(reply, messages.OK):
        raise requests.strange(reply)
