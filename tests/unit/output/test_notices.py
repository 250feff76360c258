"""What is told of failures as they come."""

from __future__ import annotations

from typing import Any

from dwork.core import events as e
from dwork.core.events import Ended, Named
from dwork.core.task import Assigned, Result
from dwork.output.notices import SINGLE, Notices


def ended(id: int, status: int = 0, **more: Any) -> Ended:
    return Ended(id, f"task {id}", Result(id, 1, status, **more))


def tell(*events: e.Event) -> list[str]:
    lines: list[str] = []
    Notices(lines.append).hear(events)
    return lines


def test_each_thing_that_goes_wrong_is_told_as_it_comes() -> None:
    killed = ended(0, 137, signal=9)
    assert tell(
        e.Stolen(10.0, "w", [Assigned(0, 1, "task 0", "x")]),
        e.Retried(11.0, "w", killed, 2),
        e.Retried(11.0, "w", killed, 1),
        e.Retried(11.0, "w", killed, 1, 60.0),
        e.Retried(11.0, "w", killed, 3, 0.5),
        e.Killed(11.0, "w", killed, "on request"),
        e.Revived(11.0, [Named(0, "0")]),
        e.Resumed(11.0, [0]),
        e.Failed(11.0, "w", ended(1, 127, error="cannot start x: not found")),
        e.Skipped(11.0, [Named(2, "2")], Named(1, "task 1")),
        e.Skipped(11.0, [Named(3, "3")] * 1200, Named(1, "task\n1")),
        e.Joined(11.0, "w", 1),
        e.Left(11.0, "w", "it said goodbye"),
        e.Stopping(11.0, "interrupted", False),
        e.Stopping(11.0, "3 failed", True),
    ) == [
        "#0 task 0 failed: SIGKILL; retrying (2 attempts left)",
        "#0 task 0 failed: SIGKILL; retrying (1 attempt left)",
        "#0 task 0 failed: SIGKILL; retrying in 60 s (1 attempt left)",
        "#0 task 0 failed: SIGKILL; retrying in 0.5 s (3 attempts left)",
        "#1 task 1 failed: cannot start x: not found",
        "1 task skipped, because task 1 did not succeed",
        "1,200 tasks skipped, because task\\n1 did not succeed",
        "worker w has left: it said goodbye",
        "interrupted: no more tasks are started",
        "3 failed: no more tasks are started, and running ones are ended",
    ]


def test_of_thousands_of_failures_only_some_are_named_as_they_come() -> None:
    lines: list[str] = []
    notices = Notices(lines.append, are_listed=True)
    for i in range(1000):
        notices.hear([e.Failed(11.0, "w", ended(i, 1)), e.Skipped(11.0, [Named(i, "x")], Named(i, "y"))])
    assert len(lines) == 2 * (SINGLE + 1)
    assert lines[-2:] == [
        "more tasks fail; they are counted from here on, not named",
        "more tasks are skipped; they are counted from here on, not named",
    ]
    notices.hear([e.Left(11.0, "w", "it said goodbye")])
    assert lines[-1] == "worker w has left: it said goodbye"


def test_where_nothing_else_names_the_failures_all_are_named() -> None:
    assert len(tell(*(e.Failed(11.0, "w", ended(i, 1)) for i in range(1000)))) == 1000
