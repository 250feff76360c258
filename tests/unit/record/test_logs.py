"""The log files beside a record, and the table that refers to them."""

from __future__ import annotations

from pathlib import Path

import pytest

from dwork.core import events as e
from dwork.core.cause import Cause
from dwork.record.logs import Logs, read
from tests.desk import Desk, ended, given, named


def test_output_is_in_a_file_of_its_worker_and_the_table_tells_where(three: Desk, tmp_path: Path) -> None:
    three.hear(e.Stolen(8.0, "w:1", [given(0), given(1)]))
    three.hear(e.Printed(9.0, 0, 1, b"first\n"), e.Printed(9.0, 0, 2, b"warning"), e.Printed(9.5, 0, 1, b"second"))
    three.hear(e.Finished(10.0, "w:1", [ended(0, stdout=b"last\n"), ended(1, stderr=b"\xff\0")]))
    assert three.ask("SELECT task, attempt, stream, position, file FROM output") == [
        (0, 1, 1, 0, "run.logs/w_1.log"),
        (0, 1, 1, 1, "run.logs/w_1.log"),
        (0, 1, 1, 2, "run.logs/w_1.log"),
        (0, 1, 2, 0, "run.logs/w_1.log"),
        (1, 1, 2, 0, "run.logs/w_1.log"),
    ]
    pieces = [read(three.path, *where) for where in three.ask("SELECT file, offset, length FROM output")]
    assert pieces == [b"first\n", b"second", b"last\n", b"warning", b"\xff\0"]
    assert (tmp_path / "run.logs" / "w_1.log").read_bytes() == (
        b"--- #0 stdout ---\nfirst\n--- #0 stderr ---\nwarning\n--- #0 stdout ---\nsecond\n"
        b"--- #0 stdout ---\nlast\n--- #1 stderr ---\n\xff\0\n"
    )


def test_output_of_a_further_attempt_is_marked_and_added_to_the_file(three: Desk, tmp_path: Path) -> None:
    three.hear(e.Stolen(8.0, "w:1", [given(0)]), e.Retried(9.0, "w:1", ended(0, exit_status=1, stdout=b"a\n"), 1))
    again = three.reopened(logs=tmp_path / "run.logs")
    again.hear(e.Stolen(8.0, "w:1", [given(0, 2)]), e.Finished(9.0, "w:1", [ended(0, 2, stdout=b"b\n")]))
    assert (tmp_path / "run.logs" / "w_1.log").read_text() == "--- #0 stdout ---\na\n--- #0 stdout, attempt 2 ---\nb\n"
    assert again.ask("SELECT attempt, offset, length FROM output") == [(1, 18, 2), (2, 49, 2)]


def test_what_runs_is_brought_back_with_how_much_of_its_output_is_there(three: Desk, tmp_path: Path) -> None:
    three.hear(e.Stolen(8.0, "w:1", [given(0, 1)]), e.Printed(9.0, 0, 1, b"of another attempt"))
    three.hear(e.Requeued(9.0, "w:1", [named(0)], Cause.DIED, "it died"))
    three.hear(e.Stolen(9.5, "w:2", [given(0, 2), given(1)]), e.Printed(9.5, 0, 1, b"abc"), e.Printed(9.5, 0, 1, b"de"))
    three.hear(e.Printed(9.5, 0, 2, b"f"))
    entries = three.after_a_kill(tmp_path / "copy.db").store.recover(10.0)
    assert [(entry.attempt, entry.printed) for entry in entries] == [(2, (5, 1)), (1, (0, 0)), (0, (0, 0))]


def test_the_output_of_an_attempt_that_is_found_again_comes_from_its_start(three: Desk) -> None:
    three.hear(e.Stolen(8.0, "w:1", [given(0), given(1)]), e.Printed(9.0, 0, 1, b"abc"), e.Printed(9.0, 1, 1, b"stays"))
    three.hear(e.Requeued(9.0, "w:1", [named(0)], Cause.DIED, "silent"))
    assert three.ask("SELECT length FROM output WHERE task = 0") == [3], "it may be all that there will ever be"
    three.hear(e.Stolen(10.0, "w:1", [given(0)]), e.Printed(11.0, 0, 1, b"abcdef"))
    assert three.ask("SELECT task, position, length FROM output") == [(0, 0, 6), (1, 0, 5)]


def test_output_of_a_task_that_nobody_holds_is_not_kept(three: Desk, tmp_path: Path) -> None:
    three.hear(e.Printed(9.0, 0, 1, b"from nowhere"))
    assert three.ask("SELECT count(*) FROM output") == [0]
    assert not (tmp_path / "run.logs").exists()


@pytest.mark.parametrize("location", ["../../etc/x", "", "a b/c", "é:1", "h:" + "9" * 300, ".."])
def test_a_log_file_stays_in_its_directory_whatever_its_worker_is_called(tmp_path: Path, location: str) -> None:
    logs = Logs(str(tmp_path / "logs"), str(tmp_path / "run.db"))
    file, offset = logs.append(location, 1, 1, 1, b"text\n")
    logs.close()
    (made,) = (tmp_path / "logs").iterdir()
    assert str(tmp_path / file) == str(made)
    assert read(str(tmp_path / "run.db"), file, offset, 5) == b"text\n"


def test_more_workers_than_files_that_may_be_open(tmp_path: Path) -> None:
    logs = Logs(str(tmp_path / "logs"), str(tmp_path / "run.db"))
    where = [logs.append(f"w:{i % 200}", i, 1, 1, b"%d" % i) for i in range(400)]
    logs.close()
    for i, (file, offset) in enumerate(where):
        assert read(str(tmp_path / "run.db"), file, offset, len(b"%d" % i) + 1) == b"%d\n" % i
