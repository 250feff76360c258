"""How much memory a rank has, by all that limits it."""

from __future__ import annotations

from pathlib import Path

import pytest

from dwork.host import cgroups, memory
from dwork.host.memory import of_node

GIB = 2**30
MEMINFO = f"MemTotal:       {64 * GIB // 1024} kB\nMemFree:        1 kB\n"


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n")


def tree(tmp_path: Path, groups: str, **files: str) -> list[str]:
    """The control groups of a process whose /proc/self/cgroup is this; files: text by path, with __ for /."""
    write(tmp_path / "cgroup", groups)
    for name, text in files.items():
        write(tmp_path / "sys" / name.replace("__", "/").replace("_dot_", "."), text)
    return cgroups.directories("memory", str(tmp_path / "sys"), str(tmp_path / "cgroup"))


def test_without_limits_it_is_that_of_the_machine(tmp_path: Path) -> None:
    assert of_node({}, MEMINFO, tree(tmp_path, "0::/user.slice", user_dot_slice__memory_dot_max="max")) == 64 * GIB


def test_the_least_of_all_groups_above_counts(tmp_path: Path) -> None:
    found = tree(tmp_path, "0::/job/step/task", job__memory_dot_max=f"{8 * GIB}", job__step__memory_dot_max="max")
    assert of_node({}, MEMINFO, found) == 8 * GIB


def test_version_1_says_so_in_a_hierarchy_of_its_own(tmp_path: Path) -> None:
    found = tree(
        tmp_path,
        "9:cpu,cpuacct:/elsewhere\n8:memory:/slurm/job_7\n0::/",
        memory__slurm__job_7__memory_dot_limit_in_bytes=f"{4 * GIB}",
        memory__memory_dot_limit_in_bytes="9223372036854771712",
    )
    assert of_node({}, MEMINFO, found) == 4 * GIB


def test_in_a_container_whose_group_is_only_seen_from_outside_the_top_counts(tmp_path: Path) -> None:
    found = tree(tmp_path, "0::/kubepods/pod7/abc", memory_dot_max=f"{2 * GIB}")
    assert of_node({}, MEMINFO, found) == 2 * GIB


@pytest.mark.parametrize(
    ("environ", "gib"),
    [
        ({"SLURM_MEM_PER_NODE": "16384"}, 16),
        ({"SLURM_MEM_PER_CPU": "2048", "SLURM_CPUS_ON_NODE": "4"}, 8),
        ({"SLURM_MEM_PER_NODE": "0"}, 64),
        ({"SLURM_MEM_PER_NODE": "1048576"}, 64),
        ({"SLURM_MEM_PER_CPU": "2048"}, 64),
    ],
)
def test_slurm_says_what_it_has_given(environ: dict[str, str], gib: int) -> None:
    assert of_node(environ, MEMINFO, []) == gib * GIB


def test_what_cannot_be_known_is_nothing() -> None:
    assert of_node({}, "", []) == of_node({}, "MemTotal: much", []) == 0
    assert cgroups.directories("memory", mine="/nowhere") == []


def test_ranks_of_a_node_share_it(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = memory.share()
    assert alone > 0
    monkeypatch.setenv("MPI_LOCALNRANKS", "4")
    assert memory.share() == alone // 4
