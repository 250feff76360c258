"""What is told of failures as they come, and in sum."""

from __future__ import annotations

from typing import Any

from dwork import events as e
from dwork.events import Ended, Named
from dwork.report import NAMED, Report
from dwork.task import Assigned, Result, State


def counts(**n: int) -> dict[State, int]:
    return {state: n.get(state.value, 0) for state in State}


def ended(id: int, status: int = 0, **more: Any) -> Ended:
    return Ended(id, f"task {id}", Result(id, 1, status, **more))


STOLEN = e.Stolen(10.0, "w", [Assigned(0, 1, "task 0", "x")])


def tell(*events: e.Event, quiet: bool = False) -> list[str]:
    lines: list[str] = []
    Report(lines.append, quiet=quiet).hear(events)
    return lines


def test_nothing_to_do_is_summed_up() -> None:
    assert Report(print).summary(counts()) == ["0 done, 0 failed, 0 skipped in 0.00 s"]


def test_a_run_is_summed_up_in_one_line() -> None:
    report = Report(print)
    report.hear([e.Joined(9.0, "w", 2), STOLEN, e.Finished(12.0, "w", [ended(0, seconds=2.0), ended(1, seconds=1.0)])])
    assert report.summary(counts(done=2)) == ["2 done, 0 failed, 0 skipped in 2.00 s; 1.0 tasks/s, workers 75% busy"]


def test_what_did_not_end_is_counted() -> None:
    report = Report(print)
    (line,) = report.summary(counts(done=1000, waiting=1, ready=2, assigned=3, cancelled=4))
    assert line == "1,000 done (1,000 before), 0 failed, 0 skipped, 10 not finished in 0.00 s"


def test_a_worker_that_came_late_and_left_early_counts_for_its_time() -> None:
    report = Report(print)
    report.hear([e.Joined(0.0, "a", 1), STOLEN, e.Joined(10.0, "b", 0), e.Left(15.0, "b", "gone")])
    report.hear([e.Finished(20.0, "a", [ended(0, seconds=7.5)])])
    assert report.summary(counts(done=1))[0].endswith("in 10.00 s; 0.1 tasks/s, workers 50% busy")


def test_long_runs_are_told_in_hours() -> None:
    report = Report(print)
    report.hear([STOLEN, e.Finished(10.0 + 3661.4, "w", [ended(0)])])
    assert "in 1:01:01;" in report.summary(counts(done=1))[0]


def test_failures_are_named_up_to_a_limit_and_counted_beyond() -> None:
    report = Report(lambda text: None)
    report.hear([e.Failed(11.0, "w", ended(i, 2, stdout=b"x" * 100)) for i in range(NAMED + 1000)])
    lines = report.summary(counts(failed=NAMED + 1000))
    assert lines[0] == "failed: #0 task 0: exit status 2"
    assert lines[NAMED] == "failed: and 1,000 more"
    assert len(lines) == NAMED + 2
    assert len(report._failed) == NAMED  # the rest would fill the memory with what they have printed


def test_each_thing_that_goes_wrong_is_told_as_it_comes() -> None:
    killed = ended(0, 137, signal=9)
    assert tell(
        STOLEN,
        e.Retried(11.0, "w", killed, 2),
        e.Retried(11.0, "w", killed, 1),
        e.Failed(11.0, "w", ended(1, 127, error="cannot start x: not found")),
        e.Skipped(11.0, [Named(2, "2")], "task 1"),
        e.Skipped(11.0, [Named(3, "3")] * 1200, "task\n1"),
        e.Joined(11.0, "w", 1),
        e.Left(11.0, "w", "it said goodbye"),
        e.Stopping(11.0, "interrupted", False),
        e.Stopping(11.0, "3 failed", True),
    ) == [
        "#0 task 0 failed: signal 9; it is tried up to 2 times more",
        "#0 task 0 failed: signal 9; it is tried once more",
        "#1 task 1 failed: cannot start x: not found",
        "1 task skipped, since task 1 did not end well",
        "1,200 tasks skipped, since task\\n1 did not end well",
        "worker w has left: it said goodbye",
        "interrupted: no more tasks are started",
        "3 failed: no more tasks are started, and running ones are ended",
    ]


def test_quiet_tells_nothing() -> None:
    assert tell(e.Failed(11.0, "w", ended(1, 1)), e.Stopping(11.0, "x", False), quiet=True) == []
