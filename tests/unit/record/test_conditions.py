"""What the tasks of a run depend on beside themselves: options for the environment, and the directory."""

from __future__ import annotations

from pathlib import Path

import pytest

from dwork.core.errors import UsageError
from dwork.core.events import Finished
from dwork.core.messages import Execution
from dwork.core.task import State, Task
from dwork.core.text import UserText
from dwork.record.conditions import Conditions, here
from tests.desk import Desk, ended, task


def under(directory: str = "/data/case1", **variables: str) -> Conditions:
    return Conditions(directory, {f"--env {name}": value for name, value in variables.items()})


def done(desk: Desk, conditions: Conditions, *tasks: Task) -> None:
    """Run these tasks to a good end."""
    plan = desk.store.resume(tasks, 1000.0, conditions)
    desk.hear(Finished(1001.0, "w:1", tuple(ended(entry.id) for entry in plan.entries)))


def states(desk: Desk, conditions: Conditions, *tasks: Task) -> list[State]:
    return [entry.state for entry in desk.store.resume(tasks, 2000.0, conditions).entries]


def test_a_changed_variable_makes_all_tasks_run_again_and_only_once(desk: Desk) -> None:
    tasks = [task("a"), task("b", "a")]
    done(desk, under(CASE="1"), *tasks)
    again = desk.reopened()
    plan = again.store.resume(tasks, 2000.0, under(CASE="2", NEW="x"))
    assert plan.conditions == ["--env CASE", "--env NEW"]
    assert [entry.state for entry in plan.entries] == [State.WAITING, State.WAITING]
    again.hear(Finished(2001.0, "w:1", (ended(0, 2),)))
    later = again.reopened()
    assert states(later, under(NEW="x", CASE="2"), *tasks) == [State.DONE, State.WAITING]


def test_a_record_of_a_run_without_conditions_is_taken_as_it_is(desk: Desk) -> None:
    desk.resume(task("a"))
    desk.hear(Finished(1001.0, "w:1", (ended(0),)))
    assert states(desk.reopened(), under(CASE="2"), task("a")) == [State.DONE]


def test_no_value_is_in_the_record(desk: Desk, tmp_path: Path) -> None:
    done(desk, under(TOKEN="my-secret"), task("a"))
    desk.close()
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and b"my-secret" in path.read_bytes()]


def test_options_that_keep_and_drop_variables_count(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    execution = Execution(keep=(UserText("A*"), UserText("B")), set=((UserText("C"), UserText("d")),))
    assert here(execution) == (str(tmp_path), {"--env C": "d", "--env-keep": "A*\0B"})


def test_tasks_that_are_done_in_another_directory_are_neither_done_nor_run_here(desk: Desk) -> None:
    done(desk, under("/data/case1"), task("a"))
    again = desk.reopened()
    with pytest.raises(UsageError, match="is the record of a run in /data/case1, not in this directory; use a record"):
        again.store.resume([task("a")], 2000.0, under("/data/case2"))
    assert states(again, under("/data/case1"), task("a")) == [State.DONE]


def test_the_directory_does_not_matter_while_nothing_is_done_or_all_name_their_own(desk: Desk) -> None:
    desk.store.resume([task("a")], 1000.0, under("/data/case1"))
    again = desk.reopened()
    assert states(again, under("/data/case2"), task("a")) == [State.WAITING]
    done(again, under("/data/case2"), task("b", cwd="/elsewhere"))
    assert states(again.reopened(), under("/data/case3"), task("b", cwd="/elsewhere")) == [State.DONE]


def test_a_directory_that_was_moved_with_its_record_is_the_same(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    desk = Desk(tmp_path / "old" / "r.db")
    done(desk, under(str(tmp_path / "old" / "case")), task("a"))
    desk.close()
    (tmp_path / "old").rename(tmp_path / "new")
    moved = Desk(tmp_path / "new" / "r.db")
    assert states(moved, under(str(tmp_path / "new" / "case")), task("a")) == [State.DONE]
    moved.close()
