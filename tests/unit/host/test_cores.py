"""Which cores the ranks of a node may use, and how many tasks each runs."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest

from dwork.host import cores
from dwork.host.cores import allowed, of_mpirun, of_others, quota, share
from dwork.host.local_ranks import LocalRank
from dwork.host.slots import slots


def places(ranks: int) -> list[LocalRank]:
    return [LocalRank(rank, ranks, by_mpirun=True) for rank in range(ranks)]


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """One of 64 cores, all of which this process may use; nothing has launched it."""
    for name in list(os.environ):
        if name.startswith(("OMPI_", "MPI_LOCAL", "MV2_", "PALS_", "JSM_", "SLURM_")):
            monkeypatch.delenv(name)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(64)))
    monkeypatch.setattr("os.sched_setaffinity", lambda *_: None)
    monkeypatch.setattr("dwork.host.cgroups.directories", lambda _: [])
    monkeypatch.setattr("dwork.host.launcher.starter", lambda: 1)
    monkeypatch.setattr("dwork.host.cores._threads", str)
    return monkeypatch


@pytest.fixture
def threads(node: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The node has 32 cores of two hardware threads: CPU 32 is the second one of the core that has CPU 0."""
    node.setattr("dwork.host.cores._threads", lambda cpu: f"{cpu % 32},{cpu % 32 + 32}")
    return node


def test_a_rank_alone_on_its_node_has_all_cores(node: pytest.MonkeyPatch) -> None:
    assert share() == slots("auto") == 64
    assert allowed() == tuple(range(64))


def test_who_has_bound_himself_keeps_to_that(node: pytest.MonkeyPatch) -> None:
    node.setattr("os.sched_getaffinity", lambda _: {5, 3})
    assert allowed() == (3, 5)


@pytest.mark.parametrize("names", ["MPI_LOCALRANKID MPI_LOCALNRANKS", "PALS_LOCAL_RANKID PALS_LOCAL_SIZE"])
def test_ranks_that_may_use_the_same_cores_share_them(node: pytest.MonkeyPatch, names: str) -> None:
    rank, ranks = names.split()
    node.setenv(ranks, "8")
    node.setenv(rank, "2")
    assert share() == 8
    assert allowed() == tuple(range(16, 24))
    node.setenv(ranks, "100")
    node.setenv(rank, "99")
    assert allowed() == (63,)


def test_a_rank_whose_mpirun_is_not_to_be_found_goes_by_what_the_kernel_would_grant(node: pytest.MonkeyPatch) -> None:
    node.setattr("dwork.host.launcher.starter", lambda: None)
    node.setenv("MPI_LOCALNRANKS", "8")
    assert share() == 8


def test_ranks_that_mpirun_bound_to_one_core_share_all_that_it_has() -> None:
    bound = [of_mpirun(here, {here.rank}, range(64)) for here in places(4)]
    assert bound == [tuple(range(first, first + 16)) for first in (0, 16, 32, 48)]
    assert of_mpirun(LocalRank(0, 1), {0}, range(64)) == tuple(range(64))


def test_ranks_that_mpirun_bound_to_their_part_of_the_node_keep_it() -> None:
    every_fourth = [set(range(here.rank, 64, 4)) for here in places(4)]
    assert [of_mpirun(here, mine, range(64)) for here, mine in zip(places(4), every_fourth, strict=True)] == [
        tuple(sorted(mine)) for mine in every_fourth
    ]


@pytest.mark.parametrize(("cpus", "ranks"), [(64, 64), (64, 48), (10, 3), (2, 3), (1, 4)])
def test_no_core_has_two_ranks_before_each_has_one(cpus: int, ranks: int) -> None:
    taken = [cpu for here in places(ranks) for cpu in of_mpirun(here, range(cpus), range(cpus))]
    assert set(taken) == set(range(cpus))
    assert len(taken) == max(cpus, ranks)


def test_what_srun_has_bound_is_what_a_rank_has() -> None:
    assert of_others(LocalRank(1, 4), range(16, 32), 64) == tuple(range(16, 32))


