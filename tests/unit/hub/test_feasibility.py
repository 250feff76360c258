"""Whether the workers of a pool could run all its tasks, and how long a pool waits for them before it judges."""

from __future__ import annotations

import pytest

from dwork.core.resources import Resources
from dwork.core.task import Task
from dwork.hub.feasibility import PATIENCE, Feasibility
from dwork.hub.graph import Graph
from dwork.hub.workers import WorkerState, WorkerTable
from tests.stage import INF, task

LARGE = task("large", cores=8)


def needs(*tasks: Task, done: int = 0) -> Feasibility:
    """Of a graph in which the first tasks are done."""
    graph = Graph()
    graph.add(tasks)
    graph.finish(graph.take(done, "w"))
    return Feasibility(graph.names.values())


def workers(*has: Resources) -> list[WorkerState]:
    table = WorkerTable()
    for number, resources in enumerate(has):
        table.meet(table.add(f"w{number}"), number, 1, resources)
    return list(table.values())


@pytest.mark.parametrize("small", [Task("a", "a"), task("a", priority=3), task("a", cores=1)])
def test_tasks_of_one_core_need_no_judgement(small: Task) -> None:
    assert not needs(small).is_needed
    assert needs(small, LARGE).is_needed


def test_a_large_task_that_is_done_needs_no_worker() -> None:
    assert not needs(LARGE, done=1).is_needed


def test_a_task_that_waits_for_another_needs_its_worker() -> None:
    assert needs(Task("a", "a"), task("large", "a", cores=8)).is_needed


def test_one_worker_that_could_run_a_task_is_enough() -> None:
    assert needs(LARGE).refusal(workers(Resources(2), Resources(8))) == ""


def test_a_task_that_no_worker_could_run_is_named_with_the_most_that_there_is() -> None:
    needed = needs(LARGE, task("larger", cores=9))
    assert needed.refusal(workers(Resources(8, 2**30), Resources(2, 2**31))).startswith(
        "larger asks for 9 cores, but no worker has that (maximum: 8 cores and 2.0 GiB); ask for less, start one rank "
    )


def test_of_tasks_with_the_same_request_the_first_is_named() -> None:
    assert needs(LARGE, task("other", cores=8)).refusal(workers(Resources(2))).startswith("large asks")


def test_without_workers_each_large_task_is_refused() -> None:
    assert "(maximum: 0 cores)" in needs(LARGE).refusal([])


def test_it_waits_for_all_workers_for_a_minute() -> None:
    needed = needs(LARGE)
    assert not needed.is_on
    needed.begin(100.0)
    assert (needed.is_on, needed.until) == (True, 100.0 + PATIENCE)
    assert not needed.ends(1, 2, 100.0 + PATIENCE - 1)
    assert needed.is_on
    assert needed.ends(1, 2, 100.0 + PATIENCE)
    assert (needed.is_on, needed.until) == (False, INF)


@pytest.mark.parametrize("there", [2, 3])
def test_the_wait_ends_when_all_workers_are_there(there: int) -> None:
    needed = needs(LARGE)
    needed.begin(100.0)
    assert needed.ends(there, 2, 100.0)
    assert not needed.is_on
