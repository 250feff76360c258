"""Peers that wait for the end of the run, each until then or until its wait time has passed."""

from __future__ import annotations

import math

from dwork.core.errors import GraphError
from dwork.hub.step import Peer


class EndWaiters:
    """The waiting peers, and when each has waited long enough."""

    def __init__(self) -> None:
        self._until: dict[Peer, float] = {}
        self.deadline = math.inf  # when the first of them has waited long enough

    def __bool__(self) -> bool:
        return bool(self._until)

    def join(self, peer: Peer, wait: float, now: float) -> None:
        """Let peer wait; a peer that already waits starts again. GraphError when wait is negative or NaN."""
        if not wait >= 0:
            raise GraphError(f"Await asks to wait {wait} s; wait must be 0 or more")
        self._until[peer] = now + wait
        self._update_deadline()

    def leave(self, peer: Peer) -> None:
        """Remove a peer that is gone."""
        if self._until.pop(peer, None) is not None:
            self._update_deadline()

    def expired(self, now: float) -> list[Peer]:
        """Remove and return the peers that have waited long enough."""
        if self.deadline > now:
            return []
        expired = [peer for peer, until in self._until.items() if until <= now]
        for peer in expired:
            del self._until[peer]
        self._update_deadline()
        return expired

    def end(self) -> list[Peer]:
        """Remove and return all peers."""
        waited = list(self._until)
        self._until.clear()
        self._update_deadline()
        return waited

    def _update_deadline(self) -> None:
        self.deadline = min(self._until.values(), default=math.inf)
