"""What a hub answers about itself, the end of its run, and the state of a task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dwork.core.rows import RunView
from dwork.core.task import State


@dataclass(frozen=True, slots=True)
class Status:
    """The state of a hub.

    active: the number of tasks that may still run or are running. ready: the number of those that could start now.
    counts: the number of tasks in each state (waiting, ready, assigned, done, failed, skipped, cancelled); empty when
    the hub is the original C++ dhub. text: the hub's status line.
    """

    active: int
    ready: int
    counts: Mapping[str, int] = field(default_factory=dict)
    text: str = ""


@dataclass(frozen=True, slots=True)
class End:
    """How a run ended. exit_status: that of the pool, 0 all done, 1 some failed, 3 stopped before the end.

    view: what `Client.watch` would return at its end; None when that is unknown.
    """

    exit_status: int
    status: Status
    view: RunView | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """The state of a task, its id (None when the hub has none), and the worker that holds or ended it, or None."""

    name: str
    state: State
    id: int | None = None
    location: str | None = None
