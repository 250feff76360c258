"""Which hub a command asks: options before or after its name, the file of -f, and the working directory decide."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from dwork.client.client import Client
from dwork.connection.directory import publish, withdraw
from dwork.connection.file import Connection


@pytest.fixture(autouse=True)
def with_connection_files(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DWORK_INSECURE", "DWORK_SERVER", "DWORK_CONNECTION"):
        monkeypatch.delenv(name, raising=False)


def published(hub: Any, pid: int, **more: Any) -> Connection:
    connection = Connection((hub.address,), host="elsewhere", pid=pid, started=float(pid), **more)
    publish(connection)
    return connection


@pytest.fixture
def two(keep: Any, tmp_path: Path) -> dict[str, Path]:
    """The directories of two runs: `one` with a task, `other` with two."""
    places = {}
    for n, name in enumerate(("one", "other"), 1):
        place = tmp_path / name
        place.mkdir()
        (place / "tasks.txt").write_text("true\n")
        hub = keep()
        published(hub, n, job=str(n), tasks=str(place / "tasks.txt"), record=str(place / "tasks.txt.db"))
        with Client(connection=Connection((hub.address,))) as client:
            for i in range(n):
                client.create(f"{name}-{i}")
        places[name] = place
    return places


def names(ran: Any) -> list[str]:
    assert ran.status == 0, ran.err
    return [line.split()[-1] for line in ran.out.splitlines()]


@pytest.mark.parametrize(
    "words", [("--job", "2", "list"), ("list", "--job", "2"), ("--timeout", "9", "list", "--job", "2")]
)
def test_options_stand_before_or_after_the_command(dquery: Any, two: Any, words: tuple[str, ...]) -> None:
    assert names(dquery(*words)) == ["other-0", "other-1"]


def test_a_command_keeps_its_own_options_of_these_names(dquery: Any, two: Any) -> None:
    assert dquery("create", "slow", "--job", "1", "--timeout", "2h").status == 0
    assert '"timeout": 7200' in dquery("show", "slow", "--job", "1", "--json", "-v").out


def test_options_that_contradict_are_refused_in_any_order(dquery: Any, two: Any) -> None:
    for words in ("--job", "1", "list", "-s", "x"), ("list", "--job", "1", "-s", "x"):
        assert dquery(*words).err == "dquery: -s and --job contradict each other; drop one\n"


def test_of_two_runs_the_working_directory_chooses(
    dquery: Any, two: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(two["one"])
    assert names(dquery("list")) == ["one-0"]
    assert dquery("cancel", "one-0").status == 0
    monkeypatch.chdir(two["other"])
    assert names(dquery("list")) == ["other-0", "other-1"]
    monkeypatch.chdir(tmp_path)
    assert "there are several runs" in dquery("list").err


@pytest.fixture
def elsewhere(keep: Any, tmp_path: Path) -> Path:
    """The directory of the only run, which is not the working directory."""
    place = tmp_path / "elsewhere"
    place.mkdir()
    hub = keep()
    published(hub, 1, tasks=str(place / "tasks.txt"))
    with Client(connection=Connection((hub.address,))) as client:
        client.create("a")
    return place


@pytest.mark.parametrize(
    "words",
    [("cancel", "a"), ("hold", "*"), ("retry", "a"), ("drain",), ("stop-worker", "*")],
)
def test_the_only_run_is_not_changed_from_another_directory(
    dquery: Any, elsewhere: Path, tmp_path: Path, words: tuple[str, ...]
) -> None:
    path = tmp_path / ".dwork" / "elsewhere-1.json"
    ran = dquery(*words)
    assert ran.status == 2
    assert ran.err.startswith("dquery: no run of this directory is known; to change the run of ")
    assert ran.err.endswith(f"{elsewhere.name}/tasks.txt on elsewhere, add --connection {path}\n")
    assert "1 active tasks, 1 ready" in dquery("status").out
    assert dquery("--connection", str(path), "hold", "a").out == "Held 1 task\n"


def test_tasks_are_added_and_taken_in_any_directory(dquery: Any, elsewhere: Path) -> None:
    ran = dquery("create", "b")
    assert ran.status == 0 and ran.err.startswith("dquery: the run of ")
    ran = dquery("steal", "vm:1")
    assert ran.status == 0 and ran.err == ""


def test_a_run_is_changed_from_its_directory(dquery: Any, elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(elsewhere)
    ran = dquery("hold", "a")
    assert (ran.out, ran.err) == ("Held 1 task\n", "")


def test_a_run_of_another_directory_is_shown_with_its_name(dquery: Any, elsewhere: Path) -> None:
    err = dquery("list").err
    assert err.startswith("dquery: the run of ") and err.endswith("elsewhere/tasks.txt on elsewhere\n")


@pytest.mark.parametrize("record", ["", "/elsewhere/run.db"])
def test_a_dhub_belongs_to_no_directory(dquery: Any, keep: Any, record: str) -> None:
    published(keep(), 1, tasks=record, record=record)
    ran = dquery("create", "a")
    assert (ran.status, ran.err) == (0, "")


@pytest.mark.parametrize("words", [("list", "-f"), ("-f",)])
def test_the_task_file_of_a_run_chooses_its_hub(dquery: Any, two: dict[str, Path], words: tuple[str, ...]) -> None:
    file = str(two["one"] / "tasks.txt")
    assert names(dquery(*words, file, *(() if "list" in words else ("list",)))) == ["one-0"]


def test_an_option_of_a_command_before_its_name_is_answered_with_its_place(dquery: Any) -> None:
    assert dquery("--state", "failed", "list").err == (
        "dquery: dquery itself has no option --state; write it after list; see dquery -h\n"
    )
    assert "write it after" not in dquery("--nonsense", "list").err
    assert "write it after" not in dquery("list", "--wait", "status").err


def test_a_command_that_needs_a_hub_takes_no_record(dquery: Any) -> None:
    assert dquery("-f", "x.db", "cancel", "a").err == "dquery: cancel needs a running hub, and takes no -f\n"
    assert dquery("cancel", "a", "-f", "x.db").err == "dquery: cancel needs a running hub, and takes no -f\n"


@pytest.mark.parametrize("word", ["my tasks.txt", "my tasks.txt.db"])
def test_a_record_without_its_option_is_answered_with_it(
    dquery: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, word: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "-f" not in dquery("failed", word).err
    (tmp_path / "my tasks.txt.db").touch()
    advice = "to read a record, write -f 'my tasks.txt.db'"
    assert dquery("failed", word).err == (
        f"dquery: Got unexpected extra argument ({word}); {advice}; see dquery failed -h\n"
    )


def test_without_a_run_the_record_of_the_last_one_is_named(
    dquery: Any, keep: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for n, name in (2, "last.db"), (1, "earlier.db"):
        (tmp_path / name).touch()
        published(keep(), n, record=str(tmp_path / name))
    for path in (tmp_path / ".dwork").glob("*.json"):
        withdraw(str(path))
    for words in ("failed",), ("status",), ("list",):
        ran = dquery(*words)
        assert ran.status == 2 and ran.err.endswith(": add -f last.db to read the record of the last run\n")
    assert "-f" not in dquery("cancel", "a").err
    os.unlink("last.db")
    assert "-f" not in dquery("failed").err
