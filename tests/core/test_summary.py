"""What is told of failures as they come, and in sum."""

from __future__ import annotations

from typing import Any

from dwork.core import events as e
from dwork.core.events import Ended, Named
from dwork.core.task import Assigned, Options, Result, State
from dwork.output.summary import NAMED, Report


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


def test_a_task_of_several_cores_keeps_as_many_busy() -> None:
    report = Report(print)
    wide = Assigned(0, 1, "task 0", "x", Options(cores=3))
    report.hear([e.Joined(10.0, "w", 4), e.Stolen(10.0, "w", [wide, Assigned(1, 1, "task 1", "x")])])
    report.hear([e.Finished(12.0, "w", [ended(0, seconds=2.0), ended(1, seconds=1.0)])])
    assert report.summary(counts(done=2))[0].endswith("workers 88% busy")


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


def test_what_was_done_before_counts_and_is_no_work_of_this_run() -> None:
    report = Report(print)
    report.hear([e.Resumed(9.0, [2, 3, 4]), e.Joined(9.0, "w", 1), STOLEN, e.Finished(12.0, "w", [ended(2)])])
    report.hear([e.Failed(14.0, "w", ended(3, 1))])
    (_, line) = report.summary(counts(done=6, failed=1))
    assert line == "6 done (5 before), 1 failed, 0 skipped in 4.00 s; 0.5 tasks/s, workers 0% busy"


def test_a_killed_task_was_work_and_is_not_finished() -> None:
    report = Report(print)
    killed = e.Killed(20.0, "w", ended(0, 143, seconds=5.0), "on request")
    report.hear([e.Joined(10.0, "w", 1), STOLEN, killed])
    (line,) = report.summary(counts(cancelled=1))
    assert line == "0 done, 0 failed, 0 skipped, 1 not finished in 10.00 s; 0.0 tasks/s, workers 50% busy"


def test_a_failure_that_is_tried_again_is_named_no_more() -> None:
    report = Report(lambda text: None)
    report.hear([e.Failed(11.0, "w", ended(i, 1)) for i in range(NAMED + 2)])
    report.hear([e.Revived(12.0, [Named(0, "0"), Named(NAMED + 1, "x")]), e.Finished(13.0, "w", [ended(0)])])
    lines = report.summary(counts(done=1, failed=NAMED))
    assert lines[0] == "failed: #1 task 1: exit status 1"
    assert lines[NAMED - 1] == "failed: and 1 more"
    assert len(lines) == NAMED + 1
    report.hear([e.Failed(14.0, "w", ended(NAMED + 1, 2))])
    lines = report.summary(counts(done=1, failed=NAMED + 1))
    assert lines[NAMED - 1] == f"failed: #{NAMED + 1} task {NAMED + 1}: exit status 2"


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


def test_quiet_tells_nothing() -> None:
    assert tell(e.Failed(11.0, "w", ended(1, 1)), e.Stopping(11.0, "x", False), quiet=True) == []
