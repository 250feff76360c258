"""What things cost in a pool, for its simulation: measured by the other benchmarks on this machine, or defaults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from _common import median


@dataclass(frozen=True, slots=True)
class Costs:
    """All in seconds.

    hub_message: of the hub for a message in or out. hub_task: of the hub for a task, given and taken back. latency:
    from the end of a send until the other side could see it. worker_message: of a worker for a message. no_op: of a
    worker for a task without a process. start, reap: of a worker for a process: until it runs, and once it has ended.
    child: by which a process takes longer than its task. naps: whether frames are looked for now and then, as over MPI;
    over ZeroMQ they wake. crowd: how many ranks share a core, which makes their naps the longer.

    The defaults were measured on two cores of a virtual machine (Xeon, 2.1 GHz), under Python 3.11 and MPICH 5.0.2, by
    dispatch.py (hub, latency, no_op) and slots.py (start, reap, child).
    """

    hub_message: float = 20e-6
    hub_task: float = 5e-6
    latency: float = 20e-6
    worker_message: float = 20e-6
    no_op: float = 4e-6
    start: float = 250e-6
    reap: float = 150e-6
    child: float = 600e-6
    naps: bool = True
    crowd: int = 1

    def slower(self, factor: float) -> Costs:
        """The same where each process gets only part of a core; the way of a frame takes as long."""
        times = {name: getattr(self, name) * factor for name in _OF_PROCESSORS}
        return replace(self, **times)


_OF_PROCESSORS = ("hub_message", "hub_task", "worker_message", "no_op", "start", "reap", "child")


def measured(results: Mapping[str, Any]) -> tuple[Costs, list[str]]:
    """What results of other benchmarks tell, by name of the benchmark, and a line on where each cost comes from."""
    costs, sources = Costs(), []
    for name, read in (("dispatch", _of_dispatch), ("slots", _of_slots)):
        if name in results:
            costs = read(costs, results[name]["details"])
            sources.append(f"{name}.py of {results[name]['conditions']['time']}")
        else:
            sources.append(f"defaults in place of {name}.py")
    return costs, sources


def _of_dispatch(costs: Costs, details: Mapping[str, Any]) -> Costs:
    """Of hub and worker the processor time for a task at several batches is that of a message over the batch, and more.

    A message costs a hub less that is always busy, as in a large pool; that is measured with one task in each. What
    else lies between a task and the next in lockstep, is the way there and back and the naps at both ends.
    """
    rounds = [values for name, runs in details.items() if name.startswith("fixed") for values in runs]
    batches = [1 / values[1] for values in rounds]
    exchange, task = _line(batches, [values[2] * 1e-6 for values in rounds])
    message, no_op = _line(batches, [values[3] * 1e-6 for values in rounds])
    lockstep = median(2 / values[0] for values in details["fixed 1 lockstep"])  # of each of the two workers
    naps = 2 * 25e-6  # half of the shortest, at both ends
    latency = max(1e-6, (lockstep - exchange - task - message - no_op - naps) / 2)
    if crowd := [values[2] * 1e-6 for values in details.get("crowd", ())]:
        exchange = max(0.0, median(crowd) - task)
    return replace(
        costs, hub_message=exchange / 2, hub_task=task, worker_message=message, no_op=no_op, latency=min(latency, 1e-3)
    )


def _of_slots(costs: Costs, details: Mapping[str, Any]) -> Costs:
    """With many slots a worker does nothing but start and reap; what a task takes longer with one is its process."""
    one, many = (
        median(run[1] for run in details[f"rate, {slots} slots"]["dwork"]) / details["tasks"] for slots in (1, 64)
    )
    own = min(one, many)
    share = costs.start / (costs.start + costs.reap)
    return replace(costs, start=own * share, reap=own * (1 - share), child=one - own)


def _line(xs: Sequence[float], ys: Sequence[float]) -> tuple[float, float]:
    """Slope and value at 0 of the line through these points, by least squares of what is relative; neither below 0."""
    weights = [1 / (y * y) for y in ys]
    total = sum(weights)
    x0 = sum(w * x for w, x in zip(weights, xs, strict=True)) / total
    y0 = sum(w * y for w, y in zip(weights, ys, strict=True)) / total
    slope = sum(w * (x - x0) * (y - y0) for w, x, y in zip(weights, xs, ys, strict=True)) / sum(
        w * (x - x0) ** 2 for w, x in zip(weights, xs, strict=True)
    )
    slope = max(0.0, slope)
    return slope, max(0.0, y0 - slope * x0)
