"""Who works for a hub, and since when nothing was heard of them."""

from __future__ import annotations

from typing import Any

from dwork.core.location import host_of
from dwork.hub.workers import WorkerState


def row(worker: WorkerState, now: float) -> dict[str, Any]:
    """location, host, slots (None: it did not say), cores, memory (bytes, 0: unknown), gpus, held, ended, rate (tasks a
    second since it joined), heard (when, in seconds since the epoch), silent (seconds)."""
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
