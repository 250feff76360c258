"""Resource requests beyond one core: a pool with fixed workers starts only if some worker can run each task."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from typing import Final

from dwork.core.resources import ONE_CORE, Resources
from dwork.core.task import ACTIVE, PLAIN
from dwork.core.text import shown
from dwork.hub.dispatch import most
from dwork.hub.node import Node
from dwork.hub.workers import WorkerState

#: Seconds to wait for the workers.
PATIENCE: Final = 60.0


class Feasibility:
    """until: when to stop waiting for workers, in seconds since the epoch; infinity when not waiting."""

    def __init__(self, nodes: Iterable[Node]) -> None:
        self.until = math.inf
        self._asked: dict[Resources, str] = {}  # each request, and the name of one task with it
        for node in nodes:
            options = node.task.options
            if options is not PLAIN and (asked := options.asks) is not ONE_CORE and node.state in ACTIVE:
                self._asked.setdefault(asked, node.name)

    @property
    def is_needed(self) -> bool:
        """Whether any task asks for more than one core."""
        return bool(self._asked)

    def begin(self, now: float) -> None:
        """Wait from now on."""
        self.until = now + PATIENCE

    @property
    def is_on(self) -> bool:
        """Whether the pool is waiting for its workers."""
        return self.until < math.inf

    def ends(self, there: int, wanted: int, now: float) -> bool:
        """Whether the wait has ended: all wanted workers are there, or the time is up."""
        if there < wanted and now < self.until:
            return False
        self.until = math.inf
        return True

    def refusal(self, workers: Collection[WorkerState]) -> str:
        """Return why these workers cannot run all tasks; empty when they can."""
        for asked, name in self._asked.items():
            if not any(worker.could(asked) for worker in workers):
                return (
                    f"{shown(name)} asks for {asked}, but no worker has that (maximum: {most(workers)}); ask for "
                    "less, start one rank per node with --slots auto, or use --elastic if such workers will join"
                )
        return ""
