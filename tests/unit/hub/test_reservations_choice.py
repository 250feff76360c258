"""Which worker is kept for a task that fits nowhere."""

from __future__ import annotations

import pytest

from dwork.core.resources import Resources
from dwork.hub.graph import Graph
from dwork.hub.reservations import Kept
from dwork.hub.workers import WorkerTable
from tests.stage import task

GIB = 1 << 30


@pytest.mark.parametrize(
    ("held", "asked", "kept_one"),
    [
        ({"w": ["a", "b"], "v": ["memory"]}, Resources(4, 7 * GIB), "v"),  # w lacks 2 of 4 cores, v one and 1 of 8 GiB
        ({"w": ["a", "b"], "v": ["gpu"]}, Resources(4, 0, 8), "v"),  # w lacks 2 of 4 cores, v one and 1 of 8 GPUs
        ({"v": ["gpu"], "w": ["a"]}, Resources(4, 0, 8), "w"),  # each lacks a core, v also a GPU
    ],
)
def test_the_worker_that_lacks_the_least_of_all_that_is_asked_for_is_kept(
    held: dict[str, list[str]], asked: Resources, kept_one: str
) -> None:
    graph = Graph()
    graph.add([task("memory", memory=2 * GIB), task("gpu", gpus=1), task("a"), task("b")])
    graph.take(4, "any")
    table = WorkerTable()
    for location, names in held.items():
        worker = table.add(location)
        table.meet(worker, location, 4, Resources(4, 8 * GIB, 8))
        table.give(worker, [graph.names[name] for name in names])
    assert Kept().choose({asked: 0}, table.values()) == [table[kept_one]]
