"""docs/record.md and README tell of all that is in a record, and their queries work."""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from dwork.core import events as e
from dwork.core.cause import Cause
from dwork.record.schema import VERSION, prepare
from tests.conftest import ROOT
from tests.desk import Desk, ended, given, named, task
from tests.needs import missing
from tests.system.docs.page import blocks, commands

MANUAL = (ROOT / "docs" / "record.md").read_text()


@pytest.fixture
def record(desk: Desk, tmp_path: Path) -> Path:
    """A record in which three tasks took 1, 2 and 3 seconds, one failed, and one was skipped."""
    desk.resume(*(task(f"t{i}") for i in range(4)), task("t4", "t3"))
    desk.hear(e.Stolen(1.0, "node:1", [given(i) for i in range(4)]))
    usage = [{"started": 10.0, "seconds": i + 1.0, "user": 0.5, "system": 0.5, "max_rss": i << 20} for i in range(4)]
    desk.hear(e.Finished(20.0, "node:1", [ended(i, **usage[i]) for i in range(3)]))
    desk.hear(e.Failed(20.0, "node:1", ended(3, exit_status=4, **usage[3])), e.Skipped(20.0, [named(4)], named(3)))
    desk.close()
    (tmp_path / "run.db").rename(tmp_path / "tasks.txt.db")
    return tmp_path


@pytest.mark.parametrize("page", ["README.md", "docs/record.md"])
def test_the_queries_answer(record: Path, run: Callable, page: str) -> None:
    if shutil.which("sqlite3") is None:
        missing("sqlite3")
    typed = [
        command.text
        for block in blocks(ROOT / page)
        if block.language == "console"
        for command in commands(page, block)
    ]
    queries = [text for text in typed if text.startswith("sqlite3 ")]
    answers = []
    for command in queries:
        ran = run("sh", "-c", command.replace("-box ", ""))
        assert (ran.code, ran.err) == (0, ""), command
        answers.append(ran.out.splitlines())
    of_both = [
        ["t2|3.0", "t1|2.0", "t0|1.0"],
        ["node|4|1"],
        ["t3|3|0.25", "t2|2|0.333333333333333", "t1|1|0.5", "t0||1.0"],
    ]
    assert answers == of_both + [["t3|exit status 4|1"]] * (page == "docs/record.md")


def tables() -> dict[str, list[str]]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    prepare(connection, "memory")
    names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    return {name: [row[1] for row in connection.execute(f"PRAGMA table_info({name})")] for name in names}


def told_of(table: str) -> str:
    """What the manual says of a table: up to the next one, or heading."""
    _, found, rest = MANUAL.partition(f"**{table}**")
    assert found, f"the manual does not know {table}"
    return re.split(r"^(?:\*\*|## )", rest, maxsplit=1, flags=re.MULTILINE)[0]


@pytest.mark.parametrize("table", tables())
def test_the_manual_tells_of_each_column_in_the_order_of_the_table(table: str) -> None:
    text = told_of(table)
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", text, re.MULTILINE)
    if rows:
        assert [name for row in rows for name in re.findall(r"`(\w+)`", row)] == tables()[table]
    else:
        assert all(f"`{column}`" in text for column in tables()[table])


def test_the_manual_tells_of_each_cause_in_a_record() -> None:
    recorded = set(Cause) - {Cause.ITSELF, Cause.UNSTARTED}
    assert [cause for cause in recorded if f"`{cause.value}`" not in told_of("attempts")] == []


def test_the_manual_tells_the_version() -> None:
    assert f"`PRAGMA user_version`, now {VERSION}." in MANUAL


def test_a_path_that_the_manual_gives_is_one_that_a_pool_takes() -> None:
    from dwork.record.opening import places

    assert places("tasks.txt.db", None, False) == ("tasks.txt.db", "tasks.txt.logs")
