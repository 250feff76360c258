"""What a process finds at its own place."""

from __future__ import annotations

import os
import resource
import socket
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
    squeue.write_text("#!/bin/sh\nexec date -d '2 hours' +%Y-%m-%dT%H:%M:%S\n")
    squeue.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    with gather.record() as (record, _):
        job = gather.job(record)
    assert job.number == "4711"
    assert job.left == pytest.approx(7200, abs=60)
