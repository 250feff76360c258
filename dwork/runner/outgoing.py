"""The output of ended tasks that was sent ahead of their results, until the hub has answered these.

What was sent may get lost with a connection or with a hub that is started again, while a result is repeated until it is
answered. So it is kept, and sent again from its start before a result that is told to a hub which asks for all.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from dwork.core.task import Result, TaskKey
from dwork.runner.capture import Capture, Captured

#: So many attempts wait at the most: each has files open. A worker that has more starts nothing new.
MOST: Final = 64


class Outgoing:
    """Of one worker; by task and attempt, as results tell them."""

    def __init__(self, capture: Capture) -> None:
        self._capture = capture
        self._kept: dict[tuple[TaskKey, int], Captured] = {}

    def __bool__(self) -> bool:
        return bool(self._kept)

    @property
    def is_full(self) -> bool:
        return len(self._kept) >= MOST

    def keep(self, result: Result, captured: Captured) -> None:
        """This has ended, and all of its output was sent."""
        self._kept[result.task, result.attempt] = captured

    def rewind(self) -> None:
        """Nobody knows what of it has arrived."""
        for captured in self._kept.values():
            captured.rewind()

    def send(self, results: Iterable[Result]) -> None:
        """These are about to be told: send what is not sent."""
        for result in results:
            captured = self._kept.get((result.task, result.attempt))
            if captured is not None:
                self._capture.pass_on(int(result.task), captured, result.attempt)

    def settle(self, unanswered: set[tuple[TaskKey, int]]) -> None:
        """Let go of all but these."""
        for key in [key for key in self._kept if key not in unanswered]:
            self._kept.pop(key).close()
