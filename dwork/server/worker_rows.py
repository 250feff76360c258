"""The rows that describe the workers of a hub."""

from __future__ import annotations

from dwork.core.location import host_of
from dwork.core.rows import WorkerRow
from dwork.hub.workers import WorkerState


def row(worker: WorkerState, now: float, excluded: str = "") -> WorkerRow:
    """Return the row of a worker. excluded: why it gets no tasks, or empty."""
    return {
        "location": worker.location,
        "host": host_of(worker.location),
        "slots": worker.slots or None,
        "cores": worker.has.cores,
        "memory": worker.has.memory,
        "gpus": worker.has.gpus,
        "held": len(worker.held),
        "ended": worker.ended,
        "rate": worker.rate(now),
        "heard": worker.heard or None,
        "silent": max(0.0, now - worker.heard) if worker.heard else None,
        "excluded": excluded,
    }
