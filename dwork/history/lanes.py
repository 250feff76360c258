"""Lanes for tasks of one worker that overlap in time: each takes the first lane that is free when it starts."""

from __future__ import annotations

import heapq


class Lanes:
    """The lanes of one worker. Calls of `take` must be in order of start."""

    def __init__(self) -> None:
        self._busy: list[tuple[float, int]] = []  # end, lane
        self._free: list[int] = []
        self._n = 0

    def __len__(self) -> int:
        return self._n

    def take(self, start: float, end: float) -> int:
        """Return the lane for a task that runs from start to end. Time is logarithmic in lanes."""
        while self._busy and self._busy[0][0] <= start:
            heapq.heappush(self._free, heapq.heappop(self._busy)[1])
        if self._free:
            lane = heapq.heappop(self._free)
        else:
            lane = self._n
            self._n += 1
        heapq.heappush(self._busy, (end, lane))
        return lane