def test_ranks_that_srun_has_not_bound_share_what_the_step_has_not_what_the_machine_has(
    node: pytest.MonkeyPatch,
) -> None:
    numbers = {"JOB_ID": "1", "STEP_ID": "0", "NODEID": "0", "LOCALID": "3"}
    step = {**numbers, "STEP_TASKS_PER_NODE": "4", "CPUS_ON_NODE": "8"}
    for name, value in step.items():
        node.setenv(f"SLURM_{name}", value)
    node.setattr("os.sched_getaffinity", lambda _: set(range(8)))
    assert allowed() == (6, 7)
    node.setattr("os.sched_getaffinity", lambda _: {2, 3})
    assert allowed() == (2, 3)


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        ({"cpu.max": "150000 100000"}, 1.5),
        ({"cpu.max": "max 100000"}, math.inf),
        ({"cpu.cfs_quota_us": "400000", "cpu.cfs_period_us": "100000"}, 4),
        ({"cpu.cfs_quota_us": "-1", "cpu.cfs_period_us": "100000"}, math.inf),
        ({"cpu.max": "rubbish"}, math.inf),
        ({}, math.inf),
    ],
)
def test_a_control_group_says_how_much_time_there_is(tmp_path: Path, files: dict[str, str], limit: float) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text + "\n")
    assert quota([str(tmp_path), str(tmp_path / "missing")]) == limit


def test_a_quota_is_shared_by_the_ranks_and_leaves_each_one_core(node: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text("650000 100000")
    node.setattr("dwork.host.cgroups.directories", lambda _: [str(tmp_path)])
    assert share() == 6
    node.setenv("MPI_LOCALNRANKS", "2")
    assert share() == 3
    node.setenv("MPI_LOCALNRANKS", "32")
    assert share() == 1


def test_a_job_that_may_run_everywhere_has_no_more_cores_than_slurm_has_given_it(node: pytest.MonkeyPatch) -> None:
    node.setenv("SLURM_JOB_ID", "4711")
    node.setenv("SLURM_CPUS_ON_NODE", "6")
    assert share() == 6
    assert len(allowed()) == 64
    node.setenv("MPI_LOCALNRANKS", "4")
    assert share() == 1


def test_asking_the_kernel_what_it_would_grant_changes_nothing() -> None:
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert cores._bindable() >= before
        assert os.sched_getaffinity(0) == {min(before)}
    finally:
        os.sched_setaffinity(0, before)


# -- hardware threads ----------------------------------------------------------------------------------------------


def test_of_the_hardware_threads_of_a_core_tasks_get_one(threads: pytest.MonkeyPatch) -> None:
    assert allowed() == tuple(range(32)) and share() == slots("auto") == cores.on_node() == 32
    assert allowed(smt=True) == tuple(range(64)) and share(smt=True) == slots("auto", smt=True) == 64
    assert cores.on_node(smt=True) == 64


def test_ranks_share_cores_not_hardware_threads(threads: pytest.MonkeyPatch) -> None:
    threads.setenv("MPI_LOCALNRANKS", "2")
    parts = []
    for rank in ("0", "1"):
        threads.setenv("MPI_LOCALRANKID", rank)
        parts.append(allowed())
    assert parts == [tuple(range(16)), tuple(range(16, 32))]


def test_a_rank_that_is_bound_to_all_threads_of_its_cores_has_as_many_cores(threads: pytest.MonkeyPatch) -> None:
    threads.setattr("os.sched_getaffinity", lambda _: {2, 3, 34, 35})
    assert (allowed(), share()) == ((2, 3), 2)
    assert (allowed(smt=True), share(smt=True)) == ((2, 3, 34, 35), 4)
    threads.setattr("os.sched_getaffinity", lambda _: {34, 3})
    assert allowed() == (3, 34)


def test_a_job_whose_threads_slurm_granted_has_their_cores(threads: pytest.MonkeyPatch) -> None:
    threads.setenv("SLURM_JOB_ID", "4711")
    threads.setenv("SLURM_CPUS_ON_NODE", "4")
    threads.setattr("os.sched_getaffinity", lambda _: {2, 3, 34, 35})
    assert (share(), share(smt=True)) == (2, 4)


def test_the_threads_of_a_core_are_those_that_the_kernel_lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for cpu in range(3):
        (tmp_path / f"cpu{cpu}/topology").mkdir(parents=True)
        (tmp_path / f"cpu{cpu}/topology/thread_siblings_list").write_text(f"{'0-1' if cpu < 2 else '2-3'}\n")
    monkeypatch.setattr(cores, "TOPOLOGY", str(tmp_path))
    cores._threads.cache_clear()
    assert cores.one_per_core(range(5)) == (0, 2, 3, 4)  # of the last two nothing is known
    cores._threads.cache_clear()
