"""What tests of the hub share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.stage import Stage, finish


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    yield stage
    finish(stage)
