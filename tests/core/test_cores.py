"""How the cores of a node are shared among the ranks on it."""

from __future__ import annotations

import pytest

from dwork import cores
from dwork.cores import share, slots, slots_of


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """One of 64 cores, all of which this process may use."""
    for name in cores._LOCAL:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(64)))
    monkeypatch.setattr("os.cpu_count", lambda: 64)
    return monkeypatch


def test_a_rank_alone_on_its_node_has_all_cores(node: pytest.MonkeyPatch) -> None:
    assert share() == slots("auto") == 64


@pytest.mark.parametrize("name", cores._LOCAL)
def test_ranks_that_may_use_the_same_cores_share_them(node: pytest.MonkeyPatch, name: str) -> None:
    node.setenv(name, "8")
    assert share() == 8
    node.setenv(name, "100")
    assert share() == 1


def test_ranks_that_are_bound_to_cores_of_their_own_have_those(node: pytest.MonkeyPatch) -> None:
    node.setenv("MPI_LOCALNRANKS", "8")
    node.setattr("os.sched_getaffinity", lambda _: set(range(8)))
    assert share() == 8


def test_a_worker_rank_reads_its_slots_off_the_command_line() -> None:
    assert slots_of(["--retries", "2", "--slots", "5", "tasks.txt"]) == 5
    assert slots_of(["--slots=7", "x"]) == 7
    assert slots_of(["tasks.txt"]) == slots_of(["--slots"]) == slots_of(["--slots", "many"]) == 1


@pytest.mark.parametrize("text", ["0", "-1", "many", "", "65537", "1.5"])
def test_what_is_no_number_of_slots_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no number of slots; give 1 to 65536, or auto"):
        slots(text)
