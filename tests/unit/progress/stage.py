"""Runs that are acted out: so many tasks of known lengths on so many slots, looked at whenever one likes."""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from dwork.core.task import State
from dwork.progress.pace import Pace
from dwork.progress.standing import Standing

BEGIN = 1_000.0


def stand(time: float = 0.0, *, running: int = 0, slots: int = 0, **more: Any) -> Standing:
    """A standing so many seconds after BEGIN; counts by name of state, the rest as in Standing."""
    states = {state: more.pop(state.value, 0) for state in State}
    states[State.ASSIGNED] = states[State.ASSIGNED] or running
    given = {"cores": running, "busy": running, "ended": states[State.DONE] + states[State.FAILED], "seconds": 0.0}
    return Standing(BEGIN + time, states, running=running, slots=slots, **{**given, **more})


class Play:
    """A run in which each slot takes the next task as soon as it is free, and needs `gap` seconds for that.

    end: when it is over, in seconds from its begin.
    """

    def __init__(self, lengths: Sequence[float], slots: int, gap: float = 0.0) -> None:
        self.slots = slots
        free = [0.0] * slots
        self._taken: list[float] = []
        ends: list[tuple[float, float]] = []
        for length in lengths:
            self._taken.append(heapq.heappop(free))
            ends.append((self._taken[-1] + gap + length, length))
            heapq.heappush(free, ends[-1][0])
        ends.sort()
        self._ended = [end for end, _ in ends]
        self._seconds = [0.0, *accumulate(length for _, length in ends)]
        self.end = max(free)

    def at(self, time: float) -> Standing:
        taken, done = bisect_right(self._taken, time), bisect_right(self._ended, time)
        ready = len(self._taken) - taken
        seconds = self._seconds[done]
        return stand(time, done=done, running=taken - done, ready=ready, slots=self.slots, seconds=seconds)

    def watched(self, until: float, every: float) -> tuple[Pace, Standing]:
        """The pace that one has seen who has looked so often, and how it stands then."""
        pace = Pace()
        for i in range(int(until / every) + 1):
            pace.see(self.at(i * every))
        at = self.at(until)
        pace.see(at)
        return pace, at
