"""What a process finds at its own place."""

from __future__ import annotations

import os
import resource
import socket
import time
from pathlib import Path

import pytest

from dwork.doctor import gather
from dwork.doctor.facts import Facts


def test_a_process_finds_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = gather.facts(7)
    assert (found.rank, found.host, found.directory) == (7, socket.gethostname(), str(tmp_path))
    assert set(found.bound) == os.sched_getaffinity(0)
    assert found.files == resource.getrlimit(resource.RLIMIT_NOFILE)
    assert found.mount.kind and found.memory > 0 and found.cpus >= found.cores >= 1
    assert Facts.from_json(found.to_json()) == found


def test_a_record_is_tried_and_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with gather.record() as (record, file):
        assert (record.trouble, record.locks) == ("", True)
        assert record.free > 0
        assert [path.name for path in tmp_path.iterdir()] == [file]
    assert list(tmp_path.iterdir()) == []


def test_what_goes_wrong_meanwhile_leaves_nothing_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OSError, match="on the way"), gather.record():
        raise OSError("on the way")
    assert list(tmp_path.iterdir()) == []


def test_a_job_has_the_end_that_its_batch_system_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    squeue = tmp_path / "squeue"
    squeue.write_text("#!/bin/sh\nexec date -d '2 hours' +'4711 4711 %s'\n")
    squeue.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    with gather.record() as (record, _):
        job = gather.job(record)
    assert job.number == "4711"
    assert job.left == pytest.approx(7200, abs=60)


def test_a_job_says_why_no_run_can_publish_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "home" / ".dwork"
    monkeypatch.setenv("DWORK_DIR", str(place))
    with gather.record() as (record, _):
        assert gather.job(record).unpublished == ""
        assert not place.exists()
        place.write_text("a file is in its place")
        assert gather.job(record).unpublished.endswith(
            "cannot be created: File exists; set $DWORK_DIR to another directory"
        )


def test_a_job_of_grid_engine_has_a_number_and_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By stand-ins for qstat and qconf that answer as these do."""
    began = int(time.time()) - 60
    xml = (
        "<JB_hard_resource_list><CE_name>h_rt</CE_name><CE_doubleval>7260.000000</CE_doubleval></JB_hard_resource_list>"
        f"<ulong_sublist><JAT_task_number>1</JAT_task_number><JAT_start_time>{began}</JAT_start_time></ulong_sublist>"
    )
    for name, answer in (("qstat", xml), ("qconf", "s_rt INFINITY\nh_rt 24:00:00\n")):
        (tmp_path / name).write_text(f"#!/bin/sh\ncat <<'END'\n{answer}\nEND\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    for name, value in {"SGE_ROOT": "/sge", "JOB_ID": "4711", "SGE_TASK_ID": "undefined", "QUEUE": "all.q"}.items():
        monkeypatch.setenv(name, value)
    with gather.record() as (record, _):
        job = gather.job(record)
    assert job.number == "4711"
    assert job.left == pytest.approx(7200, abs=60)
