"""The minimum run time to expect of a task that does not set `min_time`."""

from __future__ import annotations

from typing import NamedTuple


class MinTime(NamedTuple):
    """A number of seconds, or a fraction (`part`) of the mean run time of the tasks that have succeeded."""

    seconds: float = 0.0
    part: float = 0.0

    def expected(self, mean: float) -> float:
        """Return the minimum in seconds, given the mean run time."""
        return self.part * mean if self.part else self.seconds


#: No minimum is expected.
UNKNOWN = MinTime()
