"""The rows that describe the workers of a hub."""

from __future__ import annotations

from typing import Any

from dwork.core.location import host_of
from dwork.hub.workers import WorkerState


def row(worker: WorkerState, now: float) -> dict[str, Any]:
    """Return the row of a worker, with these columns.

    location, host, slots (None: not reported), cores, memory (bytes, 0: unknown), gpus, held and ended (tasks), rate
    (tasks per second since it joined), heard (its last message, in seconds since the epoch), silent (seconds since).
    """
    return {
        "location": worker.location,
        "host": host_of(worker.location),
        "slots": worker.slots or None,
        **worker.has._asdict(),
        "held": len(worker.held),
        "ended": worker.ended,
        "rate": worker.rate(now),
        "heard": worker.heard or None,
        "silent": max(0.0, now - worker.heard) if worker.heard else None,
    }
