"""The environment of tasks: nothing of the launcher's is in it."""

from __future__ import annotations

import pytest

from dwork.core.messages import Execution
from dwork.runner.environment import of_tasks
from dwork.transport.mpi import RANKS, SIZES


@pytest.mark.parametrize("name", [*SIZES, *RANKS, "SLURM_PROCID"])
def test_no_task_takes_itself_for_a_rank_of_ours(name: str) -> None:
    assert name not in of_tasks({name: "4", "SLURM_STEP_ID": "0"})


def test_in_a_batch_script_what_slurm_tells_about_the_job_stays() -> None:
    script = {
        "SLURM_JOB_ID": "4711",
        "SLURM_PROCID": "0",
        "SLURM_JOB_NODELIST": "n[1-4]",
        "SLURM_CONF": "/etc/slurm.conf",
    }
    assert of_tasks(script) == script


def test_inside_of_a_step_an_inner_launcher_is_told_where_to_start_its_ranks() -> None:
    inside = of_tasks(
        {"SLURM_JOB_ID": "4711", "SLURM_STEP_ID": "0", "SLURM_STEP_NODELIST": "n1", "HYDRA_LAUNCHER": "mine"}
    )
    assert inside == {
        "SLURM_JOB_ID": "4711",
        "HYDRA_LAUNCHER": "mine",
        "PRTE_MCA_plm": "^slurm",
        "PRTE_MCA_ras": "^slurm",
        "SLURM_OVERLAP": "1",
    }


def test_flux_commands_in_a_task_talk_to_the_same_flux() -> None:
    kept = {"FLUX_URI": "local:///run/flux", "FLUX_JOB_TMPDIR": "/tmp/flux"}
    assert of_tasks({**kept, "FLUX_TASK_LOCAL_ID": "0", "FLUX_JOB_NNODES": "4", "FLUX_KVS_NAMESPACE": "job-1"}) == kept


@pytest.mark.parametrize("number", ["PBS_JOBID", "LSB_JOBID", "JOB_ID"])
def test_in_other_systems_the_hosts_of_the_job_are_not_a_task_s_and_its_number_is(number: str) -> None:
    hosts = ("PBS_NODEFILE", "PBS_ENVIRONMENT", "LSB_MCPU_HOSTS", "LSB_HOSTS", "LSB_DJOB_HOSTFILE", "PE_HOSTFILE")
    system = {"PBS_JOBID": hosts[:2], "LSB_JOBID": hosts[2:5], "JOB_ID": hosts[5:]}[number]
    job = {number: "4711", "SGE_ROOT": "/sge", **dict.fromkeys(system, "x")}
    inside = of_tasks(job)
    assert inside[number] == "4711" and not inside.keys() & set(hosts)
    assert of_tasks(job, Execution(keep=("*",))).items() >= job.items()


def test_under_lsf_open_mpi_and_intel_mpi_do_not_look_for_the_hosts_unless_a_user_wants_it() -> None:
    names = ("OMPI_MCA_ras", "OMPI_MCA_plm", "PRTE_MCA_ras", "PRTE_MCA_plm")
    local = {"I_MPI_HYDRA_RMK": "user", **dict.fromkeys(names, "^lsf")}
    assert of_tasks({"LSB_JOBID": "7"}) == {"LSB_JOBID": "7", **local}
    assert of_tasks({"LSB_JOBID": "7", "OMPI_MCA_plm": "ssh"})["OMPI_MCA_plm"] == "ssh"
