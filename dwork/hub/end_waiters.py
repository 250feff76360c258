"""Those who wait for the end of the run: each is parked here until that, or until its time is up."""

from __future__ import annotations

import math

from dwork.core.errors import GraphError
from dwork.hub.workers import Peer


class EndWaiters:
    """Knows them, and when which of them has waited long enough."""

    def __init__(self) -> None:
        self._until: dict[Peer, float] = {}
        self.deadline = math.inf  # when the first of them has waited long enough

    def __bool__(self) -> bool:
        return bool(self._until)

    def join(self, peer: Peer, wait: float, now: float) -> None:
        """It waits so many seconds; whoever asks again waits anew."""
        if not wait >= 0:
            raise GraphError(f"nobody can wait for {wait} s")
        self._until[peer] = now + wait
        self._look()

    def leave(self, peer: Peer) -> None:
        """It is gone."""
        if self._until.pop(peer, None) is not None:
            self._look()

    def expired(self, now: float) -> list[Peer]:
        """Those that have waited long enough; they wait no more."""
        if self.deadline > now:
            return []
        expired = [peer for peer, until in self._until.items() if until <= now]
        for peer in expired:
            del self._until[peer]
        self._look()
        return expired

    def end(self) -> list[Peer]:
        """All of them; nobody waits any more."""
        waited = list(self._until)
        self._until.clear()
        self._look()
        return waited

    def _look(self) -> None:
        self.deadline = min(self._until.values(), default=math.inf)
