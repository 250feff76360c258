"""What is said of invented machines, large and small, and what should be changed there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dwork.doctor.facts import Facts, Job, Record
from dwork.doctor.judge import Diagnosis, examine
from dwork.host.mounts import Mount

GIB = 2**30
NODE = Facts(
    version="1.0",
    cpus=16,
    memory=64 * GIB,
    files=(65536, 65536),
    processes=(-1, -1),
    shm=32 * GIB,
    directory="/scratch/me",
    mount=Mount("lustre", "mds:/scratch"),
)
OPEN_MPI = Job(
    library="Open MPI v5.0.11",
    launcher="Open MPI's mpirun",
    unbound="mpirun --bind-to none",
    dies=True,
    survives_with="`mpirun --with-ft ulfm`",
    number="4711",
    left=7200.0,
    record=Record(locks=True, free=GIB),
)
MPICH = OPEN_MPI._replace(library="MPICH 5.0.2", launcher="MPICH's mpirun", unbound="mpirun -bind-to none")
SRUN = MPICH._replace(launcher="srun", unbound="srun --cpu-bind=none", dies=None)


def cluster(hosts: int, each: int, bound: Callable[[int], tuple[int, ...]] | None = None, **more: Any) -> list[Facts]:
    """So many ranks on each host, which share its cores; bound: the CPUs of the n-th rank of a host."""
    ranks = []
    for rank in range(hosts * each):
        i = rank % each
        n = NODE.cpus // each or 1
        part = tuple(range(i * n % NODE.cpus, i * n % NODE.cpus + n))
        own = NODE._replace(
            rank=rank, host=f"node{rank // each:02}", neighbours=each, allowed=part, cores=n, bound=part
        )
        own = own._replace(**{"memory": NODE.memory // each, **more})
        ranks.append(own if bound is None else own._replace(bound=bound(i)))
    return ranks


def judged(ranks: list[Facts], job: Job, **more: Any) -> Diagnosis:
    return examine(ranks, job._replace(ranks=len(ranks), **more))


def line(report: Diagnosis, about: str) -> str:
    return dict(report.lines)[about]


def test_a_thousand_ranks_that_are_well_are_ten_lines() -> None:
    skew = {f"node{i:02}": 0.0003 * i for i in range(1, 63)}
    report = judged(cluster(63, 16)[:1000], OPEN_MPI, skew=skew)
    assert report.text() == [
        "MPI        Open MPI v5.0.11, started by Open MPI's mpirun; compatible",
        "ranks      1,000 ranks on 63 hosts, 8 to 16 on each",
        "cores      1 for the tasks of each rank, 1,000 in all",
        "memory     4.0 GiB for the tasks of each rank",
        "GPUs       none",
        "limits     65,536 open files, unlimited processes, 32 GiB in /dev/shm",
        "time       job 4711 ends in 2:00:00",
        "directory  /scratch/me on lustre, 1.0 GiB free, supports file locks",
        "clocks     62 hosts within 18.6 ms of node00's",
        "dead rank  ends all the others, unless you start with `mpirun --with-ft ulfm`; run again to continue",
        "Nothing needs to be changed.",
    ]


@pytest.mark.parametrize(
    ("ranks", "job", "more", "advice"),
    [
        (
            cluster(63, 16, lambda i: (0,), allowed=(0,)),
            SRUN,
            {},
            "all 1,008 ranks share cores with other ranks of their host, which has enough for all: "
            "start them with `srun --cpu-bind=none`",
        ),
        (
            [*cluster(3, 2)[:4], *(f._replace(allowed=(0, 1)) for f in cluster(3, 2)[4:])],
            SRUN,
            {},
            "2 ranks (node02) share cores with other ranks of their host, which has enough for all: "
            "start them with `srun --cpu-bind=none`",
        ),
        (
            cluster(4, 1, allowed=(0,), cores=1),
            MPICH,
            {},
            "on node00, node01 and 2 other hosts only 1 of 16 cores are used: "
            "start the ranks with `mpirun -bind-to none`",
        ),
        (
            [f._replace(allowed=(f.rank % 2,), cores=1) for f in cluster(4, 2)],
            SRUN,
            {},
            "on node00, node01 and 2 other hosts only 2 of 16 cores are used: "
            "start the ranks with `srun --cpus-per-task=8`",
        ),
        (
            cluster(2, 32),
            OPEN_MPI,
            {},
            "node00 and node01 have more ranks than cores (32 on 16): "
            "start 33 ranks, or one per host with --slots auto",
        ),
        (
            cluster(2, 16),
            OPEN_MPI,
            {"silent": (7,)},
            "rank 7 did not answer: run this again without the hosts of ranks that stay silent",
        ),
        (
            cluster(2, 16),
            OPEN_MPI,
            {"silent": tuple(range(30))},
            "rank 0, rank 1 and 28 other ranks did not answer: "
            "run this again without the hosts of ranks that stay silent",
        ),
        (
            [*cluster(2, 1)[:1], cluster(2, 1)[1]._replace(version="0.9")],
            OPEN_MPI,
            {},
            "rank 1 on node01 has a different dwork (0.9) from rank 0 (1.0): install the same version everywhere",
        ),
        (
            cluster(63, 16, files=(1024, 65536)),
            OPEN_MPI,
            {},
            "rank 0 on node00 is limited to 1,024 open files but needs 1,091: "
            "put `ulimit -n 2048` into the job script, before the ranks start",
        ),
        (
            cluster(2, 16, files=(64, 64)),
            OPEN_MPI,
            {},
            "all 32 ranks are limited to 64 open files but need 115: "
            "ask your site to raise the hard limit of 64, or start fewer ranks per host",
        ),
        (
            cluster(2, 16, processes=(128, -1)),
            OPEN_MPI,
            {},
            "all 32 ranks are limited to 128 processes but need 256: "
            "put `ulimit -u 256` into the job script, before the ranks start",
        ),
        (
            cluster(2, 16, address_space=(GIB, -1)),
            OPEN_MPI,
            {},
            "all 32 ranks are limited to 1.0 GiB for each process (`ulimit -v`), less than the 4.0 GiB for tasks: "
            "put `ulimit -v unlimited` into the job script, before the ranks start",
        ),
        (
            cluster(2, 1, address_space=(GIB, GIB)),
            OPEN_MPI,
            {},
            "all 2 ranks are limited to 1.0 GiB for each process (`ulimit -v`), less than the 64 GiB for tasks: "
            "request that much memory for each process from the batch system, or ask your site to raise the limit",
        ),
        (
            cluster(2, 16),
            OPEN_MPI,
            {"unpublished": "/home/me/.dwork cannot be created: Read-only file system; set $DWORK_DIR to another one"},
            "dquery and workers cannot find a run: /home/me/.dwork cannot be created: Read-only file system; "
            "set $DWORK_DIR to another one",
        ),
        (
            cluster(1, 16, shm=64 * 2**20),
            MPICH,
            {},
            "/dev/shm of node00 (64 MiB) is too small for 16 ranks of MPICH: "
            "start 12 there, with --slots, or use a container with --shm-size=1g",
        ),
        (
            cluster(2, 16),
            OPEN_MPI,
            {"left": 90.0},
            "job 4711 ends in 1:30, and no task is started in its last minute: request more time",
        ),
        (
            cluster(2, 16),
            OPEN_MPI,
            {"record": Record("Read-only file system")},
            "/scratch/me cannot hold a record (Read-only file system): use -f FILE, or start in another directory",
        ),
        (
            cluster(2, 16),
            OPEN_MPI,
            {"record": Record(locks=True, free=2**20)},
            "/scratch/me has only 1.0 MiB free: start in another directory, or use -f and --logs",
        ),
        (
            cluster(2, 16, mount=Mount("tmpfs", "tmpfs")),
            OPEN_MPI,
            {},
            "/scratch/me is in the memory of node00 and lost after the job: start in another directory",
        ),
        (
            cluster(3, 16),
            OPEN_MPI,
            {"apart": ("node01", "node02")},
            "node01 and node02 cannot see the /scratch/me of node00: "
            "start in a directory that all hosts share, such as your home or scratch directory",
        ),
        (
            cluster(3, 16),
            OPEN_MPI,
            {"skew": {"node01": -3.5, "node02": 0.001}},
            "the clock of node01 is wrong, 3.50 s behind node00's: "
            "ask your site to start chronyd there; until then, times in the record are off",
        ),
        (cluster(1, 1), Job(record=OPEN_MPI.record, trouble="each is alone"), {}, "each is alone"),
    ],
)
def test_what_is_wrong_is_said_once_with_what_to_type(
    ranks: list[Facts], job: Job, more: dict[str, Any], advice: str
) -> None:
    report = examine(ranks, job._replace(**more)) if job.trouble else judged(ranks, job, **more)
    assert report.advice == (advice,)
    assert len(report.lines) <= 10
    assert report.text()[-2:] == ["What to change:", f"  1. {advice}"]


@pytest.mark.parametrize(
    ("ranks", "job"),
    [
        (cluster(1, 16), OPEN_MPI),
        (cluster(1, 17, bound=lambda i: (i % 16,), cpus=16), OPEN_MPI),  # the hub beside a worker for each core
        (cluster(4, 16, lambda i: (i,)), OPEN_MPI),
        (cluster(4, 2, lambda i: tuple(range(8 * i, 8 * i + 8))), SRUN),
        (cluster(4, 2, cpus=32), SRUN),  # one thread of each core
        (cluster(1, 16, shm=64 * 2**20), OPEN_MPI),  # whose ranks need little there
        (cluster(1, 1, lambda i: (3,), allowed=(3,), cores=1), OPEN_MPI._replace(launcher="")),  # bound by the user
    ],
)
def test_what_is_right_needs_no_advice(ranks: list[Facts], job: Job) -> None:
    assert judged(ranks, job).advice == ()


def test_ranks_that_differ_are_told_apart() -> None:
    ranks = cluster(3, 1)
    ranks[1] = ranks[1]._replace(memory=8 * GIB, variable="CUDA_VISIBLE_DEVICES", gpus=("0", "1"))
    ranks[2] = ranks[2]._replace(devices=4)
    report = judged(ranks, OPEN_MPI)
    assert line(report, "memory") == "64 GiB for the tasks of each rank, but 8.0 GiB for rank 1 on node01"
    assert line(report, "GPUs") == (
        "none for the tasks of each rank, but 2 by number (CUDA_VISIBLE_DEVICES) for rank 1 on node01 "
        "and none of the 4 on the node for rank 2 on node02"
    )


def test_ranks_that_mpirun_has_bound_where_their_tasks_are_not_are_told_and_well() -> None:
    report = judged(cluster(63, 1, lambda i: (0,)), OPEN_MPI)
    assert line(report, "cores") == (
        "16 for the tasks of each rank, 1,008 in all; all 63 ranks are bound to fewer (1), but the tasks are not"
    )
    assert report.advice == ()


def test_gpus_are_told_by_name_where_they_have_one() -> None:
    report = judged(cluster(1, 1, variable="CUDA_VISIBLE_DEVICES", gpus=("GPU-8a3f",)), OPEN_MPI)
    assert line(report, "GPUs") == "1 by name (CUDA_VISIBLE_DEVICES)"


def test_what_is_not_known_is_said_so() -> None:
    report = judged(cluster(2, 1, memory=0, mount=Mount()), SRUN, left=float("inf"), record=Record(locks=False))
    assert line(report, "memory") == "unknown for the tasks of each rank"
    assert line(report, "time") == "job 4711, whose end is not known; --walltime sets an end"
    assert "an unknown file system" in line(report, "directory")
    assert "no file locks: a lock file guards the record" in line(report, "directory")
    assert line(report, "dead rank").startswith("it is not known here whether it ends the others")


def test_under_mpich_a_dead_rank_takes_its_neighbours_along() -> None:
    assert line(judged(cluster(2, 1), MPICH, dies=False), "dead rank") == "the others continue"
    taken = line(judged(cluster(2, 2), MPICH, dies=False), "dead rank")
    assert taken == "the others continue, except those on its host"
    assert line(judged(cluster(2, 2), OPEN_MPI, dies=False), "dead rank") == "the others continue"


def test_names_that_others_have_chosen_move_no_cursor() -> None:
    report = judged(cluster(1, 1, directory="/tmp/\x1b[2J"), OPEN_MPI, record=Record("\x1b[2J"))
    assert report.text() and all(one.isprintable() for one in report.text())
