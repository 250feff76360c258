"""Who works for a hub, and since when nothing was heard of them."""

from __future__ import annotations

import json
from collections.abc import Callable

from dwork.hub import Hub
from dwork.messages import Answer, Error, Inquiry, Message, Workers


def attendance(hub: Hub, now: float) -> Answer:
    """The rows of all workers: location, host, slots (None: it did not say), held, ended, rate (tasks a second since it
    joined), heard (when, in seconds since the epoch), silent (seconds since then)."""
    rows = [
        {
            "location": worker.location,
            "host": worker.location.partition(":")[0],
            "slots": worker.slots or None,
            "held": len(worker.held),
            "ended": worker.ended,
            "rate": worker.ended / max(now - worker.joined, 1e-3) if worker.joined else None,
            "heard": worker.heard or None,
            "silent": max(0.0, now - worker.heard) if worker.heard else None,
        }
        for worker in hub.workers.values()
    ]
    return Answer(json.dumps(rows).encode())


class NoRecord:
    """What a hub that keeps no record can answer."""

    def __init__(self, hub: Hub, clock: Callable[[], float]) -> None:
        self._hub = hub
        self._clock = clock

    def answer(self, inquiry: Inquiry) -> Message:
        if isinstance(inquiry, Workers):
            return attendance(self._hub, self._clock())
        return Error("this pool keeps no record (--no-record), so it tells of no single task but with lookup")
