"""Failures in the summary: in groups of what failed in the same way."""

from __future__ import annotations

from typing import Any

from dwork.core import events as e
from dwork.core.cause import Cause
from dwork.core.events import Ended, Named
from dwork.core.task import Result
from dwork.output.failures import KEPT, SHOWN, Failures


def failed(id: int, stderr: str = "", status: int = 1, name: str = "", **more: Any) -> e.Failed:
    name = name or f"task-{id}"
    return e.Failed(11.0, "w", Ended(id, name, Result(id, 1, status, stderr=stderr.encode(), **more)))


def summary(*events: e.Event, n: int | None = None) -> list[str]:
    failures = Failures()
    failures.hear(events)
    return failures.summary(n if n is not None else sum(isinstance(event, e.Failed) for event in events))


def test_nothing_failed() -> None:
    assert summary() == [] and Failures().example is None


def test_what_failed_before_this_run_is_counted() -> None:
    assert summary(n=2) == ["failed: 2 tasks, before this run"]
    assert summary(failed(0), n=3)[1:] == ["failed: 2 more"]


def test_thousands_that_failed_in_the_same_way_are_a_line() -> None:
    events = [
        failed(i, f"Traceback\n  in /home/me/{i}.py\nValueError: no mesh {i} in /data/{i}/x.h5\n") for i in range(4000)
    ]
    events += [failed(i, signal=9, status=137) for i in range(4000, 4003)]
    events += [failed(5000, f"at 0x7f{i:06x}: 1e{i} is too large", 3) for i in range(2)]
    events += [failed(6000, "open: no such file", 1, "last one")]
    assert summary(*events) == [
        "failed: 4,000 tasks, such as #0 task-0: exit status 1: ValueError: no mesh 0 in /data/0/x.h5",
        "failed: 3 tasks, such as #4000 task-4000: SIGKILL",
        "failed: 2 tasks, such as #5000 task-5000: exit status 3: at 0x7f000000: 1e0 is too large",
        "failed: #6000 last one: exit status 1: open: no such file",
    ]


def test_what_differs_in_the_name_of_the_task_is_the_same() -> None:
    names = ("wing", "tail", "body")
    lines = summary(*(failed(i, f"cannot open {name}.msh", name=name) for i, name in enumerate(names)))
    assert lines == ["failed: 3 tasks, such as #0 wing: exit status 1: cannot open wing.msh"]


def test_other_lines_and_other_ends_are_other_groups() -> None:
    assert len(summary(failed(0, "a"), failed(1, "b"), failed(2, "a", 2), failed(3, "", 1))) == 4


def test_the_last_line_is_that_of_all_stderr_without_blanks_and_harmless() -> None:
    pieces = [e.Printed(10.0, 0, 2, b"first\nlast"), e.Printed(10.0, 0, 1, b"out\n"), e.Printed(10.0, 1, 2, b"other\n")]
    assert summary(*pieces, failed(0, " line\x1b[2J\n\n 10%\r\n  \n"))[0].endswith("exit status 1: 10%")
    (line,) = summary(*pieces, failed(0, " line\x1b[2J\n\n"))
    assert line.endswith("exit status 1: last line\\x1b[2J")
    again = e.Retried(10.0, "w", failed(0).task, 1)
    assert summary(*pieces, again, failed(0)) == ["failed: #0 task-0: exit status 1"], "that was another attempt"


def test_what_a_setup_block_printed_explains_only_its_own_failure() -> None:
    loading = "[setup] loading\n"
    assert summary(failed(0, loading)) == ["failed: #0 task-0: exit status 1"]
    assert summary(failed(0, f"no mesh\n{loading}")) == ["failed: #0 task-0: exit status 1: no mesh"]
    assert summary(failed(0, loading, cause=Cause.SETUP, error="its setup failed")) == [
        "failed: #0 task-0: its setup failed: [setup] loading"
    ]


def test_what_could_not_start_says_why() -> None:
    error = "cannot start x: No such file or directory (exit status 127)"
    assert summary(failed(0, status=127, cause=Cause.NOT_STARTED, error=error)) == [f"failed: #0 task-0: {error}"]


def test_what_runs_again_has_not_failed() -> None:
    failures = Failures()
    failures.hear([failed(0, "a"), failed(1, "a"), failed(2, "b")])
    failures.hear([e.Revived(12.0, [Named(0, "task-0"), Named(2, "task-2"), Named(7, "skipped")])])
    assert failures.summary(1) == ["failed: #1 task-1: exit status 1: a"]
    assert failures.example == 1


def test_many_groups_are_counted_beyond_a_limit() -> None:
    events = [failed(i, "a" * (i % 30) + "b" * (i // 30 + 1)) for i in range(KEPT + 500)]
    lines = summary(*events, n=KEPT + 600)
    assert lines[0] == f"failed: 500 tasks, such as #{KEPT} task-{KEPT}: exit status 1"
    assert len(lines) == SHOWN + 1 and lines[-1] == f"failed: {KEPT + 600 - 500 - (SHOWN - 1):,} more"
