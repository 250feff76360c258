"""Which variables of the job script a rank on another host takes from its hub."""

from __future__ import annotations

import os

import pytest

from dwork.runner.job_environment import adopt, packed, taken

MINE = {b"PATH": b"/usr/bin", b"HOSTNAME": b"node2", b"SLURM_JOB_ID": b"7", b"MINE": b"1"}


def take(**theirs: str) -> list[str]:
    return sorted(
        name.decode() for name in taken({k.encode(): v.encode() for k, v in theirs.items()}, MINE, b"/shared".__eq__)
    )


def test_the_variables_of_the_job_script_and_its_modules_win() -> None:
    theirs = dict.fromkeys(("DATA", "LANG", "LOADEDMODULES", "OMPI_MCA_btl", "OMP_NUM_THREADS", "PATH"), "1")
    assert take(**theirs) == list(theirs)


def test_what_belongs_to_a_host_a_login_or_a_rank_stays_there() -> None:
    assert take(
        HOSTNAME="node1", HOME="/root", CUDA_VISIBLE_DEVICES="0", SSH_CONNECTION="a", XDG_RUNTIME_DIR="/run", _="x",
        OMPI_COMM_WORLD_RANK="0", PMIX_RANK="0", SLURM_PROCID="0", SLURMD_NODENAME="node1", SLURM_CPUS_ON_NODE="4",
    ) == []  # fmt: skip


def test_what_the_batch_system_has_set_on_both_hosts_differs_rightly() -> None:
    assert take(SLURM_JOB_ID="8", SLURM_JOB_NAME="study", PBS_JOBID="9") == ["PBS_JOBID", "SLURM_JOB_NAME"]


def test_a_directory_for_temporary_files_must_exist_here() -> None:
    assert take(TMPDIR="/shared", TMP="/local/on/node1") == ["TMPDIR"]


def test_values_arrive_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    odd = {b"A": b"x=1\n\xff", b"EMPTY": b"", b"BASH_FUNC_f%%": b"() {  echo = \n}"}
    monkeypatch.setattr(os, "environb", {b"B": b"2"})
    adopt(packed(odd))
    assert os.environb == {**odd, b"B": b"2"}
