"""What tests of the record share."""

from __future__ import annotations

import pytest

from tests.desk import Desk, desk, task, tmp_path

__all__ = ["desk", "tmp_path"]  # fixtures


@pytest.fixture
def three(desk: Desk) -> Desk:
    """A record with the tasks t0, t1 and t2."""
    desk.resume(task("t0"), task("t1"), task("t2", "t1"))
    return desk
