"""What tasks are told of the cores, memory and GPUs that they have, and what they really get."""

from __future__ import annotations

import os
import re
import sys
from contextlib import ExitStack
from typing import Any

import pytest

from dwork.core.cause import Cause
from dwork.core.messages import Execution
from dwork.core.task import PLAIN, Options
from dwork.host import capacity
from dwork.host.capacity import Equipment
from dwork.host.gpus import Gpus
from dwork.runner.allocation import Allocation
from tests import leftovers
from tests.needs import missing
from tests.system.runner.bench import Bench, bench_of
from tests.waiting import wait_until

MIB = 2**20
#: Prints the CPUs that it may use.
CPUS = (sys.executable, "-c", "import os; print(*sorted(os.sched_getaffinity(0)))")
MINE = tuple(sorted(os.sched_getaffinity(0)))


@pytest.fixture
def stack() -> Any:
    with ExitStack() as stack:
        yield stack


def variables(bench: Bench, *names: str, options: Options = PLAIN) -> list[str]:
    """Of a task's environment; `-` where there is none."""
    return bench.run("echo " + " ".join(f"${{{name}--}}" for name in names), options).stdout.decode().split()


def test_a_task_is_told_what_it_has(stack: ExitStack) -> None:
    bench = stack.enter_context(bench_of(8, Equipment((), 8, 2**33, Gpus())))
    told = ("DWORK_CORES", "DWORK_MEMORY", "DWORK_GPUS", "OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES")
    assert variables(bench, *told) == ["1", "0", "0", "1", "-"]
    assert variables(bench, *told, options=Options(cores=4, memory=2**30)) == ["4", str(2**30), "0", "4", "-"]
    assert variables(bench, *told) == ["1", "0", "0", "1", "-"]


def test_a_worker_that_runs_one_task_leaves_it_all_threads(stack: ExitStack) -> None:
    bench = stack.enter_context(bench_of(1, Equipment((), 8)))
    assert variables(bench, "OMP_NUM_THREADS") == ["-"]
    assert variables(bench, "OMP_NUM_THREADS", options=Options(cores=8)) == ["8"]


def test_a_worker_that_shares_its_node_with_other_ranks_limits_the_threads_of_its_task(stack: ExitStack) -> None:
    bench = stack.enter_context(bench_of(1, Equipment((), 1, shares_node=True)))
    assert variables(bench, "OMP_NUM_THREADS") == ["1"]


