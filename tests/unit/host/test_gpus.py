"""Which GPUs a rank has, and what its tasks are told of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from dwork.host.gpus import CUDA, HIP, ROCR, ZE, Gpus, devices, environment, found

NONE = Gpus()
FOUR = Gpus(CUDA, ("0", "1", "2", "3"))


def hydra(rank: int, ranks: int) -> dict[str, str]:
    return {"MPI_LOCALRANKID": str(rank), "MPI_LOCALNRANKS": str(ranks)}


def step(rank: int, ranks: int, **more: str) -> dict[str, str]:
    place = {"STEP_ID": "0", "STEP_TASKS_PER_NODE": str(ranks), "LOCALID": str(rank), "NODEID": "0", "JOB_ID": "7"}
    return {f"SLURM_{name}": value for name, value in {**place, **more}.items()}


@pytest.mark.parametrize(
    ("environ", "gpus"),
    [
        ({CUDA: "0,1,2,3"}, FOUR),
        ({CUDA: "GPU-8a3f, MIG-1b/2/0"}, Gpus(CUDA, ("GPU-8a3f", "MIG-1b/2/0"))),
        ({CUDA: "0,-1,1"}, Gpus(CUDA, ("0",))),
        ({ROCR: "2,3"}, Gpus(ROCR, ("2", "3"))),
        ({HIP: "1"}, Gpus(HIP, ("1",))),
        ({ZE: "0.0,0.1"}, Gpus(ZE, ("0.0", "0.1"))),
        ({CUDA: "0,1", ROCR: "0,1", "GPU_DEVICE_ORDINAL": "0,1"}, Gpus(CUDA, ("0", "1"))),
        ({CUDA: "", ROCR: "0,1"}, Gpus(ROCR, ("0", "1"))),
        ({"SLURM_JOB_ID": "7", "SLURM_JOB_GPUS": "2,3"}, Gpus(CUDA, ("2", "3"))),
        ({"SLURM_JOB_ID": "7", "SLURM_JOB_GPUS": "2,3", CUDA: "0,1"}, Gpus(CUDA, ("0", "1"))),
        ({"SLURM_JOB_ID": "7"}, NONE),
        ({}, FOUR),
    ],
)
def test_the_environment_says_it_and_else_the_node(environ: dict[str, str], gpus: Gpus) -> None:
    assert found(environ, None, FOUR) == gpus


@pytest.mark.parametrize("text", ["", "-1", "NoDevFiles"])
def test_a_rank_that_may_use_none_has_none_but_knows_of_them(text: str) -> None:
    assert found({CUDA: text}, None, FOUR) == Gpus(CUDA, ())


def test_ranks_that_see_the_same_ones_share_them_out() -> None:
    assert [found(hydra(rank, 2), None, FOUR).ids for rank in range(2)] == [("0", "1"), ("2", "3")]
    assert [found(hydra(rank, 6), None, FOUR).ids for rank in (0, 2, 5)] == [(), ("0",), ("3",)]
    assert found(step(1, 2, GPUS_ON_NODE="4", STEP_GPUS="0,1,2,3") | {CUDA: "0,1,2,3"}, None).ids == ("2", "3")


@pytest.mark.parametrize(
    "more",
    [{"GPUS_PER_TASK": "1"}, {"GPUS_PER_TASK": "volta:1"}, {"GPUS_ON_NODE": "4"}, {"STEP_GPUS": "0,1,2,3"}],
)
def test_ranks_to_which_slurm_has_given_their_own_keep_them(more: dict[str, str]) -> None:
    assert [found(step(rank, 4, **more) | {CUDA: "0"}, None).ids for rank in range(4)] == [("0",)] * 4


def test_ranks_to_which_a_script_has_given_one_each_keep_it() -> None:
    assert [found(hydra(rank, 4) | {CUDA: str(rank)}, None).ids for rank in range(4)] == [
        ("0",),
        ("1",),
        ("2",),
        ("3",),
    ]


@pytest.mark.parametrize(
    ("wanted", "environ", "gpus"),
    [
        ("2", {}, Gpus(CUDA, ("0", "1"))),
        ("2", {ROCR: "4,5,6"}, Gpus(ROCR, ("4", "5"))),
        ("0", {CUDA: "0,1"}, Gpus(CUDA, ())),
        ("GPU-1,GPU-2", {}, Gpus(CUDA, ("GPU-1", "GPU-2"))),
        ("5,7", {CUDA: "0"}, Gpus(CUDA, ("5", "7"))),
        ("3,", {}, Gpus(CUDA, ("3",))),
        ("0,1,2,3", hydra(1, 2), Gpus(CUDA, ("2", "3"))),
    ],
)
def test_the_users_word_comes_first(wanted: str, environ: dict[str, str], gpus: Gpus) -> None:
    assert found(environ, wanted, NONE) == gpus


@pytest.mark.parametrize("wanted", ["", ",", "1,,2", "-1", "a b", "1,1", "100000", "$(id)"])
def test_what_is_no_list_of_gpus_is_refused(wanted: str) -> None:
    with pytest.raises(ValueError, match="give N or id,id"):
        found({}, wanted)


def test_a_task_sees_those_that_it_was_given_and_no_others() -> None:
    assert environment({}, FOUR, ["1", "3"]) == {CUDA: "1,3", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    assert environment({}, FOUR, []) == {CUDA: ""}
    assert environment({}, Gpus(CUDA, ("GPU-8a3f",)), ["GPU-8a3f"]) == {CUDA: "GPU-8a3f"}
    assert environment({"CUDA_DEVICE_ORDER": "FASTEST_FIRST"}, FOUR, ["1"]) == {CUDA: "1"}
    assert environment({}, NONE, []) == {}


def test_a_task_is_told_in_all_words_in_which_its_rank_was() -> None:
    slurm = {CUDA: "0,1", ROCR: "0,1", ZE: "0,1"}
    told = environment(slurm, Gpus(CUDA, ("0", "1")), ["1"])
    assert told == {CUDA: "1", ROCR: "1", ZE: "1", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    assert environment(slurm, Gpus(CUDA, ("0", "1")), []) == {CUDA: "", ROCR: "", ZE: "999"}


def test_hip_counts_what_the_layer_below_lets_it_see() -> None:
    rank = {ROCR: "2,3", HIP: "0,1"}
    assert environment(rank, Gpus(ROCR, ("2", "3")), ["3"]) == {ROCR: "3", HIP: "0"}
    assert environment(rank, Gpus(ROCR, ("2", "3")), []) == {ROCR: "", HIP: "-1"}


def test_without_a_word_the_devices_of_the_node_are_counted(tmp_path: Path) -> None:
    (tmp_path / "dev").mkdir()
    root = f"{tmp_path}/"
    assert devices(root) == NONE
    (tmp_path / "dev" / "kfd").touch()
    for node, number in enumerate(("0", "4711", "4712")):
        path = tmp_path / "sys/class/kfd/kfd/topology/nodes" / str(node) / "gpu_id"
        path.parent.mkdir(parents=True)
        path.write_text(number + "\n")
    assert devices(root) == Gpus(ROCR, ("0", "1"))
    for name in ("nvidia0", "nvidia2", "nvidiactl", "nvidia-uvm"):
        (tmp_path / "dev" / name).touch()
    assert devices(root) == Gpus(CUDA, ("0", "1"))
    assert devices(f"{tmp_path}/nowhere/") == NONE
