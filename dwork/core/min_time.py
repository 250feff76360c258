"""How long a task is expected to take at the least that does not say so itself."""

from __future__ import annotations

from typing import NamedTuple


class MinTime(NamedTuple):
    """So many seconds, or so large a part of the mean run time of the tasks that have ended well."""

    seconds: float = 0.0
    part: float = 0.0

    def expected(self, mean: float) -> float:
        return self.part * mean if self.part else self.seconds


#: Nothing is expected.
UNKNOWN = MinTime()
