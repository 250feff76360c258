"""What tests of the record share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.record.desk import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A store with a new file, and log files."""
    desk = Desk(tmp_path / "run.db", logs=tmp_path / "run.logs")
    yield desk
    desk.close()
