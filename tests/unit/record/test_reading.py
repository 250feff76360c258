"""Tasks of a record by their names, of which it has no index."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dwork.record.reading import LOOKUPS, Archive
from tests.desk import Desk, task

MANY = 3000


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    """MANY tasks; one that is called like a number of another, and one that has gone from its file and come back."""
    desk = Desk(tmp_path / "tasks.txt.db")
    desk.resume(*(task(f"t{i}") for i in range(MANY)))
    desk.resume(*(task(f"t{i}") for i in range(MANY)), task("#3"), now=2000.0)
    desk.store.connection.execute("UPDATE tasks SET name = 't1', removed = 1.0 WHERE id = 0")
    desk.store.close(3000.0, "done")
    with Archive(desk.path) as opened:
        yield opened


def test_a_task_is_found_in_the_same_way_however_many_were_sought_before(archive: Archive) -> None:
    keys = ("t1", "t7", "#7", "#3", "#0", f"#{MANY}", "nothing", "#99999", "#", "#x")
    ids = [row and row["id"] for row in map(archive.task, keys)]
    assert ids == [1, 7, 7, MANY, 0, MANY, None, None, None, None]
    for _ in range(LOOKUPS):
        archive.task("t9")
    assert [row and row["id"] for row in map(archive.task, keys)] == ids


def test_the_names_are_not_looked_through_for_each_of_many_tasks(archive: Archive) -> None:
    steps = 0

    def stepped() -> int:
        nonlocal steps
        steps += 1
        return 0

    archive.connection.set_progress_handler(stepped, 100)
    archive.task("t1")
    once, steps = steps, 0
    for i in range(10 * LOOKUPS):
        archive.task(f"t{i + 5}")
    assert steps < 3 * LOOKUPS * once
