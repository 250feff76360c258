"""The job log as a listener: a row for each attempt, as events tell of it."""

from __future__ import annotations

from pathlib import Path

from dwork.core import events as e
from dwork.core.cause import Cause
from dwork.output.joblog import HEADER, Joblog
from tests.desk import ended, named


def command(id: int) -> str:
    return f"run {id}"


def row(seq: int, received: int = 0, status: int = 0, signal: int = 0) -> str:
    return f"{seq}\tw\t10.000\t     2.500\t0\t{received}\t{status}\t{signal}\trun {seq - 1}\n"


TIMES = {"started": 10.0, "seconds": 2.5}


def test_each_end_of_an_attempt_is_a_row_and_nothing_else_is(tmp_path: Path) -> None:
    log = Joblog(str(tmp_path / "log"), command)
    log.hear([e.Joined(1.0, "w:1", 1), e.Requeued(1.0, "w:1", [named(9)], Cause.DIED, "it died")])
    log.hear([e.Finished(1.0, "w:1", [ended(0, **TIMES), ended(1, stdout=b"123", stderr=b"4", **TIMES)])])
    log.hear([e.Retried(1.0, "w:1", ended(2, exit_status=3, **TIMES), 1)])
    log.hear([e.Failed(1.0, "w:1", ended(2, 2, exit_status=3, **TIMES)), e.Skipped(1.0, [named(4)], named(2))])
    log.hear([e.Killed(1.0, "w:1", ended(3, exit_status=143, signal=15, **TIMES), "on request")])
    log.close()
    assert (tmp_path / "log").read_text() == HEADER + "".join(
        [row(1), row(2, 3), row(3, status=3), row(3, status=3), row(4, signal=15)]
    )


def test_output_that_came_before_the_end_counts_for_its_attempt_only(tmp_path: Path) -> None:
    log = Joblog(str(tmp_path / "log"), command)
    log.hear([e.Printed(1.0, 0, 1, b"x" * 100), e.Requeued(1.0, "w:1", [named(0)], Cause.DIED, "it died")])
    log.hear([e.Printed(1.0, 0, 1, b"x" * 20), e.Printed(1.0, 0, 2, b"x" * 7)])
    log.hear([e.Finished(1.0, "w:1", [ended(0, stdout=b"x", **TIMES)])])
    log.close()
    assert (tmp_path / "log").read_text() == HEADER + row(1, 21)


def test_it_is_added_to_or_starts_anew(tmp_path: Path) -> None:
    path = tmp_path / "log"
    for again, rows in ((True, 1), (True, 2), (False, 1)):
        log = Joblog(str(path), command, again=again)
        log.hear([e.Finished(1.0, "w:1", [ended(0, **TIMES)])])
        log.close()
        assert path.read_text() == HEADER + row(1) * rows
