"""Records of format 1 are read, and migrated.

format1.sql is a record that dwork wrote in that format, and format1.txt is what its dquery printed of it. It has a task
for each way to end, is of three runs (killed, stopped, killed), and its last batch has not been entered yet.
"""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dwork.core.cause import Cause
from dwork.dquery import main
from dwork.record import past, schema
from dwork.record.reading import Archive
from dwork.record.store import Store
from tests.conftest import ROOT
from tests.desk import RUN, look

HERE = Path(__file__).parent
SCRIPT = (HERE / "format1.sql").read_text()
PRINTED = {
    command: output
    for each in f"\n{(HERE / 'format1.txt').read_text()}".split("\n$ dquery ")[1:]
    for command, _, output in [each.partition("\n")]
}
#: What format 1 did not have.
NEW = ("cause", "culprit", "left_behind", "after_any")
ENDS = "SELECT name, attempt, outcome, cause FROM attempts JOIN tasks ON id = task ORDER BY task, attempt"


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The record, in a place where the time is that of Greenwich."""
    (tmp_path / "run").mkdir()
    path = tmp_path / "run" / "tasks.txt.db"
    connection = sqlite3.connect(path)
    connection.executescript(SCRIPT)
    connection.close()
    with monkeypatch.context() as patch:
        patch.chdir(path.parent)
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield path
    time.tzset()


def opened(path: Path) -> Store:
    return Store(str(path), RUN, lambda name: None)


def without_news(value: Any) -> Any:
    if isinstance(value, list):
        return [without_news(each) for each in value]
    return (
        {key: without_news(each) for key, each in value.items() if key not in NEW} if isinstance(value, dict) else value
    )


def parsed(line: str) -> Any:
    """Without the last digits of fractions: `sum` is more exact from Python 3.12 on."""
    return json.loads(line, parse_float=lambda digits: round(float(digits), 6))


def shows_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    for command, before in PRINTED.items():
        main(command.split())
        now = capsys.readouterr().out.removesuffix("\n")
        if "json" in command:
            assert [without_news(parsed(line)) for line in now.splitlines()] == [
                parsed(line) for line in before.splitlines()
            ], command
        else:
            assert now == before.removesuffix("\n"), command


def test_what_dquery_shows_of_it_is_what_it_always_showed(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = old.read_bytes()
    shows_the_same(capsys)
    assert old.read_bytes() == content, "an older dwork can still use it"
    opened(old).close(1700003000.0, "done")
    assert look(old, "PRAGMA user_version") == [schema.VERSION]


def test_one_that_nobody_can_write_shows_the_same(
    old: Path, read_only: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    read_only(old.parent)
    shows_the_same(capsys)


def test_its_columns_are_filled_from_its_texts(old: Path) -> None:
    opened(old).close(1700003000.0, "done")
    assert look(old, ENDS) == [
        ("mesh", 1, "done", None),
        ("bad", 1, "interrupted", "stopped"),
        ("bad", 2, "failed", None),
        ("bad", 3, "failed", None),
        ("late", 1, "timeout", "timeout"),
        ("gone", 1, "cancelled", "cancelled"),
        ("big", 1, "failed", "memory"),
        ("nostart", 1, "failed", "not started"),
        ("full", 1, "failed", "output"),
        ("lost", 1, "lost", "died"),
        ("left", 1, "interrupted", "left"),
        ("left", 2, "interrupted", "revoked"),
        ("never", 1, "lost", "never arrived"),
        ("elsewhere", 1, "lost", "elsewhere"),
        ("noout", 1, "lost", "no output"),
        ("noout", 2, "lost", "stopped"),
        ("dead", 1, "lost", "died"),
        ("dead", 2, "lost", "run died"),
        ("dead", 3, "lost", "died"),
        ("stopped", 1, "interrupted", "stopped"),
        ("stopped", 2, "done", None),
        ("crash", 1, "lost", "run died"),
        ("revoked", 1, "interrupted", "stopped"),
    ]
    query = "SELECT t.name, c.name, t.reason FROM tasks t JOIN tasks c ON c.id = t.culprit ORDER BY t.id"
    assert look(old, query) == [
        ("sub", "bad", "after bad"),
        ("subsub", "bad", "after bad"),
        ("afterlate", "late", "after late"),
        ("aftergone", "gone", "after gone"),
        ("afterjoin", "dead", "after dead"),
    ]


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        ("timed out after 2 s", "timeout"),
        ("cannot be started: no pipe for its output: Too many open files", "not started"),
        ("its worker died: gone", "died"),
        ("its worker or the whole run died 5 times while it ran; the next run tries it once more", "died"),
        ("it was lost 5 times; the last time some of its output never arrived", "no output"),
        ("what a client said", "other"),
        (None, None),
    ],
)
def test_each_text_of_a_failure_has_its_cause(old: Path, reason: str | None, cause: str | None) -> None:
    connection = sqlite3.connect(old)
    with connection:
        connection.execute("UPDATE attempts SET outcome = 'failed', reason = ? WHERE task = 11", (reason,))
    connection.close()
    opened(old).close(1700003000.0, "done")
    assert look(old, "SELECT cause FROM attempts WHERE task = 11") == [cause]
    assert cause is None or Cause(cause)


def test_of_two_tasks_with_the_name_of_a_culprit_it_is_the_one_in_the_files(old: Path) -> None:
    connection = sqlite3.connect(old)
    with connection:
        connection.execute("UPDATE tasks SET name = 'bad', removed = 1.0 WHERE id IN (0, 20)")
        connection.execute("UPDATE tasks SET reason = 'after nobody' WHERE name = 'afterlate'")
    connection.close()
    opened(old).close(1700003000.0, "done")
    assert look(old, "SELECT culprit FROM tasks WHERE state = 'skipped' ORDER BY id") == [1, 1, None, 6, 16]


def test_a_run_goes_on_from_it(old: Path) -> None:
    store = opened(old)
    assert store.was_killed
    tasks = [entry.task for entry in past.recorded(store.connection)]
    plan = store.resume(tasks, 1700003000.0)
    assert (plan.done, plan.failed, plan.lost) == (2, 6, 4)
    assert [(e.task.name, e.state.value, e.attempt) for e in plan.entries if e.state.value != "waiting"] == [
        ("mesh", "done", 1),
        ("stopped", "done", 2),
    ]
    assert {e.task.name: (e.attempt, e.losses, e.spared) for e in plan.entries if e.last} == {
        "bad": (3, 0, True),
        "late": (1, 0, True),
        "big": (1, 0, True),
        "nostart": (1, 0, True),
        "full": (1, 0, True),
        "lost": (1, 1, False),
        "noout": (2, 1, False),
        "dead": (3, 3, True),
        "crash": (2, 2, False),
        "held": (1, 1, False),
    }
    assert [e.task.name for e in plan.entries if e.suspended] == ["never"]
    assert {state for (state,) in store.connection.execute("SELECT DISTINCT state FROM tasks")} == {"done", "waiting"}
    assert store.connection.execute("SELECT count(culprit) FROM tasks").fetchone() == (0,)
    store.close(1700003001.0, "stopped")


KILLED = """
import os, signal, sys
from dwork.record import schema
from dwork.record.run import this_run
from dwork.record.store import Store

statements = schema._statements

left = int(sys.argv[2])

def cut_short(script):
    global left
    for statement in [*statements(script), None]:  # None: all of this script has run
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
        if statement is not None:
            yield statement

schema._statements = cut_short
Store(sys.argv[1], this_run(1.0), lambda name: None)
"""
STATEMENTS = sum(len(schema._statements(script)) + 1 for script in schema.MIGRATIONS[1:])


@pytest.mark.parametrize("number", range(STATEMENTS))
def test_a_kill_during_the_migration_leaves_a_record_that_can_be_used(old: Path, number: int) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, old, str(number)], cwd=ROOT)
    assert killed.returncode == -signal.SIGKILL
    with Archive(str(old)) as archive:
        assert [row["name"] for row in archive.tasks(["done"])] == ["mesh", "stopped"]
    assert look(old, "PRAGMA user_version") == [1]
    opened(old).close(1700003000.0, "done")
    assert look(old, "SELECT count(*) FROM attempts WHERE cause IS NOT NULL") == [19]
    assert look(old, "SELECT count(culprit) FROM tasks") == [5]
    assert look(old, "PRAGMA integrity_check") == ["ok"]
