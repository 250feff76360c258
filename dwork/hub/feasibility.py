"""What tasks ask for besides a core: nothing of a pool that stays as it is starts before some worker can run each."""

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

#: Seconds that workers may take to come.
PATIENCE: Final = 60.0


class Feasibility:
    """until: when workers are waited for no longer, in seconds since the epoch; infinity when they are not."""

    def __init__(self, nodes: Iterable[Node]) -> None:
        self.until = math.inf
        self._asked: dict[Resources, str] = {}  # and one task that does
        for node in nodes:
            options = node.task.options
            if options is not PLAIN and (asked := options.asks) is not ONE_CORE and node.state in ACTIVE:
                self._asked.setdefault(asked, node.name)

    @property
    def is_needed(self) -> bool:
        return bool(self._asked)

    def begin(self, now: float) -> None:
        """Wait from now on."""
        self.until = now + PATIENCE

    @property
    def is_on(self) -> bool:
        return self.until < math.inf

    def ends(self, there: int, wanted: int, now: float) -> bool:
        """Whether it is over now, since all are there or it takes too long."""
        if there < wanted and now < self.until:
            return False
        self.until = math.inf
        return True

    def refusal(self, workers: Collection[WorkerState]) -> str:
        """Why the tasks cannot be run by these; empty when they can."""
        for asked, name in self._asked.items():
            if not any(worker.could(asked) for worker in workers):
                return (
                    f"{shown(name)} asks for {asked}, and no worker has that (the most: {most(workers)}); ask for "
                    "less, start one rank per node with --slots auto, or say --elastic if such workers will join"
                )
        return ""
