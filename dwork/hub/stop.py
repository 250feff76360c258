"""Whether, how far and why the hub stops."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final


class Phase(IntEnum):
    """How far a stop has gone; each phase includes those before it."""

    OPEN = 0  # tasks are handed out
    CLOSED = 1  # no more tasks are handed out
    KILLING = 2  # running tasks are killed
    IN_DOUBT = 3  # no result counts: the batch system may have killed the tasks, or parts of them


@dataclass(frozen=True, slots=True)
class Stop:
    """Whether, how far and why the hub stops. A later phase replaces an earlier one, and the first reason stays.

    for_later: the remaining tasks are left to another run. So a task that is killed has been interrupted; else it is
    cancelled.
    """

    phase: Phase = Phase.OPEN
    reason: str = ""
    for_later: bool = False

    def further(self, phase: Phase, reason: str, *, for_later: bool) -> Stop:
        """Return the stop that follows this one when there is another reason to stop."""
        return Stop(max(self.phase, phase), self.reason or reason, self.for_later or for_later)

    @property
    def kills(self) -> bool:
        """Whether running tasks are killed."""
        return self.phase >= Phase.KILLING

    @property
    def interrupts(self) -> bool:
        """Whether tasks that are killed now run again in another run."""
        return self.for_later and self.phase >= Phase.KILLING

    @property
    def in_doubt(self) -> bool:
        """Whether no result counts."""
        return self.phase is Phase.IN_DOUBT


#: The hub does not stop: tasks are handed out. There is no other value with this phase, so `is` compares quickly.
OPEN: Final = Stop()
