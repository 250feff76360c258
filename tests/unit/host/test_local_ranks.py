"""Which of the ranks of its node a rank is, by what its launcher says."""

from __future__ import annotations

import pytest

from dwork.host.local_ranks import LocalRank, per_node, place

STEP = {"SLURM_STEP_ID": "0", "SLURM_STEP_TASKS_PER_NODE": "2(x3),1", "SLURM_LOCALID": "1"}


@pytest.mark.parametrize(
    ("names", "by_mpirun"),
    [
        ("OMPI_COMM_WORLD_LOCAL_RANK OMPI_COMM_WORLD_LOCAL_SIZE", True),
        ("MPI_LOCALRANKID MPI_LOCALNRANKS", True),
        ("MV2_COMM_WORLD_LOCAL_RANK MV2_COMM_WORLD_LOCAL_SIZE", True),
        ("PALS_LOCAL_RANKID PALS_LOCAL_SIZE", False),
        ("JSM_NAMESPACE_LOCAL_RANK JSM_NAMESPACE_LOCAL_SIZE", False),
    ],
)
def test_each_launcher_tells_it_in_its_own_words(names: str, by_mpirun: bool) -> None:
    assert place(dict(zip(names.split(), ("2", "4"), strict=True))) == LocalRank(2, 4, by_mpirun)


def test_a_process_that_nothing_has_launched_is_alone() -> None:
    assert place({}) == LocalRank(0, 1)


def test_slurm_tells_it_for_each_node_of_the_step() -> None:
    assert per_node("2(x3),1") == [2, 2, 2, 1]
    assert place({**STEP, "SLURM_NODEID": "2"}) == LocalRank(1, 2)
    assert place({**STEP, "SLURM_NODEID": "3", "SLURM_LOCALID": "0"}) == LocalRank(0, 1)
    assert place({**STEP, "SLURM_NODEID": "4"}) == LocalRank(0, 1)


def test_in_a_batch_script_a_process_is_alone_however_many_tasks_the_job_has() -> None:
    assert place({"SLURM_TASKS_PER_NODE": "64", "SLURM_LOCALID": "0", "SLURM_NODEID": "0"}) == LocalRank(0, 1)


def test_a_mpirun_inside_a_step_is_what_counts() -> None:
    hydra = {"MPI_LOCALRANKID": "5", "MPI_LOCALNRANKS": "8"}
    assert place({**STEP, **hydra, "SLURM_NODEID": "0"}) == LocalRank(5, 8, by_mpirun=True)


@pytest.mark.parametrize(("n", "ranks"), [(64, 1), (64, 7), (3, 3), (2, 5), (0, 4)])
def test_the_parts_of_all_ranks_are_the_whole_and_nothing_twice(n: int, ranks: int) -> None:
    parts = [LocalRank(rank, ranks).part(range(n)) for rank in range(ranks)]
    assert sorted(sum(parts, ())) == list(range(n))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_nonsense_leaves_a_rank_within_its_node() -> None:
    assert place({"MPI_LOCALRANKID": "9", "MPI_LOCALNRANKS": "4"}) == LocalRank(1, 4, by_mpirun=True)
    assert place({"MPI_LOCALRANKID": "x", "MPI_LOCALNRANKS": "0"}) == LocalRank(0, 1, by_mpirun=True)
