"""Who can write the log files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from dwork.record.logs import Logs


@pytest.fixture
def no_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def test_whatever_the_umask_others_cannot_write_logs_or_their_directory(tmp_path: Path, no_umask: None) -> None:
    Logs(str(tmp_path / "logs"), str(tmp_path / "run.db")).append("w:1", 0, 1, 1, b"data")
    (file,) = (tmp_path / "logs").iterdir()
    assert [path.stat().st_mode & 0o777 for path in (tmp_path / "logs", file)] == [0o755, 0o644]