def test_a_rank_knows_that_others_share_its_node(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPI_LOCALRANKID", "1")
    for ranks in 1, 2:
        monkeypatch.setenv("MPI_LOCALNRANKS", str(ranks))
        assert capacity.found().shares_node == (ranks > 1)


@pytest.mark.parametrize("where", ["worker", "pool", "task"])
def test_a_number_of_threads_that_somebody_has_set_stays(
    stack: ExitStack, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if where == "worker":
        monkeypatch.setenv("OMP_NUM_THREADS", "3")
    bench = stack.enter_context(bench_of(4, Equipment((), 4)))
    if where == "pool":
        bench.runner.configure(Execution(set=(("OMP_NUM_THREADS", "3"),)), {})
    env = (("OMP_NUM_THREADS", "3"),) if where == "task" else ()
    assert variables(bench, "OMP_NUM_THREADS", options=Options(cores=2, env=env)) == ["3"]


def test_tasks_of_a_worker_with_several_slots_have_cpus_of_their_own(stack: ExitStack) -> None:
    if len(MINE) < 2:
        missing("cores")
    bench = stack.enter_context(bench_of(2, Equipment(MINE[:2], 2)))
    program = "import os, sys, time; print(*os.sched_getaffinity(0)); sys.stdout.flush(); time.sleep(0.3)"
    for id in (1, 2):
        assert bench.start((sys.executable, "-c", program), id=id) is None
    assert {result.stdout.strip() for result in bench.wait(2)} == {str(cpu).encode() for cpu in MINE[:2]}
    assert bench.run(CPUS, Options(cores=2)).stdout.split() == [str(cpu).encode() for cpu in MINE[:2]]
    assert set(os.sched_getaffinity(0)) == set(MINE)


@pytest.mark.parametrize(("slots", "pin", "n"), [(1, None, None), (1, True, 1), (2, False, None), (3, None, None)])
def test_when_tasks_are_pinned(stack: ExitStack, slots: int, pin: bool | None, n: int | None) -> None:
    """Not where there is one slot, not on request, not where slots are more than CPUs."""
    bench = stack.enter_context(bench_of(slots, Equipment(MINE[:2], min(2, len(MINE)))))
    bench.runner.configure(Execution(pin=pin), {})
    assert len(bench.run(CPUS).stdout.split()) == (n or len(MINE))


def test_a_task_that_cannot_start_gives_back_what_it_has(stack: ExitStack) -> None:
    bench = stack.enter_context(bench_of(1, Equipment((), 1, 0, Gpus("CUDA_VISIBLE_DEVICES", ("0",)))))
    assert bench.run("/no/such/program", Options(gpus=1)).exit_status == 127
    assert variables(bench, "CUDA_VISIBLE_DEVICES", options=Options(gpus=1)) == ["0"]


@pytest.mark.parametrize("ids", [("2", "3", "5"), ("GPU-a", "GPU-b", "MIG-c")])
def test_each_task_sees_its_own_gpus_and_others_none(stack: ExitStack, ids: tuple[str, ...]) -> None:
    bench = stack.enter_context(bench_of(4, Equipment((), 4, 0, Gpus("CUDA_VISIBLE_DEVICES", ids))))
    for id, n in ((1, 2), (2, 1)):
        assert bench.start("sleep 0.2; echo $CUDA_VISIBLE_DEVICES $DWORK_GPUS", Options(gpus=n), id=id) is None
    assert bench.start("sleep 0.2; echo ${CUDA_VISIBLE_DEVICES-unset}.", id=3) is None
    told = {result.task: result.stdout.decode().strip() for result in bench.wait(3)}
    assert told == {1: f"{ids[0]},{ids[1]} 2", 2: f"{ids[2]} 1", 3: "."}


def test_a_second_welcome_takes_nothing_from_a_task_that_runs(stack: ExitStack) -> None:
    bench = stack.enter_context(bench_of(2, Equipment((), 2, 0, Gpus("CUDA_VISIBLE_DEVICES", ("a", "b")))))
    assert bench.start("sleep 0.3; echo $CUDA_VISIBLE_DEVICES", Options(gpus=1), id=1) is None
    bench.runner.configure(Execution(), {})
    assert bench.start("echo $CUDA_VISIBLE_DEVICES", Options(gpus=1), id=2) is None
    assert sorted(result.stdout for result in bench.wait(2)) == [b"a\n", b"b\n"]


@pytest.fixture
def no_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """With control groups it is the kernel that ends tasks: tests/vm."""
    monkeypatch.setattr("dwork.host.cgroups.own", lambda: "")


def test_a_task_that_uses_more_memory_than_it_asked_for_is_ended(stack: ExitStack, no_groups: None) -> None:
    bench = stack.enter_context(bench_of())
    bench.runner.configure(Execution(enforce_memory=True), {})
    hog = f"HOG={os.getpid()} {sys.executable} -c 'x = bytearray({200 * MIB}); import time; time.sleep(60)' & wait"
    result = bench.run(hog, Options(memory=100 * MIB))
    assert (result.exit_status, result.signal) == (137, 9)
    assert result.cause is Cause.MEMORY
    assert re.fullmatch("out of memory: it used [12][0-9]{2} MiB, but requested 100 MiB", result.error)
    wait_until(
        lambda: all(map(leftovers.is_gone, leftovers.processes(HOG=str(os.getpid())))),
        otherwise=lambda: "what it has started runs on",
    )


@pytest.mark.parametrize("enforces", [False, True])
def test_a_task_that_keeps_its_promise_or_is_not_held_to_it_runs_on(stack: ExitStack, enforces: bool) -> None:
    bench = stack.enter_context(bench_of())
    bench.runner.configure(Execution(enforce_memory=enforces), {})
    memory = 300 * MIB if enforces else MIB
    program = f"x = bytearray({100 * MIB}); import time; time.sleep(1.3)"
    assert bench.run((sys.executable, "-c", program), Options(memory=memory)).ok


def test_memory_that_processes_share_is_counted_once(stack: ExitStack, no_groups: None) -> None:
    bench = stack.enter_context(bench_of())
    bench.runner.configure(Execution(enforce_memory=True), {})
    program = f"x = b'x' * {100 * MIB}; import os, time; [os.fork() for i in range(2)]; time.sleep(1.4)"
    assert bench.run((sys.executable, "-c", program), Options(memory=200 * MIB)).ok


def test_neighbours_are_given_and_gaps_filled_first() -> None:
    seats = Allocation(range(8), ())
    assert seats.take(1, 2, 0).cpus == (0, 1)
    assert seats.take(2, 1, 0).cpus == (2,)
    seats.give_back(1)
    assert seats.take(3, 3, 0).cpus == (3, 4, 5)
    assert seats.take(4, 1, 0).cpus == (0,) or seats.take(4, 1, 0).cpus == (6,)
    assert seats.take(5, 9, 0).cpus == ()
