"""What a record keeps of an attempt whose end is unknown."""

from __future__ import annotations

import pytest

from dwork.core import events as e
from dwork.core.cause import Cause
from tests.desk import Desk, given, named, task

END = [
    (e.Cancelled(9.0, [named(0)], "on request"), ("cancelled", "cancelled", "on request")),
    (e.Requeued(9.0, "w:1", [named(0)], Cause.DIED, "it died"), ("lost", "died", "it died")),
]


@pytest.mark.parametrize(("end", "expected"), END, ids=["cancelled", "lost"])
def test_it_keeps_when_the_worker_got_the_task_and_when_it_was_given_up(
    desk: Desk, end: e.Event, expected: tuple[str, str, str]
) -> None:
    desk.resume(task("t0"))
    desk.hear(e.Stolen(8.0, "w:1", [given(0, 3)]), end)
    rows = desk.ask("SELECT attempt, worker, host, stolen, started, ended, exit_status FROM attempts")
    assert rows == [(3, "w:1", "w", 8.0, None, 9.0, None)]
    assert desk.ask("SELECT outcome, cause, reason FROM attempts") == [expected]
