"""What a worker has for its tasks, found or said."""

from __future__ import annotations

import pytest

from dwork.host import cores, gpus, memory, slots
from dwork.host.capacity import Equipment, found, of_rank, option
from dwork.host.gpus import Gpus


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setattr(cores, "allowed", lambda smt: (4, 5, 6, 7))
    monkeypatch.setattr(cores, "share", lambda smt: 4)
    monkeypatch.setattr(memory, "share", lambda: 2**34)
    monkeypatch.setattr(gpus, "share", lambda wanted: Gpus("CUDA_VISIBLE_DEVICES", tuple((wanted or "0").split(","))))
    return monkeypatch


def test_what_is_found_is_taken() -> None:
    assert found() == Equipment((4, 5, 6, 7), 4, 2**34, Gpus("CUDA_VISIBLE_DEVICES", ("0",)))
    assert found().has == (4, 2**34, 1)


def test_what_somebody_says_goes_before_it() -> None:
    assert found(3, 2**30, "a,b") == Equipment((5, 6, 7), 3, 2**30, Gpus("CUDA_VISIBLE_DEVICES", ("a", "b")))


def test_where_nobody_says_which_cpus_are_ours_none_is(machine: pytest.MonkeyPatch) -> None:
    machine.setattr(cores, "share", lambda smt: 2)
    assert (found().cpus, found().cores) == ((), 2)


def test_a_worker_rank_reads_its_slots_and_gpus_off_the_command_line() -> None:
    n, equipment = of_rank(["--retries", "2", "--slots", "5", "--gpus=x", "tasks.txt"])
    assert (n, equipment.gpus.ids) == (5, ("x",))
    assert of_rank(["--slots=auto", "x"])[0] == 4
    assert of_rank(["tasks.txt"])[0] == of_rank(["--slots"])[0] == 1
    assert of_rank(["--slots", "many"]) == (1, Equipment())


def test_of_an_option_that_is_said_twice_the_last_counts() -> None:
    assert option(["--slots", "1", "--slots=2"], "--slots") == "2"


def test_hardware_threads_count_when_a_rank_is_asked_to_count_them(machine: pytest.MonkeyPatch) -> None:
    machine.setattr(cores, "allowed", lambda smt: (4, 5, 6, 7) if smt else (4, 5))
    for module in (cores, slots):
        machine.setattr(module, "share", lambda smt: 4 if smt else 2)
    assert of_rank(["--slots", "auto", "x"]) == (2, found()) and found().cpus == (4, 5)
    assert of_rank(["--smt", "--slots", "auto", "x"]) == (4, found(smt=True)) and found(smt=True).cpus == (4, 5, 6, 7)
