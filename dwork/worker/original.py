"""The dialect of the original C++ hub, which ignores our additions and answers in its own way.

Until a Welcome or a numbered answer shows that the hub is a native one, requests are sent one at a time, and results
have names and are sent without a Steal.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from dwork.core.task import Assigned

#: Seconds between two Steals while a C++ hub has nothing ready, since it cannot park a Steal.
PAUSE = 0.25


class OriginalDialect:
    """The requests of one worker to such a hub. patience: see WorkerPolicy.

    awaits: a request is unanswered. pause_until: the next Steal must wait until then.
    """

    def __init__(self, patience: float) -> None:
        self.awaits = False
        self.pause_until = -math.inf
        self._asked = -math.inf  # when the last request was sent
        self._patience = patience
        self._serial = 0

    def numbered(self, tasks: Iterable[Assigned]) -> Iterator[Assigned]:
        """Give tasks the ids that a C++ hub does not send."""
        for assigned in tasks:
            self._serial += 1
            yield assigned._replace(id=self._serial)

    def must_wait(self, now: float) -> bool:
        """Whether the next request must wait for an answer."""
        return self.awaits and now < self.overdue_at

    @property
    def overdue_at(self) -> float:
        return self._asked + self._patience

    def asked(self, now: float, has_sent: bool) -> None:
        """Note whether a request was sent."""
        self.awaits, self._asked = has_sent, now
