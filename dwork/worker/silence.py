"""How long a worker waits for its hub.

The hub is silent while an answer of it is missing and no message arrives. After `limit` seconds of that the worker
gives up. Before the first message a rank waits for FIRST seconds: the launcher starts all ranks, and the hub may first
have to wait for its record, and to load millions of tasks. When this process stood still, the wait begins again: the
hub may have stood still, too, and what it has sent is still unread.
"""

from __future__ import annotations

from typing import Final

from dwork.worker.worker import Worker

#: How long a rank waits for its silent hub: in beats (the hub waits eight for a worker), and at least in seconds.
PATIENCE: Final = 16
LEAST_PATIENCE: Final = 10.0
#: Seconds that a rank waits for the first message: a hub that has died looks like one that loads.
FIRST: Final = 1800.0


class HubSilence:
    """The silence of one worker's hub. limit: for how many seconds to wait."""

    def __init__(self, worker: Worker, now: float, hub_timeout: float, *, is_rank: bool) -> None:
        self.limit = FIRST if is_rank else hub_timeout
        self._worker = worker
        self._hub_timeout = hub_timeout
        self._is_rank = is_rank
        self._since = now  # since when an answer is missing

    def expect(self, beat: float) -> None:
        """Set the limit of a rank whose hub asks for a beat: it waits twice as long as the hub waits for it."""
        is_set = self._is_rank and beat > 0
        self.limit = max(LEAST_PATIENCE, PATIENCE * beat) if is_set else self._hub_timeout

    @property
    def deadline(self) -> float:
        """When to give up if no message arrives."""
        return self._since + self.limit

    def begin_again(self, now: float) -> None:
        """Begin the wait again, since this process stood still."""
        self._since = now

    def listen(self, now: float, *, has_heard: bool) -> None:
        """Note that all messages were read; has_heard: there were some. Requests are sent only after that."""
        if has_heard or not self._worker.asks:
            self._since = now

    def is_over(self, now: float) -> bool:
        """Whether to give up; to be called at the end of a turn."""
        return now >= self.deadline
