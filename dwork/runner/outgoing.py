"""The output of ended tasks that was sent ahead of their results, kept until the hub acknowledges the results.

Output that was sent may be lost with a connection or a restarted hub, while a result is repeated until the hub answers.
So the output is kept, and sent again from its start before the result when a hub asks for everything again.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from dwork.core.task import Result, TaskKey
from dwork.runner.capture import Capture, Captured

#: Most attempts that are kept, as each has open files. A worker that has as many starts no new task.
MOST: Final = 64


class Outgoing:
    """The kept output of one worker, by task and attempt as in its results."""

    def __init__(self, capture: Capture) -> None:
        self._capture = capture
        self._kept: dict[tuple[TaskKey, int], Captured] = {}

    def __bool__(self) -> bool:
        return bool(self._kept)

    @property
    def is_full(self) -> bool:
        return len(self._kept) >= MOST

    def keep(self, result: Result, captured: Captured) -> None:
        """Keep the output of an ended attempt, all of which was sent."""
        self._kept[result.task, result.attempt] = captured

    def rewind(self) -> None:
        """Send everything again: it is unknown what has arrived."""
        for captured in self._kept.values():
            captured.rewind()

    def send(self, results: Iterable[Result]) -> None:
        """Send the unsent output of these results, which are about to be sent."""
        for result in results:
            captured = self._kept.get((result.task, result.attempt))
            if captured is not None:
                self._capture.pass_on(int(result.task), captured, result.attempt)

    def settle(self, unanswered: set[tuple[TaskKey, int]]) -> None:
        """Discard the output of all attempts but these."""
        for key in [key for key in self._kept if key not in unanswered]:
            self._kept.pop(key).close()
