"""How long a worker waits for its hub.

The hub is silent while an answer of it is missing and no message arrives. After `limit` seconds of that the worker
gives up. Two things are not silence of the hub:

- before its first message, a rank waits without limit: the launcher starts all ranks, and the hub may first have to
  wait for its record;
- when this process was suspended, the hub may have been, too, and what it has sent is still unread.
"""

from __future__ import annotations

import math
from typing import Final

from dwork.core.messages import STANDSTILL
from dwork.worker.worker import Worker

#: How long a rank waits for its silent hub: in beats (the hub waits eight for a worker), and at least in seconds.
PATIENCE: Final = 16
LEAST_PATIENCE: Final = 10.0


class HubSilence:
    """The silence of one worker's hub. limit: for how many seconds to wait; at first hub_timeout."""

    def __init__(self, worker: Worker, now: float, hub_timeout: float, *, is_rank: bool) -> None:
        self.limit = hub_timeout
        self._worker = worker
        self._hub_timeout = hub_timeout
        self._is_rank = is_rank
        self._since = now  # since when an answer is missing
        self._awake = now  # since when this process does not sleep
        self._sleeps_until = math.inf

    def expect(self, beat: float) -> None:
        """Set the limit of a rank whose hub asks for a beat: it waits twice as long as the hub waits for it."""
        is_set = self._is_rank and beat > 0
        self.limit = max(LEAST_PATIENCE, PATIENCE * beat) if is_set else self._hub_timeout

    @property
    def deadline(self) -> float:
        """When to give up if no message arrives."""
        return self._since + self.limit

    def sleep(self, until: float) -> None:
        """Note that this process is about to sleep, at most until then."""
        self._sleeps_until = until

    def wake(self, now: float) -> None:
        """Note that this process has woken up."""
        if now >= self._sleeps_until + STANDSTILL:
            self._since = now
        self._awake = now

    def listen(self, now: float, *, has_heard: bool) -> None:
        """Note that all messages were read; has_heard: there were some. Requests are sent only after that."""
        if has_heard or not self._worker.asks:
            self._since = now

    def is_over(self, now: float) -> bool:
        """Whether to give up; to be called at the end of a turn."""
        if self._is_rank and self._worker.welcome is None:
            self._since = now
        if now >= self._awake + STANDSTILL:  # no turn is that long
            self._since = now
        return now >= self.deadline
