"""A pool with fixed workers starts only if some worker can run each task."""

from __future__ import annotations

from dwork.core.resources import Resources
from dwork.core.task import Options, Task
from dwork.hub.feasibility import PATIENCE, Feasibility
from dwork.hub.workers import WorkerState, WorkerTable
from tests.stage import task
from tests.unit.hub.graphs import graph_of, held


def feasibility_of(*tasks: Task) -> Feasibility:
    return Feasibility(graph_of(*tasks).names.values())


def worker(cores: int, gpus: int = 0) -> WorkerState:
    table = WorkerTable()
    found = table.add(f"w{cores}")
    table.meet(found, "p", cores, Resources(cores, gpus=gpus))
    return found


def test_tasks_of_one_core_ask_for_nothing_that_a_worker_could_lack() -> None:
    assert not feasibility_of(task("a"), task("b", priority=3), task("c", timeout=1.0)).is_needed
    assert feasibility_of(task("a"), task("wide", cores=2)).is_needed


def test_tasks_that_have_ended_ask_for_nothing() -> None:
    graph = graph_of(task("wide", cores=9))
    graph.finish(held(graph))
    assert not Feasibility(graph.names.values()).is_needed


def test_what_no_worker_can_run_is_refused_with_a_task_and_the_largest_worker() -> None:
    wanted = feasibility_of(task("wide", cores=4), Task("gpu", "x", (), Options(gpus=1)))
    text = wanted.refusal([worker(4), worker(8)])
    assert text.startswith("gpu asks for 1 core and 1 GPU, but no worker has that (maximum: 8 cores")
    assert "--elastic" in text
    assert wanted.refusal([worker(4), worker(1, gpus=1)]) == ""


def test_it_waits_until_all_workers_are_there_or_its_patience_ends() -> None:
    wait = feasibility_of(task("wide", cores=2))
    assert not wait.is_on
    wait.begin(100.0)
    assert wait.is_on and not wait.ends(2, 3, 100.0 + PATIENCE - 0.1)
    assert wait.ends(3, 3, 101.0) and not wait.is_on
    wait.begin(100.0)
    assert wait.ends(2, 3, 100.0 + PATIENCE) and not wait.is_on
