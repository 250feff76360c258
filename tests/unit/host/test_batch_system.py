"""What each batch system puts into the environment of a job, and what it prints about the job's limit."""

from __future__ import annotations

from pathlib import Path

import pytest

from dwork.host import batch_job
from dwork.host.batch_system import SYSTEMS, of

ENVIRONS = {
    "Slurm": {"SLURM_JOB_ID": "4711", "SLURM_ARRAY_JOB_ID": "4700", "SLURM_ARRAY_TASK_ID": "3"},
    "PBS": {"PBS_JOBID": "4711[3].cluster"},
    "LSF": {"LSB_JOBID": "4711", "LSB_JOBINDEX": "3"},
    "Flux": {"FLUX_JOB_ID": "f3X"},
    "Cobalt": {"COBALT_JOBID": "4711"},
    "OAR": {"OAR_JOB_ID": "4711"},
    "Technical Computing Suite": {"PJM_JOBID": "4711"},
    "Grid Engine": {"JOB_ID": "4711", "SGE_ROOT": "/opt/sge", "SGE_TASK_ID": "3"},
}
STARTED = 1_796_080_535
#: An array of two elements that asks for ten minutes, as `qstat -xml -j` of Son of Grid Engine 8.1.9 prints it.
QSTAT_XML = f"""\
<?xml version='1.0'?>
  <JB_hard_resource_list>
    <qstat_l_requests>
      <CE_name>h_vmem</CE_name>
      <CE_doubleval>77.000000</CE_doubleval>
    </qstat_l_requests>
    <qstat_l_requests>
      <CE_name>h_rt</CE_name>
      <CE_valtype>3</CE_valtype>
      <CE_stringval>600</CE_stringval>
      <CE_doubleval>600.000000</CE_doubleval>
    </qstat_l_requests>
  </JB_hard_resource_list>
  <JB_soft_resource_list>
    <qstat_l_requests>
      <CE_name>s_rt</CE_name>
      <CE_doubleval>5.000000</CE_doubleval>
    </qstat_l_requests>
  </JB_soft_resource_list>
  <JB_ja_tasks>
    <ulong_sublist>
      <JAT_task_number>1</JAT_task_number>
      <JAT_start_time>{STARTED}</JAT_start_time>
    </ulong_sublist>
    <ulong_sublist>
      <JAT_task_number>2</JAT_task_number>
      <JAT_start_time>{STARTED + 50}</JAT_start_time>
    </ulong_sublist>
  </JB_ja_tasks>
"""
QUEUE = "qname  all.q\ns_rt  {}\nh_rt  {}\ns_cpu  00:00:01\n"


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The environment of this process, on node2 and in no job."""
    for system in SYSTEMS:
        monkeypatch.delenv(system.job, raising=False)
    monkeypatch.setattr("socket.gethostname", lambda: "node2.cluster")
    return monkeypatch


@pytest.mark.parametrize("name", ENVIRONS)
def test_each_batch_system_is_known_by_its_variables(name: str) -> None:
    assert of(ENVIRONS[name]).name == name


def test_a_variable_with_a_common_name_is_no_job_by_itself() -> None:
    assert of({"JOB_ID": "4711"}).name == of({"SGE_ROOT": "/opt/sge"}).name == of({}).name == ""


@pytest.mark.parametrize(
    ("name", "job", "element"),
    [
        ("Slurm", "4711", "4700_3"),
        ("PBS", "4711[3].cluster", ""),
        ("LSF", "4711", "4711[3]"),
        ("Flux", "f3X", ""),
        ("Grid Engine", "4711", "4711.3"),
    ],
)
def test_a_job_and_its_element_are_those_of_its_batch_system(
    environ: pytest.MonkeyPatch, name: str, job: str, element: str
) -> None:
    for variable, value in ENVIRONS[name].items():
        environ.setenv(variable, value)
    assert (batch_job.job(), batch_job.element()) == (job, element)


@pytest.mark.parametrize(
    "more", [{"SGE_TASK_ID": "undefined"}, {"SGE_TASK_ID": ""}, {"LSB_JOBID": "4711", "LSB_JOBINDEX": "0"}]
)
def test_outside_an_array_there_is_no_element(more: dict[str, str]) -> None:
    environ = {**ENVIRONS["Grid Engine"], **more}
    assert of(environ).element(environ) == ""


@pytest.mark.usefixtures("environ")
def test_outside_a_job_nothing_is_known() -> None:
    assert (batch_job.job(), batch_job.element()) == ("", "")
    assert (of({}).cpus({}), of({}).limit({}), of({}).is_restarted({})) == (0, [], False)


@pytest.mark.parametrize(
    ("text", "meant"),
    [("4711", (True, True)), ("4711.3", (True, False)), ("4711.4", (False, False)), ("4711.cluster", (True, True))],
)
def test_an_element_of_a_grid_engine_array_is_named_as_qstat_does(text: str, meant: tuple[bool, bool]) -> None:
    assert batch_job.are_meant(text, "4711", "4711.3") == meant


# -- granted CPUs --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("job", "cpus"),
    [
        ({"SLURM_JOB_ID": "1", "SLURM_CPUS_ON_NODE": "6"}, 6),
        ({"PBS_JOBID": "1", "NCPUS": "6"}, 6),
        ({"PBS_JOBID": "1", "PBS_NUM_PPN": "6"}, 6),
        ({"PBS_JOBID": "1", "NCPUS": "1", "PBS_NODEFILE": "node1 node2 node2.cluster node20"}, 2),
        ({"PBS_JOBID": "1", "NCPUS": "6", "PBS_NODEFILE": "node1 node2"}, 6),
        ({"PBS_JOBID": "1"}, 0),
        ({"LSB_JOBID": "1", "LSB_MCPU_HOSTS": "node1 4 node2 6 node3 8"}, 6),
        ({"LSB_JOBID": "1", "LSB_DJOB_NUMPROC": "6"}, 6),
        ({"LSB_JOBID": "1", "LSB_DJOB_NUMPROC": "12", "LSB_MCPU_HOSTS": "another 6 name 6"}, 6),
        ({"NSLOTS": "6"}, 6),
        ({"NSLOTS": "12", "NHOSTS": "2", "PE_HOSTFILE": "/only/on/the/first/host"}, 6),
        ({"NSLOTS": "1", "NHOSTS": "2", "PE_HOSTFILE": "/only/on/the/first/host"}, 1),
        ({"FLUX_JOB_ID": "1"}, 0),
    ],
)
@pytest.mark.usefixtures("environ")
def test_what_was_granted_on_this_host_is_counted(tmp_path: Path, job: dict[str, str], cpus: int) -> None:
    job = {"JOB_ID": "1", "SGE_ROOT": "/opt/sge", **job}
    if "PBS_NODEFILE" in job:
        (tmp_path / "nodes").write_text(job["PBS_NODEFILE"].replace(" ", "\n") + "\n")
        job["PBS_NODEFILE"] = str(tmp_path / "nodes")
    assert of(job).cpus(job) == cpus


@pytest.mark.usefixtures("environ")
def test_in_the_host_file_of_grid_engine_a_host_may_have_several_queues(tmp_path: Path) -> None:
    (tmp_path / "hosts").write_text(
        "node1 8 all.q@node1 UNDEFINED\nnode2.cluster 2 all.q@node2 UNDEFINED\nnode2.cluster 1 long.q@node2 UNDEFINED\n"
    )
    job = {**ENVIRONS["Grid Engine"], "NSLOTS": "11", "NHOSTS": "2", "PE_HOSTFILE": str(tmp_path / "hosts")}
    assert of(job).cpus(job) == 3


# -- limit and restarts --------------------------------------------------------------------------------------------


def end(answer: str) -> float | None:
    job = ENVIRONS["Grid Engine"]
    return of(job).end(answer, job, STARTED)


@pytest.mark.parametrize(
    ("queue", "limit"),
    [
        (("INFINITY", "INFINITY"), 600),
        (("00:05:00", "00:06:00"), 300),
        (("INFINITY", "00:06:40,[node1=01:00:00]"), 400),
        (("01:00:00", "02:00:00"), 600),
    ],
)
def test_a_job_of_grid_engine_ends_at_the_first_limit_of_its_own_or_its_queue(
    queue: tuple[str, str], limit: int
) -> None:
    assert end(f"task 2\n{QSTAT_XML}{QUEUE.format(*queue)}") == STARTED + 50 + limit


def test_a_job_of_grid_engine_without_any_limit_or_answer_has_no_known_end() -> None:
    unlimited = QSTAT_XML.replace("h_rt", "h_cpu") + QUEUE.format("INFINITY", "INFINITY")
    assert end(f"task 1\n{unlimited}") is None
    assert end("task 3\n" + QSTAT_XML) is None
    assert end("task 1\n") is end("") is None


def test_grid_engine_is_asked_about_this_element_and_its_queue() -> None:
    job = {**ENVIRONS["Grid Engine"], "QUEUE": "all.q"}
    assert of(job).limit(job)[-3:] == ["4711", "3", "all.q"]
    job["SGE_TASK_ID"] = "undefined"
    assert of(job).limit(job)[-3:] == ["4711", "1", "all.q"]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, False),
        ({"RESTARTED": "0"}, False),
        ({"RESTARTED": "1"}, True),
        ({"SLURM_JOB_ID": "1", "SLURM_RESTART_COUNT": "0"}, False),
        ({"SLURM_JOB_ID": "1", "SLURM_RESTART_COUNT": "2"}, True),
        ({"SLURM_JOB_ID": "1", "RESTARTED": "1"}, False),
        ({"LSB_JOBID": "1", "LSB_RESTART": "Y"}, True),
    ],
)
def test_batch_systems_report_that_a_job_was_restarted(more: dict[str, str], expected: bool) -> None:
    environ = {**ENVIRONS["Grid Engine"], **more}
    assert batch_job.is_restarted(environ) is expected
    assert not batch_job.is_restarted({"RESTARTED": "1"})
