"""What has started a rank, by its environment and by the processes above it."""

from __future__ import annotations

from pathlib import Path

import pytest

from dwork.host import launcher
from dwork.host.launcher import starter


def chain(proc: Path, *commands: str) -> str:
    """A tree of processes of which 100 is the lowest: each is the child of the next."""
    for i, command in enumerate(commands):
        (proc / str(100 - i)).mkdir()
        (proc / str(100 - i) / "cmdline").write_text("\0".join(command.split()) + "\0")
        (proc / str(100 - i) / "stat").write_text(f"{100 - i} (a (strange) name) S {99 - i} 1 1")
    return str(proc)


@pytest.mark.parametrize(
    ("commands", "found"),
    [
        (["prterun -n 4 python", "bash"], 100),
        (["/opt/mpich/bin/hydra_pmi_proxy --control-port x:1", "mpirun -n 4", "bash"], 100),
        (["sh -c trap", "/bin/bash wrap.sh", "prted --tree-spawn", "sshd"], 98),
        (["slurmstepd: [4711.0]", "slurmd"], None),
        (["python -m dwork.pool tasks.txt", "mpirun -n 4"], None),
        (["bash", "sshd"], None),
        ([], None),
    ],
)
def test_the_mpirun_of_a_rank_is_right_above_it_but_for_shells(
    tmp_path: Path, commands: list[str], found: int | None
) -> None:
    assert starter(100, chain(tmp_path, *commands)) == found


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["OMPI_COMM_WORLD_SIZE", "SLURM_STEP_ID"], launcher.OPEN_MPI),
        (["OMPI_COMM_WORLD_SIZE", "OMPI_MCA_orte_launch", "PMIX_RANK"], launcher.OPEN_MPI_4),
        (["MPI_LOCALNRANKS", "PMI_RANK"], launcher.MPICH),
        (["MPI_LOCALNRANKS", "I_MPI_HYDRA_UUID"], launcher.INTEL),
        (["MV2_COMM_WORLD_SIZE"], launcher.MVAPICH),
        (["PALS_LOCAL_SIZE", "PMI_RANK"], launcher.PALS),
        (["SLURM_STEP_ID", "PMI_RANK"], launcher.SRUN),
        (["SLURM_JOB_ID"], launcher.Launcher()),
    ],
)
def test_each_launcher_is_known_by_what_it_puts_into_the_environment(
    names: list[str], found: launcher.Launcher
) -> None:
    assert launcher.of(dict.fromkeys(names, "1")) == found


@pytest.mark.parametrize(
    ("names", "advice"),
    [
        (["OMPI_COMM_WORLD_SIZE"], "`mpirun --with-ft ulfm`"),
        (["OMPI_COMM_WORLD_SIZE", "OMPI_MCA_orte_launch"], "`mpirun --enable-recovery`"),
        (["MPI_LOCALNRANKS"], "`mpirun -disable-auto-cleanup` with one rank per node"),
        (["MPI_LOCALNRANKS", "I_MPI_HYDRA_UUID"], "`mpirun -disable-auto-cleanup`"),
        (["OMPI_COMM_WORLD_SIZE", "OMPI_MCA_orte_launch", "OMPI_MCA_orte_enable_recovery"], ""),
        (["SLURM_STEP_ID"], ""),
    ],
)
def test_the_version_of_a_launcher_decides_how_the_other_ranks_survive(
    monkeypatch: pytest.MonkeyPatch, names: list[str], advice: str
) -> None:
    monkeypatch.setattr("os.environ", dict.fromkeys(names, "1"))
    monkeypatch.setattr("dwork.host.launcher._ancestors", lambda _: [])
    assert launcher.advice() == advice


def test_open_mpi_forgets_the_environment_only_between_hosts() -> None:
    world = {"OMPI_COMM_WORLD_SIZE": "4"}
    assert launcher.forgets_environment({**world, "OMPI_COMM_WORLD_LOCAL_SIZE": "2"})
    assert not launcher.forgets_environment({**world, "OMPI_COMM_WORLD_LOCAL_SIZE": "4"})
    assert not launcher.forgets_environment({"PMI_SIZE": "4", "MPI_LOCALNRANKS": "2"})


def test_on_every_host_a_rank_of_mpich_knows_that_deaths_are_signalled() -> None:
    elsewhere = {"MPI_LOCALNRANKS": "1", "MPI_LOCALRANKID": "0", "PMI_RANK": "1", "PMI_FD": "9"}
    assert launcher.tells_deaths(elsewhere) and launcher.tells_deaths({**elsewhere, "HYDI_CONTROL_FD": "7"})
    assert not launcher.tells_deaths({**elsewhere, "I_MPI_HYDRA_UUID": "x"})
    assert not launcher.tells_deaths({"OMPI_COMM_WORLD_SIZE": "2"}) and not launcher.tells_deaths({})
